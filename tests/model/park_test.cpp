#include "runtime/model/park.hpp"

#include "tests/model/seeded.hpp"

#include <deque>
#include <map>

using namespace troupe;

BOOST_AUTO_TEST_SUITE(park_suite)

BOOST_AUTO_TEST_CASE(each_target_has_its_own_order) {
  park<int> p;
  BOOST_TEST(p.add(1, 10, 5, 100));
  BOOST_TEST(p.add(2, 20, 5, 100));
  BOOST_TEST(p.add(1, 11, 5, 100));
  BOOST_TEST(p.holds(1));
  BOOST_TEST(!p.holds(3));
  BOOST_TEST(p.front(1)->what == 10);
  BOOST_TEST(p.take_for(2)->what == 20);
  BOOST_TEST(!p.holds(2));
  BOOST_TEST(p.take_for(1)->what == 10);
  BOOST_TEST(p.take_for(1)->what == 11);
  BOOST_TEST(!p.take_for(1));
  BOOST_TEST(p.empty());
  BOOST_TEST(p.bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(it_is_bounded_in_messages) {
  park<int> p;
  for (std::size_t i = 0; i < limits::park_messages_max; ++i) {
    BOOST_TEST(!p.full());
    BOOST_TEST(p.add(1, 0, 1, 0));
  }
  BOOST_TEST(p.full());
  BOOST_TEST(!p.add(1, 0, 1, 0));
  p.take_for(1);
  BOOST_TEST(!p.full());
}

BOOST_AUTO_TEST_CASE(it_is_bounded_in_bytes_and_the_last_one_may_pass_the_bound) {
  park<int> p;
  BOOST_TEST(p.add(1, 0, limits::park_bytes_max - 1, 0));
  BOOST_TEST(!p.full());
  BOOST_TEST(p.add(1, 0, 1000, 0));
  BOOST_TEST(p.full());
}

BOOST_AUTO_TEST_CASE(what_waited_too_long_comes_out) {
  park<int> p;
  p.add(1, 10, 5, 300);
  p.add(2, 20, 5, 100);
  p.add(1, 11, 5, 200);
  BOOST_TEST(*p.next_deadline() == 100);
  BOOST_TEST(p.expired(99).empty());
  auto out = p.expired(200);
  BOOST_TEST_REQUIRE(out.size() == 2u);
  BOOST_TEST(out[0].what == 20);
  BOOST_TEST(out[1].what == 11);
  BOOST_TEST(p.bytes() == 5u);
  BOOST_TEST(p.take_all_for(1).size() == 1u);
  BOOST_TEST(!p.next_deadline().has_value());
}

BOOST_AUTO_TEST_CASE(generated_use_agrees_with_a_queue_for_each_target) {
  for_seeds(200, [](dice& random) {
    park<int> p;
    std::map<std::uint32_t, std::deque<std::pair<int, std::size_t>>> model;
    std::size_t bytes = 0, count = 0;
    for (int i = 0; i < 300; ++i) {
      auto target = static_cast<std::uint32_t>(random.below(4));
      if (random.once_in(2)) {
        auto size = random.below(40'000);
        auto had_place = count < limits::park_messages_max && bytes < limits::park_bytes_max;
        BOOST_TEST_REQUIRE(p.add(target, i, size, 0) == had_place);
        if (had_place) {
          model[target].emplace_back(i, size);
          bytes += size;
          ++count;
        }
      } else if (auto out = p.take_for(target)) {
        BOOST_TEST_REQUIRE(!model[target].empty());
        BOOST_TEST_REQUIRE(out->what == model[target].front().first);
        bytes -= model[target].front().second;
        --count;
        model[target].pop_front();
      } else {
        BOOST_TEST_REQUIRE(model[target].empty());
      }
      BOOST_TEST_REQUIRE(p.bytes() == bytes);
      BOOST_TEST_REQUIRE(p.size() == count);
      BOOST_TEST_REQUIRE(p.holds(target) == !model[target].empty());
    }
  });
}

BOOST_AUTO_TEST_SUITE_END()
