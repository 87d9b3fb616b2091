#pragma once

// MessagePack's building blocks (https://github.com/msgpack/msgpack/blob/master/spec.md): a scanner that
// validates and yields spans, and functions that append the shortest form. Private to runtime/wire.

#include "runtime/model/limits.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::wire {

/// The ext type whose data are the digits of a number that fits no other type.
inline constexpr std::int8_t ext_number = 1;

/// What a token is.
enum class msgpack_type : std::uint8_t {
  nil,
  boolean,
  integer,
  unsigned_integer,
  real,
  string,
  binary,
  digits,
  array,
  map
};

/// A scalar, or the head of an array or map.
struct msgpack_token {
  msgpack_type type = msgpack_type::nil;
  bool boolean = false;
  std::int64_t integer = 0;
  std::uint64_t unsigned_integer = 0; ///< Only what does not fit `integer`.
  double real = 0;
  std::string_view text;   ///< Of a string, of binary data, or the digits of a number.
  std::uint32_t count = 0; ///< Elements of an array, pairs of a map.
};

/// Why a scanner stopped.
enum class msgpack_fault : std::uint8_t {
  none,
  end_of_text,
  never_used, ///< 0xC1.
  utf8,
  not_finite,
  extension, ///< An ext type other than the number, or one whose data are no number.
  key,       ///< A key that is no string.
  too_deep,
  trailing,
};

std::string_view describe(msgpack_fault fault) noexcept;

/// Functions return false on a fault.
class msgpack_scanner {
public:
  explicit msgpack_scanner(std::string_view text) noexcept
      : begin_{text.data()}
      , p_{text.data()}
      , end_{text.data() + text.size()} {}

  /// Passes a scalar, or the head of an array or map.
  bool next(msgpack_token& out) noexcept;
  /// Passes a string, which must come.
  bool key(std::string_view& out) noexcept;
  /// Passes any value, whatever is inside included; keys must be strings.
  bool value(std::string_view& raw, std::size_t depth_max = limits::payload_depth_max) noexcept;
  bool end() noexcept { return p_ == end_ || fail(msgpack_fault::trailing); }

  const char* at() const noexcept { return p_; }
  /// The next byte; 0xC1, which begins nothing, at the end.
  std::uint8_t peek() const noexcept { return p_ != end_ ? static_cast<std::uint8_t>(*p_) : 0xC1; }
  std::size_t offset() const noexcept { return static_cast<std::size_t>(p_ - begin_); }
  msgpack_fault fault() const noexcept { return fault_; }
  bool fail(msgpack_fault fault) noexcept {
    fault_ = fault;
    return false;
  }

private:
  bool read_big_endian(std::size_t bytes, std::uint64_t& out) noexcept;
  bool take(std::uint64_t bytes, std::string_view& out) noexcept;
  bool sized(std::size_t length_bytes, msgpack_token& out) noexcept;
  bool head(std::size_t length_bytes, msgpack_token& out) noexcept;
  bool extension(std::uint64_t bytes, msgpack_token& out) noexcept;
  bool real(std::size_t bytes, msgpack_token& out) noexcept;
  bool integer(std::size_t bytes, bool is_signed, msgpack_token& out) noexcept;
  bool tagged(std::uint8_t tag, msgpack_token& out) noexcept;
  bool any(std::size_t depth_left) noexcept;

  const char* begin_;
  const char* p_;
  const char* end_;
  msgpack_fault fault_ = msgpack_fault::none;
};

void append_msgpack_nil(std::string& out);
void append_msgpack_bool(std::string& out, bool v);
void append_msgpack_int(std::string& out, std::int64_t v);
void append_msgpack_uint(std::string& out, std::uint64_t v);
void append_msgpack_double(std::string& out, double v);
/// What is not UTF-8 becomes U+FFFD.
void append_msgpack_string(std::string& out, std::string_view v);
void append_msgpack_binary(std::string& out, std::string_view v);
/// A number as JSON text: an integer of 64 bits, a fraction that a double holds as the same decimal, else ext 1.
void append_msgpack_number(std::string& out, std::string_view text);
void append_msgpack_array(std::string& out, std::size_t count);
void append_msgpack_map(std::string& out, std::size_t count);

/// Writes the head of an array or map whose count was not known: `at` is where one byte was left for it.
void finish_msgpack_container(std::string& out, std::size_t at, std::size_t count, bool map);

/// Whether two numbers in JSON's notation are the same decimal, digit by digit.
bool same_decimal(std::string_view a, std::string_view b) noexcept;

} // namespace troupe::wire
