#include "runtime/log/base64.hpp"

#include <cstdint>

namespace troupe::log {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

} // namespace

std::string base64(std::string_view bytes) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const auto byte : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(byte);
    for (count += 8; count >= 6; count -= 6)
      out.push_back(alphabet[(bits >> (count - 6)) & 63]);
  }
  if (count > 0)
    out.push_back(alphabet[(bits << (6 - count)) & 63]);
  out.append((4 - out.size() % 4) % 4, '=');
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const auto letter : text.substr(0, text.find('='))) {
    const auto digit = alphabet.find(letter);
    if (digit == std::string_view::npos)
      return {};
    bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(static_cast<unsigned char>(bits >> count)));
    }
  }
  // One text for the same bytes: wrong padding and stray bits show here.
  if (base64(out) != text)
    return {};
  return out;
}

} // namespace troupe::log
