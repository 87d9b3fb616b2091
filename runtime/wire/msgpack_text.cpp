#include "runtime/wire/msgpack_text.hpp"

#include "runtime/model/json_text.hpp"
#include "runtime/model/utf8.hpp"

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

namespace troupe::wire {

namespace {

void append_byte(std::string& out, unsigned byte) { out.push_back(static_cast<char>(byte)); }

void append_big_endian(std::string& out, std::uint64_t v, std::size_t bytes) {
  char buffer[8];
  for (std::size_t i = 0; i < bytes; ++i)
    buffer[i] = static_cast<char>(v >> (8 * (bytes - 1 - i)));
  out.append(buffer, bytes);
}

/// A tag with the shortest length that holds `n`: tag8 where it has one byte, then two, then four.
void append_length(std::string& out, std::size_t n, unsigned tag8) {
  const std::size_t step = n <= 0xFF ? 0 : n <= 0xFFFF ? 1 : 2;
  append_byte(out, tag8 + static_cast<unsigned>(step));
  append_big_endian(out, n, std::size_t{1} << step);
}

void append_container(std::string& out, std::size_t count, unsigned fixed, unsigned tag16) {
  if (count <= 15)
    return append_byte(out, fixed | static_cast<unsigned>(count));
  append_byte(out, count <= 0xFFFF ? tag16 : tag16 + 1);
  append_big_endian(out, count, count <= 0xFFFF ? 2 : 4);
}

void append_ext_number(std::string& out, std::string_view digits) {
  const auto n = digits.size();
  if (n != 0 && n <= 16 && std::has_single_bit(n))
    append_byte(out, 0xD4 + static_cast<unsigned>(std::countr_zero(n)));
  else
    append_length(out, n, 0xC7);
  append_byte(out, static_cast<std::uint8_t>(ext_number));
  out.append(digits);
}

/// A decimal without its meaningless zeros: the digits from `first` to `last` (a point in between is to be
/// skipped), the first one standing for 10^exponent.
struct decimal {
  bool negative = false;
  std::string_view digits; ///< Empty for zero.
  std::int64_t exponent = 0;
};

decimal parse_decimal(std::string_view text) noexcept {
  constexpr std::int64_t exponent_bound = std::int64_t{1} << 60;
  decimal result;
  if (!text.empty() && text.front() == '-') {
    result.negative = true;
    text.remove_prefix(1);
  }
  std::int64_t exponent = 0;
  if (const auto e = text.find_first_of("eE"); e != std::string_view::npos) {
    auto tail = text.substr(e + 1);
    if (!tail.empty() && tail.front() == '+')
      tail.remove_prefix(1);
    if (std::from_chars(tail.data(), tail.data() + tail.size(), exponent).ec != std::errc{} ||
        exponent > exponent_bound || exponent < -exponent_bound)
      exponent = !tail.empty() && tail.front() == '-' ? -exponent_bound : exponent_bound;
    text = text.substr(0, e);
  }
  auto point = text.find('.');
  if (point == std::string_view::npos)
    point = text.size();
  const auto first = text.find_first_of("123456789");
  if (first == std::string_view::npos)
    return result;
  const auto last = text.find_last_of("123456789");
  result.digits = text.substr(first, last - first + 1);
  const auto place = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
  result.exponent = exponent + (place > 0 ? place - 1 : place);
  return result;
}

/// The text with what is not UTF-8 replaced.
std::string repaired(std::string_view text) {
  std::string out;
  const char* end = text.data() + text.size();
  for (const char* p = text.data(); p != end;) {
    const auto length = utf8_sequence(p, end);
    out.append(length != 0 ? std::string_view{p, length} : replacement_character);
    p += length != 0 ? length : 1;
  }
  return out;
}

} // namespace

bool same_decimal(std::string_view a, std::string_view b) noexcept {
  const auto x = parse_decimal(a), y = parse_decimal(b);
  if (x.negative != y.negative || x.exponent != y.exponent)
    return false;
  std::size_t i = 0, j = 0;
  for (;;) {
    if (i < x.digits.size() && x.digits[i] == '.')
      ++i;
    if (j < y.digits.size() && y.digits[j] == '.')
      ++j;
    if (i == x.digits.size() || j == y.digits.size())
      return i == x.digits.size() && j == y.digits.size();
    if (x.digits[i++] != y.digits[j++])
      return false;
  }
}

void append_msgpack_nil(std::string& out) { append_byte(out, 0xC0); }
void append_msgpack_bool(std::string& out, bool v) { append_byte(out, v ? 0xC3 : 0xC2); }

void append_msgpack_uint(std::string& out, std::uint64_t v) {
  if (v <= 0x7F)
    return append_byte(out, static_cast<unsigned>(v));
  const unsigned step = v <= 0xFF ? 0 : v <= 0xFFFF ? 1 : v <= 0xFFFFFFFF ? 2 : 3;
  append_byte(out, 0xCC + step);
  append_big_endian(out, v, std::size_t{1} << step);
}

void append_msgpack_int(std::string& out, std::int64_t v) {
  if (v >= 0)
    return append_msgpack_uint(out, static_cast<std::uint64_t>(v));
  if (v >= -32)
    return append_byte(out, static_cast<std::uint8_t>(v));
  const unsigned step = v >= std::numeric_limits<std::int8_t>::min()    ? 0
                        : v >= std::numeric_limits<std::int16_t>::min() ? 1
                        : v >= std::numeric_limits<std::int32_t>::min() ? 2
                                                                        : 3;
  append_byte(out, 0xD0 + step);
  append_big_endian(out, static_cast<std::uint64_t>(v), std::size_t{1} << step);
}

void append_msgpack_double(std::string& out, double v) {
  if (!std::isfinite(v))
    return append_msgpack_nil(out);
  append_byte(out, 0xCB);
  append_big_endian(out, std::bit_cast<std::uint64_t>(v), 8);
}

void append_msgpack_string(std::string& out, std::string_view v) {
  if (!is_utf8(v))
    return append_msgpack_string(out, repaired(v));
  if (v.size() <= 31)
    append_byte(out, 0xA0 | static_cast<unsigned>(v.size()));
  else
    append_length(out, v.size(), 0xD9);
  out.append(v);
}

void append_msgpack_binary(std::string& out, std::string_view v) {
  append_length(out, v.size(), 0xC4);
  out.append(v);
}

void append_msgpack_number(std::string& out, std::string_view text) {
  const char* end = text.data() + text.size();
  const auto all = [end](std::from_chars_result r) { return r.ec == std::errc{} && r.ptr == end; };
  std::int64_t integer = 0;
  if (text != "-0" && all(std::from_chars(text.data(), end, integer)))
    return append_msgpack_int(out, integer);
  std::uint64_t unsigned_integer = 0;
  if (text.front() != '-' && all(std::from_chars(text.data(), end, unsigned_integer)))
    return append_msgpack_uint(out, unsigned_integer);
  // A whole number stays one: as a double it would come back with a fraction.
  double real = 0;
  if ((text == "-0" || text.find_first_of(".eE") != std::string_view::npos) &&
      all(std::from_chars(text.data(), end, real)) && std::isfinite(real)) {
    std::string shortest;
    append_json_number(shortest, real);
    if (same_decimal(text, shortest))
      return append_msgpack_double(out, real);
  }
  append_ext_number(out, text);
}

void append_msgpack_array(std::string& out, std::size_t count) { append_container(out, count, 0x90, 0xDC); }
void append_msgpack_map(std::string& out, std::size_t count) { append_container(out, count, 0x80, 0xDE); }

void finish_msgpack_container(std::string& out, std::size_t at, std::size_t count, bool map) {
  std::string head;
  append_container(head, count, map ? 0x80 : 0x90, map ? 0xDE : 0xDC);
  out.replace(at, 1, head);
}

} // namespace troupe::wire
