#include "runtime/store/keys.hpp"

#include "tests/contract/store_contract.hpp"

#include <tuple>

using namespace troupe;
using store::key;
using store::key_reader;

BOOST_AUTO_TEST_SUITE(keys_suite)

BOOST_AUTO_TEST_CASE(numbers_order_as_bytes) {
  using namespace std::string_literals;
  BOOST_TEST((store::u64_bytes(0x0102030405060708) == "\x01\x02\x03\x04\x05\x06\x07\x08"s));
  BOOST_TEST((store::u64_bytes(255) < store::u64_bytes(256)));
  BOOST_TEST((store::u64_bytes(256) < store::u64_bytes(~0ULL)));
  BOOST_TEST((store::u64_from(store::u64_bytes(~0ULL - 1)) == ~0ULL - 1));
  BOOST_TEST(!store::u64_from("1234567").has_value());
  BOOST_TEST(!store::u64_from("123456789").has_value());
}

BOOST_AUTO_TEST_CASE(a_text_is_written_as_said) {
  using namespace std::string_literals;
  BOOST_TEST((key{'c'}.text("a\0b"s).number(1).bytes() == "ca\0\xff"
                                                          "b\0\x01\0\0\0\0\0\0\0\x01"s));
}

BOOST_AUTO_TEST_CASE(keys_order_as_their_parts_and_do_not_collide) {
  for_seeds(20, [](dice& random) {
    using parts = std::tuple<std::string, std::string, std::uint64_t>;
    const auto parts_of = [&] {
      return parts{testing::generated_key(random), testing::generated_key(random), random.below(3) << random.below(60)};
    };
    const auto key_of = [](const parts& p) {
      return key{'c'}.text(std::get<0>(p)).text(std::get<1>(p)).number(std::get<2>(p)).bytes();
    };
    for (int i = 0; i < 1000; ++i) {
      const auto a = parts_of();
      const auto b = parts_of();
      const auto x = key_of(a);
      const auto y = key_of(b);
      BOOST_TEST((x < y) == (a < b));
      BOOST_TEST((x == y) == (a == b));
      const auto scanned = key{'c'}.text(std::get<0>(a)).bytes();
      BOOST_TEST(y.starts_with(scanned) == (std::get<0>(a) == std::get<0>(b)));
      key_reader reader{x};
      BOOST_TEST((reader.tag() == 'c'));
      BOOST_TEST((reader.text() == std::get<0>(a)));
      BOOST_TEST((reader.text() == std::get<1>(a)));
      BOOST_TEST((reader.number() == std::get<2>(a)));
      BOOST_TEST(reader.at_end());
    }
  });
}

BOOST_AUTO_TEST_CASE(what_is_cut_or_wrong_gives_nothing) {
  using namespace std::string_literals;
  using namespace std::string_view_literals;
  const auto whole = key{'c'}.text("a\0b"s).number(7).bytes();
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    key_reader reader{std::string_view{whole}.substr(0, bytes)};
    const auto all = reader.tag().has_value() && reader.text().has_value() && reader.number().has_value();
    BOOST_TEST(!all);
    BOOST_TEST(!reader.at_end());
    BOOST_TEST(!reader.number().has_value());
  }
  key_reader wrong{"a\0\x02"sv};
  BOOST_TEST(!wrong.text().has_value());
  key_reader more{"cd"};
  BOOST_TEST((more.tag() == 'c'));
  BOOST_TEST(!more.at_end());
}

BOOST_AUTO_TEST_SUITE_END()
