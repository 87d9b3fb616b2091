#include "runtime/log/checksum.hpp"

#include "runtime/log/bytes.hpp"

#include <array>
#include <cstddef>

namespace troupe::log {
namespace {

constexpr std::size_t slices = 16;
using table = std::array<std::uint32_t, 256>;

/// tables[k][b]: what byte b does to the checksum when k more bytes follow it.
constexpr std::array<table, slices> make_tables() {
  std::array<table, slices> out{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    auto crc = byte;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB8'8320U : 0U);
    out[0][byte] = crc;
  }
  for (std::size_t k = 1; k < slices; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte)
      out[k][byte] = (out[k - 1][byte] >> 8) ^ out[0][out[k - 1][byte] & 0xFF];
  return out;
}

constexpr auto tables = make_tables();

/// Four bytes of which the last has `behind` more after it.
template <std::size_t Behind>
std::uint32_t four(std::uint32_t word) noexcept {
  return tables[Behind + 3][word & 0xFF] ^ tables[Behind + 2][(word >> 8) & 0xFF] ^
         tables[Behind + 1][(word >> 16) & 0xFF] ^ tables[Behind][word >> 24];
}

} // namespace

std::uint32_t crc32_of(std::uint32_t seed, std::string_view bytes) noexcept {
  auto crc = ~seed;
  const char* at = bytes.data();
  auto left = bytes.size();
  for (; left >= slices; left -= slices, at += slices)
    crc = four<12>(get<std::uint32_t>(at) ^ crc) ^ four<8>(get<std::uint32_t>(at + 4)) ^
          four<4>(get<std::uint32_t>(at + 8)) ^ four<0>(get<std::uint32_t>(at + 12));
  for (; left > 0; --left, ++at)
    crc = (crc >> 8) ^ tables[0][(crc ^ static_cast<unsigned char>(*at)) & 0xFF];
  return ~crc;
}

} // namespace troupe::log
