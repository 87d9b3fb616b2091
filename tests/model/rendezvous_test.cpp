#include "runtime/model/rendezvous.hpp"

#include "tests/model/seeded.hpp"

#include <algorithm>

using namespace troupe;

namespace {

std::vector<std::string> some_nodes(std::size_t count) {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < count; ++i)
    result.push_back("node-" + std::to_string(i));
  return result;
}

} // namespace

BOOST_AUTO_TEST_SUITE(rendezvous_suite)

BOOST_AUTO_TEST_CASE(hashes_never_change) {
  // Worked out from the definition in the header by another program.
  BOOST_TEST(stable_hash("") == 0xefd01f60ba992926ULL);
  BOOST_TEST(stable_hash("lobby") == 0xb4eaf00bb6c1c767ULL);
  BOOST_TEST(rendezvous_weight("lobby", "node-1") == 0xc8e380b8abd840f1ULL);
}

BOOST_AUTO_TEST_CASE(names_spread_evenly) {
  for (std::size_t count : {2, 3, 5, 16}) {
    auto nodes = some_nodes(count);
    std::vector<std::size_t> names(count);
    constexpr std::size_t all = 20'000;
    for (std::size_t i = 0; i < all; ++i)
      ++names[home_of("room-" + std::to_string(i), nodes)];
    for (auto n : names) {
      BOOST_TEST(n > all / count * 85 / 100);
      BOOST_TEST(n < all / count * 115 / 100);
    }
  }
}

BOOST_AUTO_TEST_CASE(only_the_names_of_a_lost_node_move) {
  for_seeds(50, [](dice& random) {
    auto nodes = some_nodes(2 + random.below(8));
    auto lost = random.below(nodes.size());
    auto rest = nodes;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(lost));
    for (int i = 0; i < 200; ++i) {
      auto name = std::to_string(random.below(1'000'000));
      auto before = home_of(name, nodes);
      auto after = rest[home_of(name, rest)];
      if (before != lost)
        BOOST_TEST_REQUIRE(after == nodes[before]);
      else
        BOOST_TEST_REQUIRE(after == nodes[ranked_homes(name, nodes)[1]]);
    }
  });
}

BOOST_AUTO_TEST_CASE(the_order_of_the_list_does_not_matter) {
  for_seeds(50, [](dice& random) {
    auto nodes = some_nodes(6);
    auto other = nodes;
    for (std::size_t i = other.size(); i > 1; --i)
      std::swap(other[i - 1], other[random.below(i)]);
    auto name = std::to_string(random.below(1'000'000));
    BOOST_TEST_REQUIRE(nodes[home_of(name, nodes)] == other[home_of(name, other)]);
    auto ranks = ranked_homes(name, nodes);
    BOOST_TEST_REQUIRE(ranks[0] == home_of(name, nodes));
    std::sort(ranks.begin(), ranks.end());
    for (std::size_t i = 0; i < ranks.size(); ++i)
      BOOST_TEST_REQUIRE(ranks[i] == i);
  });
}

BOOST_AUTO_TEST_SUITE_END()
