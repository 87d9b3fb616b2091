#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::http {

/// Longest request target that is looked at.
inline constexpr std::size_t target_bytes_max = 8 * 1024;

/// A request target in its parts (RFC 9112 section 3.2.1: the origin form).
struct target {
  std::string_view path;  ///< As sent, not decoded; begins with '/'.
  std::string_view query; ///< Without the '?'.
};

/// Splits a target; nothing for what is not "/path?query" of visible ASCII within `target_bytes_max`.
std::optional<target> split_target(std::string_view text) noexcept;

/// Percent-decoded (RFC 3986 section 2.1).
/// @param plus whether '+' is a space, as forms write it
/// @returns nothing for a malformed escape
std::optional<std::string> percent_decode(std::string_view text, bool plus);

/// How a parameter of a query was found.
struct query_value {
  bool present = false;
  bool valid = true; ///< Present once, well-formed, within the bound, UTF-8 without control characters.
  std::string value;
};

/// The parameter with this name, decoded.
/// @param bytes_max of the decoded value
query_value find_parameter(std::string_view query, std::string_view name, std::size_t bytes_max);

} // namespace troupe::http
