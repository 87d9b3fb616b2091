#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

/// The length of the UTF-8 sequence at `p`, 1 to 4 bytes; 0 where there is none: no overlong form, no
/// surrogate, nothing above U+10FFFF (RFC 3629, section 4). Precondition: p < end.
inline std::size_t utf8_sequence(const char* p, const char* end) noexcept {
  const auto at = [p](std::size_t i) { return static_cast<unsigned char>(p[i]); };
  const auto within = [](unsigned char byte, unsigned low, unsigned high) { return byte >= low && byte <= high; };
  const auto left = static_cast<std::size_t>(end - p);
  const unsigned char first = at(0);
  if (first < 0x80)
    return 1;
  if (within(first, 0xC2, 0xDF))
    return left >= 2 && within(at(1), 0x80, 0xBF) ? 2 : 0;
  if (within(first, 0xE0, 0xEF)) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return left >= 3 && within(at(1), low, high) && within(at(2), 0x80, 0xBF) ? 3 : 0;
  }
  if (within(first, 0xF0, 0xF4)) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return left >= 4 && within(at(1), low, high) && within(at(2), 0x80, 0xBF) && within(at(3), 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

/// Whether all of the text is UTF-8 (RFC 3629).
bool is_utf8(std::string_view text) noexcept;

/// Appends a code point. Precondition: at most U+10FFFF and no surrogate.
void append_utf8(std::string& out, std::uint32_t code_point);

/// U+FFFD, which stands for what cannot be said in UTF-8.
inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";

} // namespace troupe
