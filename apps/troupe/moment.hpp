#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::cli {

/// A place in a log as people name it: the index of a record, or a time.
struct moment {
  std::optional<std::uint64_t> index;
  std::optional<std::int64_t> time_us; ///< Microseconds since the Unix epoch.
};

/// Reads an index ("4711"), a time of RFC 3339 ("2026-03-01T12:00:00Z"), or a time before now ("-90s", "-5m", "-2h",
/// "-7d"). Nothing where the text is none of them.
std::optional<moment> parse_moment(std::string_view text, std::int64_t now_us);

/// RFC 3339, section 5.6, in UTC with six digits of fraction. Nothing for a year that has not four digits.
std::optional<std::string> rfc3339(std::int64_t time_us);

std::int64_t now_us();

} // namespace troupe::cli
