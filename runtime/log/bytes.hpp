#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::log {

/// Appends a number, its lowest byte first.
template <std::unsigned_integral T>
void put(std::string& out, T value) {
  std::array<char, sizeof(T)> bytes{};
  for (std::size_t i = 0; i < sizeof(T); ++i)
    bytes[i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  out.append(bytes.data(), bytes.size());
}

/// Overwrites bytes that are there already.
template <std::unsigned_integral T>
void put_at(char* at, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    at[i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
}

/// @pre sizeof(T) bytes lie at `at`
template <std::unsigned_integral T>
T get(const char* at) noexcept {
  T result = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    result = static_cast<T>(result | static_cast<T>(static_cast<T>(static_cast<unsigned char>(at[i])) << (8 * i)));
  return result;
}

/// Takes numbers and strings off the front of untrusted bytes. What is not there reads as 0 or empty and makes
/// `ok()` false for good, so that a caller may check once at the end.
class byte_reader {
public:
  explicit byte_reader(std::string_view bytes) noexcept
      : left_{bytes} {}

  template <std::unsigned_integral T>
  T number() noexcept {
    auto bytes = text(sizeof(T));
    return ok_ ? get<T>(bytes.data()) : T{0};
  }

  std::string_view text(std::size_t length) noexcept {
    ok_ = ok_ && length <= left_.size();
    if (!ok_)
      return {};
    auto result = left_.substr(0, length);
    left_.remove_prefix(length);
    return result;
  }

  /// Base 128, lowest group first; at most five bytes and below 2^32, and never longer than it needs to be.
  std::size_t varint() noexcept { return static_cast<std::size_t>(varint_of(32)); }
  /// The same of up to ten bytes, for any number of 64 bits.
  std::uint64_t varint64() noexcept { return varint_of(64); }

  bool ok() const noexcept { return ok_; }
  std::string_view left() const noexcept { return left_; }

private:
  std::uint64_t varint_of(unsigned bits) noexcept {
    std::uint64_t result = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
      const auto byte = number<unsigned char>();
      const std::uint64_t group = byte & 0x7F;
      if (bits - shift < 7 && group >> (bits - shift) != 0)
        break;
      result |= group << shift;
      if ((byte & 0x80) == 0) {
        ok_ = ok_ && (byte != 0 || shift == 0);
        return ok_ ? result : 0;
      }
    }
    ok_ = false;
    return 0;
  }

  std::string_view left_;
  bool ok_ = true;
};

inline void put_varint(std::string& out, std::uint64_t value) {
  std::array<char, 10> bytes{};
  std::size_t length = 0;
  for (; value >= 0x80; value >>= 7)
    bytes[length++] = static_cast<char>(static_cast<unsigned char>(value | 0x80));
  bytes[length++] = static_cast<char>(static_cast<unsigned char>(value));
  out.append(bytes.data(), length);
}

} // namespace troupe::log
