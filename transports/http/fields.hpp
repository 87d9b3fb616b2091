#pragma once

#include <optional>
#include <string_view>
#include <utility>

namespace troupe::http {

/// Whether two header names or tokens are the same but for the case of ASCII letters.
bool iequals(std::string_view a, std::string_view b) noexcept;

/// Without spaces and tabs at both ends.
std::string_view trim(std::string_view text) noexcept;

/// Takes the next element of a comma-separated list (RFC 9110 section 5.6.1) off the front of `list`;
/// empty elements are skipped; empty when none is left.
std::string_view next_element(std::string_view& list) noexcept;

/// Whether a comma-separated list has this token.
bool has_token(std::string_view list, std::string_view token) noexcept;

/// Takes the next `name` or `name=value` of a list separated by semicolons off its front; quotes around a value are
/// taken away (RFC 9110 section 5.6.6; without escapes).
std::pair<std::string_view, std::optional<std::string_view>> next_parameter(std::string_view& list) noexcept;

/// Whether the text is a token (RFC 9110 section 5.6.2).
bool is_token(std::string_view text) noexcept;

} // namespace troupe::http
