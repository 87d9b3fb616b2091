#include "runtime/model/restart.hpp"

#include "tests/model/seeded.hpp"

#include <algorithm>

using namespace troupe;

namespace {

using ids = std::vector<supervision_plan::child_id>;

supervision_settings plain(strategy s) {
  supervision_settings result;
  result.strategy = s;
  result.restarts_max = 3;
  result.window_ms = 10'000;
  result.delays = {100, 1000, jitter::none};
  result.stable_ms = 5'000;
  return result;
}

std::uint64_t lowest(std::uint64_t) { return 0; }
std::uint64_t highest(std::uint64_t bound) { return bound - 1; }

} // namespace

BOOST_AUTO_TEST_SUITE(restart_suite)

BOOST_AUTO_TEST_CASE(delays_double_up_to_a_cap) {
  backoff b{{100, 1000, jitter::none}};
  for (std::int64_t expected : {100, 200, 400, 800, 1000, 1000})
    BOOST_TEST(b.next(lowest) == expected);
  b.reset();
  BOOST_TEST(b.next(lowest) == 100);
  backoff huge{{1, INT64_MAX, jitter::none}};
  for (int i = 0; i < 100; ++i)
    BOOST_TEST(huge.next(lowest) > 0);
}

BOOST_AUTO_TEST_CASE(jitter_spreads_within_its_bounds) {
  backoff full_low{{100, 1000, jitter::full}}, full_high{{100, 1000, jitter::full}};
  backoff equal_low{{100, 1000, jitter::equal}}, equal_high{{100, 1000, jitter::equal}};
  BOOST_TEST(full_low.next(lowest) == 0);
  BOOST_TEST(full_high.next(highest) == 100);
  BOOST_TEST(equal_low.next(lowest) == 50);
  BOOST_TEST(equal_high.next(highest) == 100);
}

BOOST_AUTO_TEST_CASE(so_many_restarts_in_so_long) {
  restart_intensity i{2, 1000};
  BOOST_TEST(i.allow(0));
  BOOST_TEST(i.allow(500));
  BOOST_TEST(!i.allow(999));
  BOOST_TEST(i.allow(1000));
  BOOST_TEST(!restart_intensity(0, 1000).allow(0));
}

struct table_row {
  strategy how;
  int fails;
  ids stop;
  ids start;
};

BOOST_AUTO_TEST_CASE(strategies_say_who_stops_and_who_starts) {
  const std::vector<table_row> table{
      {strategy::one_for_one, 2, {}, {2}},
      {strategy::one_for_one, 1, {}, {1}},
      {strategy::one_for_all, 2, {4, 3, 1}, {1, 2, 3, 4}},
      {strategy::one_for_all, 4, {3, 2, 1}, {1, 2, 3, 4}},
      {strategy::rest_for_one, 2, {4, 3}, {2, 3, 4}},
      {strategy::rest_for_one, 4, {}, {4}},
      {strategy::rest_for_one, 1, {4, 3, 2}, {1, 2, 3, 4}},
  };
  for (const auto& row : table) {
    BOOST_TEST_CONTEXT(to_string(row.how) << ", child " << row.fails) {
      supervision_plan p{plain(row.how), lowest};
      for (int i = 0; i < 4; ++i)
        p.add(0);
      auto d = p.failed(static_cast<std::uint64_t>(row.fails), 1000);
      BOOST_TEST(!d.escalate);
      BOOST_TEST(d.start_at == 1100);
      BOOST_TEST(d.stop == row.stop, boost::test_tools::per_element());
      for (auto child : d.stop) {
        BOOST_TEST(p.take_due(5000).empty()); // not while one is stopping
        BOOST_TEST(!p.next_start().has_value());
        p.stopped(child);
      }
      BOOST_TEST(*p.next_start() == 1100);
      BOOST_TEST(p.take_due(1099).empty());
      BOOST_TEST(p.take_due(1100) == row.start, boost::test_tools::per_element());
      BOOST_TEST(p.running(2));
      BOOST_TEST(!p.next_start().has_value());
    }
  }
}

BOOST_AUTO_TEST_CASE(too_many_restarts_escalate) {
  supervision_plan p{plain(strategy::one_for_one), lowest};
  auto a = p.add(0);
  auto b = p.add(0);
  mono_ms now = 0;
  for (auto child : {a, b, a}) {
    BOOST_TEST(!p.failed(child, now).escalate);
    now += 400;
    p.take_due(now);
  }
  BOOST_TEST(p.failed(b, now).escalate);
}

BOOST_AUTO_TEST_CASE(a_child_that_ran_long_enough_has_recovered) {
  supervision_plan p{plain(strategy::one_for_one), lowest};
  auto a = p.add(0);
  BOOST_TEST(p.failed(a, 0).start_at == 100);
  p.take_due(100);
  BOOST_TEST(p.failed(a, 1000).start_at == 1200);
  p.take_due(1200);
  BOOST_TEST(p.failed(a, 11'000).start_at == 11'100);
}

BOOST_AUTO_TEST_CASE(odd_reports_change_nothing) {
  supervision_plan p{plain(strategy::one_for_all), lowest};
  auto a = p.add(0);
  auto b = p.add(0);
  BOOST_TEST(p.failed(99, 0).stop.empty());
  p.stopped(a); // was not asked to
  BOOST_TEST(p.running(a));
  p.failed(a, 0);
  BOOST_TEST(p.failed(a, 1).stop.empty());
  BOOST_TEST(!p.failed(b, 1).escalate); // it was stopping: this is its end
  BOOST_TEST(p.take_due(100).size() == 2u);
}

BOOST_AUTO_TEST_CASE(who_ended_well_is_not_restarted) {
  supervision_plan p{plain(strategy::one_for_all), lowest};
  auto a = p.add(0);
  auto b = p.add(0);
  auto c = p.add(0);
  p.remove(b);
  BOOST_TEST(p.failed(a, 0).stop == (ids{c}), boost::test_tools::per_element());
  p.remove(c); // ended while it was stopping
  BOOST_TEST(p.take_due(100) == (ids{a}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(generated_failures_end_with_all_running) {
  for_seeds(200, [](dice& random) {
    auto settings = plain(static_cast<strategy>(random.below(3)));
    settings.restarts_max = 1'000'000;
    settings.delays.jitter = jitter::equal;
    supervision_plan p{settings, [&](std::uint64_t bound) { return random.below(bound); }};
    auto count = 1 + random.below(6);
    for (std::uint64_t i = 0; i < count; ++i)
      p.add(0);
    ids stopping;
    mono_ms now = 0;
    for (int i = 0; i < 200; ++i) {
      now += static_cast<mono_ms>(random.below(100));
      if (random.once_in(3)) {
        auto d = p.failed(1 + random.below(count), now);
        BOOST_TEST_REQUIRE(!d.escalate);
        stopping.insert(stopping.end(), d.stop.begin(), d.stop.end());
      } else if (!stopping.empty()) {
        p.stopped(stopping.back());
        stopping.pop_back();
      } else {
        auto due = p.take_due(now);
        BOOST_TEST_REQUIRE(std::is_sorted(due.begin(), due.end()));
      }
    }
    for (auto child : stopping)
      p.stopped(child);
    for (int i = 0; p.next_start() && i < 100; ++i)
      BOOST_TEST_REQUIRE(!p.take_due(*p.next_start()).empty());
    for (std::uint64_t i = 1; i <= count; ++i)
      BOOST_TEST_REQUIRE(p.running(i));
  });
}

BOOST_AUTO_TEST_SUITE_END()
