#include "runtime/model/utf8.hpp"
#include "runtime/wire/msgpack_text.hpp"
#include "runtime/wire/scanner.hpp"

#include <bit>
#include <cmath>
#include <limits>

namespace troupe::wire {

std::string_view describe(msgpack_fault fault) noexcept {
  switch (fault) {
  case msgpack_fault::none:
    return "no fault";
  case msgpack_fault::end_of_text:
    return "unexpected end";
  case msgpack_fault::never_used:
    return "byte 0xc1";
  case msgpack_fault::utf8:
    return "string is not UTF-8";
  case msgpack_fault::not_finite:
    return "number is not finite";
  case msgpack_fault::extension:
    return "unknown ext type";
  case msgpack_fault::key:
    return "key is not a string";
  case msgpack_fault::too_deep:
    return "nested too deep";
  case msgpack_fault::trailing:
    return "more after the end";
  }
  return "";
}

bool msgpack_scanner::read_big_endian(std::size_t bytes, std::uint64_t& out) noexcept {
  if (static_cast<std::size_t>(end_ - p_) < bytes)
    return fail(msgpack_fault::end_of_text);
  out = 0;
  for (std::size_t i = 0; i < bytes; ++i)
    out = out << 8 | static_cast<unsigned char>(*p_++);
  return true;
}

bool msgpack_scanner::take(std::uint64_t bytes, std::string_view& out) noexcept {
  if (static_cast<std::uint64_t>(end_ - p_) < bytes)
    return fail(msgpack_fault::end_of_text);
  out = {p_, static_cast<std::size_t>(bytes)};
  p_ += bytes;
  return true;
}

/// The rest of a string or of binary data whose length takes `length_bytes`.
bool msgpack_scanner::sized(std::size_t length_bytes, msgpack_token& out) noexcept {
  std::uint64_t bytes = 0;
  if (!read_big_endian(length_bytes, bytes) || !take(bytes, out.text))
    return false;
  return out.type != msgpack_type::string || is_utf8(out.text) || fail(msgpack_fault::utf8);
}

bool msgpack_scanner::head(std::size_t length_bytes, msgpack_token& out) noexcept {
  std::uint64_t count = 0;
  if (!read_big_endian(length_bytes, count))
    return false;
  out.count = static_cast<std::uint32_t>(count);
  return true;
}

bool msgpack_scanner::extension(std::uint64_t bytes, msgpack_token& out) noexcept {
  std::uint64_t type = 0;
  if (!read_big_endian(1, type) || !take(bytes, out.text))
    return false;
  if (static_cast<std::int8_t>(type) != ext_number)
    return fail(msgpack_fault::extension);
  out.type = msgpack_type::digits;
  scanner digits{out.text};
  std::string_view number;
  return (digits.number(number) && number.size() == out.text.size()) || fail(msgpack_fault::extension);
}

bool msgpack_scanner::real(std::size_t bytes, msgpack_token& out) noexcept {
  std::uint64_t n = 0;
  if (!read_big_endian(bytes, n))
    return false;
  out.type = msgpack_type::real;
  out.real = bytes == 4 ? std::bit_cast<float>(static_cast<std::uint32_t>(n)) : std::bit_cast<double>(n);
  return std::isfinite(out.real) || fail(msgpack_fault::not_finite);
}

bool msgpack_scanner::integer(std::size_t bytes, bool is_signed, msgpack_token& out) noexcept {
  std::uint64_t n = 0;
  if (!read_big_endian(bytes, n))
    return false;
  if (!is_signed && n > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    out.type = msgpack_type::unsigned_integer;
    out.unsigned_integer = n;
    return true;
  }
  out.type = msgpack_type::integer;
  if (is_signed && bytes == 1)
    out.integer = static_cast<std::int8_t>(n);
  else if (is_signed && bytes == 2)
    out.integer = static_cast<std::int16_t>(n);
  else if (is_signed && bytes == 4)
    out.integer = static_cast<std::int32_t>(n);
  else
    out.integer = static_cast<std::int64_t>(n);
  return true;
}

bool msgpack_scanner::next(msgpack_token& out) noexcept {
  std::uint64_t n = 0;
  if (!read_big_endian(1, n))
    return false;
  const auto tag = static_cast<std::uint8_t>(n);
  if (tag <= 0x7F || tag >= 0xE0) {
    out.type = msgpack_type::integer;
    out.integer = static_cast<std::int8_t>(tag);
    return true;
  }
  if (tag <= 0x9F) {
    out.type = tag <= 0x8F ? msgpack_type::map : msgpack_type::array;
    out.count = tag & 0x0F;
    return true;
  }
  if (tag <= 0xBF) {
    out.type = msgpack_type::string;
    return take(tag & 0x1F, out.text) && (is_utf8(out.text) || fail(msgpack_fault::utf8));
  }
  return tagged(tag, out);
}

/// What follows a tag from 0xC0 to 0xDF: in each group the length doubles from tag to tag.
bool msgpack_scanner::tagged(std::uint8_t tag, msgpack_token& out) noexcept {
  const auto bytes = [tag](std::uint8_t first) { return std::size_t{1} << (tag - first); };
  if (tag == 0xC1)
    return fail(msgpack_fault::never_used);
  if (tag <= 0xC3) {
    out.type = tag == 0xC0 ? msgpack_type::nil : msgpack_type::boolean;
    out.boolean = tag == 0xC3;
    return true;
  }
  if (tag <= 0xC6) {
    out.type = msgpack_type::binary;
    return sized(bytes(0xC4), out);
  }
  if (tag <= 0xC9) {
    std::uint64_t length = 0;
    return read_big_endian(bytes(0xC7), length) && extension(length, out);
  }
  if (tag <= 0xCB)
    return real(tag == 0xCA ? 4 : 8, out);
  if (tag <= 0xD3)
    return tag <= 0xCF ? integer(bytes(0xCC), false, out) : integer(bytes(0xD0), true, out);
  if (tag <= 0xD8)
    return extension(bytes(0xD4), out);
  if (tag <= 0xDB) {
    out.type = msgpack_type::string;
    return sized(bytes(0xD9), out);
  }
  out.type = tag <= 0xDD ? msgpack_type::array : msgpack_type::map;
  return head(tag == 0xDC || tag == 0xDE ? 2 : 4, out);
}

bool msgpack_scanner::key(std::string_view& out) noexcept {
  msgpack_token token;
  if (!next(token))
    return false;
  out = token.text;
  return token.type == msgpack_type::string || fail(msgpack_fault::key);
}

bool msgpack_scanner::any(std::size_t depth_left) noexcept {
  msgpack_token token;
  if (!next(token))
    return false;
  const bool map = token.type == msgpack_type::map;
  // Binary data counts as well: in JSON it becomes an object.
  if (!map && token.type != msgpack_type::array && token.type != msgpack_type::binary)
    return true;
  if (depth_left == 0)
    return fail(msgpack_fault::too_deep);
  std::string_view ignored;
  for (std::uint32_t i = 0; i < token.count; ++i)
    if ((map && !key(ignored)) || !any(depth_left - 1))
      return false;
  return true;
}

bool msgpack_scanner::value(std::string_view& raw, std::size_t depth_max) noexcept {
  const char* start = p_;
  if (!any(depth_max))
    return false;
  raw = {start, static_cast<std::size_t>(p_ - start)};
  return true;
}

} // namespace troupe::wire
