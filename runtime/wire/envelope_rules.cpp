#include "runtime/wire/envelope_rules.hpp"

#include "runtime/model/limits.hpp"

#include <array>
#include <cstddef>

namespace troupe::wire {

namespace {

constexpr std::array<bool, 256> type_characters() {
  std::array<bool, 256> table{};
  for (const char c : std::string_view{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:/-"})
    table[static_cast<unsigned char>(c)] = true;
  return table;
}

constexpr auto in_type = type_characters();

} // namespace

bool is_type(std::string_view text) noexcept {
  if (text.empty() || text.size() > limits::type_bytes_max)
    return false;
  for (const char c : text)
    if (!in_type[static_cast<unsigned char>(c)])
      return false;
  return true;
}

bool is_name(std::string_view text) noexcept {
  if (text.empty() || text.size() > limits::name_bytes_max)
    return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7F)
      return false;
    // C1 is U+0080 to U+009F: in UTF-8 0xC2 and a byte below 0xA0. Anywhere else 0xC2 cannot stand.
    if (byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0)
      return false;
  }
  return true;
}

} // namespace troupe::wire
