#include "runtime/log/checksum.hpp"

#include "tests/model/seeded.hpp"

#include <zlib.h>

using namespace troupe::log;

BOOST_AUTO_TEST_SUITE(checksum_suite)

BOOST_AUTO_TEST_CASE(it_is_the_one_of_zlib) {
  BOOST_TEST(crc32_of(0, "123456789") == 0xCBF43926U);
  for_seeds(500, [](dice& random) {
    std::string bytes(random.once_in(8) ? random.below(5000) : random.below(300), '\0');
    for (auto& c : bytes)
      c = static_cast<char>(random.below(256));
    const auto seed = static_cast<std::uint32_t>(random.below(std::uint64_t{1} << 32));
    BOOST_TEST(crc32_of(seed, bytes) ==
               crc32(seed, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
  });
}

BOOST_AUTO_TEST_SUITE_END()
