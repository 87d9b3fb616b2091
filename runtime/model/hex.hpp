#pragma once

#include <span>
#include <string>
#include <string_view>

namespace troupe {

/// Two hexadecimal digits for each byte, in small letters.
inline std::string to_hex(std::span<const unsigned char> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const auto byte : bytes) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

} // namespace troupe
