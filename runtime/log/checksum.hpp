#pragma once

#include <cstdint>
#include <string_view>

namespace troupe::log {

/// CRC-32 as zlib, PNG and Ethernet have it (polynomial 0x04C11DB7 reflected, all ones at start and end), going on from
/// `seed`: crc32(crc32(0, a), b) is that of a followed by b. zlib's own takes bytes one by one where there are few;
/// records are short, and this one is several times as fast for them. Multiplies without carry where the processor can.
std::uint32_t crc32_of(std::uint32_t seed, std::string_view bytes) noexcept;

} // namespace troupe::log
