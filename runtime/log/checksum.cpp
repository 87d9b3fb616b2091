#include "runtime/log/checksum.hpp"

#include "runtime/log/bytes.hpp"

#include <array>
#include <cstddef>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

/// With tables. @param crc without the inversion at start and end
std::uint32_t by_table(std::uint32_t crc, const char* at, std::size_t left) noexcept {
  for (; left >= slices; left -= slices, at += slices)
    crc = four<12>(get<std::uint32_t>(at) ^ crc) ^ four<8>(get<std::uint32_t>(at + 4)) ^
          four<4>(get<std::uint32_t>(at + 8)) ^ four<0>(get<std::uint32_t>(at + 12));
  for (; left >= 4; left -= 4, at += 4)
    crc = four<0>(get<std::uint32_t>(at) ^ crc);
  for (; left > 0; --left, ++at)
    crc = (crc >> 8) ^ tables[0][(crc ^ static_cast<unsigned char>(*at)) & 0xFF];
  return crc;
}

#if defined(__x86_64__)

constexpr std::size_t folded_min = 64;

// x^n modulo the polynomial, bits reflected, for the distances over which is folded. From "Fast CRC Computation for
// Generic Polynomials Using PCLMULQDQ Instruction" (V. Gopal and others, Intel, 2009), page 22.
constexpr std::int64_t by_512_low = 0x1'5444'2BD4;
constexpr std::int64_t by_512_high = 0x1'C6E4'1596;
constexpr std::int64_t by_128_low = 0x1'7519'97D0;
constexpr std::int64_t by_128_high = 0x0'CCAA'009E;
constexpr std::int64_t by_64 = 0x1'63CD'6124;
constexpr std::int64_t polynomial = 0x1'DB71'0641;
constexpr std::int64_t quotient = 0x1'F701'1641; // floor(x^64 / polynomial)

/// Carries 16 bytes over the distance of `keys`, onto what lies there.
__attribute__((target("pclmul,sse4.1"))) inline __m128i folded(__m128i what, __m128i keys, __m128i onto) noexcept {
  const auto low = _mm_clmulepi64_si128(what, keys, 0x00);
  const auto high = _mm_clmulepi64_si128(what, keys, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), onto);
}

__attribute__((target("pclmul,sse4.1"))) inline __m128i sixteen(const char* at) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

/// With carry-less multiplication. @pre `length` is a multiple of 16 and at least `folded_min`
__attribute__((target("pclmul,sse4.1"))) std::uint32_t by_folding(std::uint32_t crc, const char* at,
                                                                  std::size_t length) noexcept {
  auto a = _mm_xor_si128(sixteen(at), _mm_cvtsi32_si128(static_cast<int>(crc)));
  auto b = sixteen(at + 16);
  auto c = sixteen(at + 32);
  auto d = sixteen(at + 48);
  const auto far = _mm_set_epi64x(by_512_high, by_512_low);
  for (at += 64, length -= 64; length >= 64; at += 64, length -= 64) {
    a = folded(a, far, sixteen(at));
    b = folded(b, far, sixteen(at + 16));
    c = folded(c, far, sixteen(at + 32));
    d = folded(d, far, sixteen(at + 48));
  }
  const auto near = _mm_set_epi64x(by_128_high, by_128_low);
  a = folded(folded(folded(a, near, b), near, c), near, d);
  for (; length >= 16; at += 16, length -= 16)
    a = folded(a, near, sixteen(at));
  // 128 bits to 64, 64 to 32 (Barrett).
  const auto low_words = _mm_setr_epi32(-1, 0, -1, 0);
  a = _mm_xor_si128(_mm_srli_si128(a, 8), _mm_clmulepi64_si128(a, near, 0x10));
  a = _mm_xor_si128(_mm_srli_si128(a, 4),
                    _mm_clmulepi64_si128(_mm_and_si128(a, low_words), _mm_set_epi64x(0, by_64), 0x00));
  const auto divisor = _mm_set_epi64x(quotient, polynomial);
  auto rest = _mm_clmulepi64_si128(_mm_and_si128(a, low_words), divisor, 0x10);
  rest = _mm_clmulepi64_si128(_mm_and_si128(rest, low_words), divisor, 0x00);
  return static_cast<std::uint32_t>(_mm_extract_epi32(_mm_xor_si128(a, rest), 1));
}

const bool can_fold = __builtin_cpu_supports("pclmul") != 0 && __builtin_cpu_supports("sse4.1") != 0;

#endif

} // namespace

std::uint32_t crc32_of(std::uint32_t seed, std::string_view bytes) noexcept {
  auto crc = ~seed;
#if defined(__x86_64__)
  if (bytes.size() >= folded_min && can_fold) {
    const auto whole = bytes.size() & ~std::size_t{15};
    crc = by_folding(crc, bytes.data(), whole);
    bytes.remove_prefix(whole);
  }
#endif
  return ~by_table(crc, bytes.data(), bytes.size());
}

} // namespace troupe::log
