#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

/// The first byte of [p, end) that a JSON string cannot take as it is or that is not ASCII: a quote,
/// a backslash, a control character below 0x20, or a byte from 0x80. `end` where there is none.
const char* plain_run(const char* p, const char* end) noexcept;

/// How many bytes `put_json_string` writes at most.
std::size_t json_string_bytes_max(std::string_view text) noexcept;

/// Writes a JSON string with its quotes and escapes what must be (RFC 8259, section 7). What is not
/// UTF-8 becomes U+FFFD, so that the result is always valid.
/// @param out has room for `json_string_bytes_max(text)`
/// @returns the end of what it wrote
char* put_json_string(char* out, std::string_view text) noexcept;

/// Appends what `put_json_string` writes.
void append_json_string(std::string& out, std::string_view text);

void append_json_number(std::string& out, std::int64_t number);
void append_json_number(std::string& out, std::uint64_t number);

/// Appends the shortest text that reads back as the same double, with a fraction or an exponent so
/// that it stays one. JSON has no infinities and no NaN: those become `null`.
void append_json_number(std::string& out, double number);

} // namespace troupe
