#include "runtime/model/json_text.hpp"

#include "runtime/model/utf8.hpp"

#include <charconv>
#include <cmath>
#include <cstring>

namespace troupe {

namespace {

bool is_plain(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/// The high bit of each byte of `word` that is zero; other bits are noise only above a true one.
constexpr std::uint64_t zero_bytes(std::uint64_t word) noexcept {
  return (word - 0x0101010101010101u) & ~word & 0x8080808080808080u;
}

char* put_escape(char* out, char c) noexcept {
  static constexpr char hex[] = "0123456789abcdef";
  *out++ = '\\';
  switch (c) {
  case '"':
  case '\\':
    *out++ = c;
    return out;
  case '\b':
    *out++ = 'b';
    return out;
  case '\f':
    *out++ = 'f';
    return out;
  case '\n':
    *out++ = 'n';
    return out;
  case '\r':
    *out++ = 'r';
    return out;
  case '\t':
    *out++ = 't';
    return out;
  default:
    *out++ = 'u';
    *out++ = '0';
    *out++ = '0';
    *out++ = hex[static_cast<unsigned char>(c) >> 4];
    *out++ = hex[static_cast<unsigned char>(c) & 15];
    return out;
  }
}

template <class Number>
void append_chars(std::string& out, Number number) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, number);
  out.append(buffer, result.ptr);
}

} // namespace

bool is_utf8(std::string_view text) noexcept {
  const char* p = text.data();
  const char* end = p + text.size();
  while (p != end) {
    const auto length = utf8_sequence(p, end);
    if (length == 0)
      return false;
    p += length;
  }
  return true;
}

void append_utf8(std::string& out, std::uint32_t c) {
  const auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

const char* plain_run(const char* p, const char* end) noexcept {
  while (end - p >= 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    const auto quotes = zero_bytes(word ^ 0x2222222222222222u);
    const auto backslashes = zero_bytes(word ^ 0x5C5C5C5C5C5C5C5Cu);
    const auto controls = (word - 0x2020202020202020u) & ~word & 0x8080808080808080u;
    if (((word & 0x8080808080808080u) | quotes | backslashes | controls) != 0)
      break;
    p += 8;
  }
  while (p != end && is_plain(*p))
    ++p;
  return p;
}

std::size_t json_string_bytes_max(std::string_view text) noexcept {
  const char* end = text.data() + text.size();
  return plain_run(text.data(), end) == end ? text.size() + 2 : 6 * text.size() + 2;
}

char* put_json_string(char* out, std::string_view text) noexcept {
  const char* p = text.data();
  const char* end = p + text.size();
  *out++ = '"';
  while (p != end) {
    const char* stop = plain_run(p, end);
    std::memcpy(out, p, static_cast<std::size_t>(stop - p));
    out += stop - p;
    p = stop;
    if (p == end)
      break;
    if (static_cast<unsigned char>(*p) < 0x80) {
      out = put_escape(out, *p++);
      continue;
    }
    const auto length = utf8_sequence(p, end);
    const auto sequence = length != 0 ? std::string_view{p, length} : replacement_character;
    std::memcpy(out, sequence.data(), sequence.size());
    out += sequence.size();
    p += length != 0 ? length : 1;
  }
  *out++ = '"';
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  const auto start = out.size();
  out.resize(start + json_string_bytes_max(text));
  out.resize(static_cast<std::size_t>(put_json_string(out.data() + start, text) - out.data()));
}

void append_json_number(std::string& out, std::int64_t number) { append_chars(out, number); }
void append_json_number(std::string& out, std::uint64_t number) { append_chars(out, number); }

void append_json_number(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  const auto start = out.size();
  append_chars(out, number);
  if (out.find_first_of(".e", start) == std::string::npos)
    out += ".0";
}

} // namespace troupe
