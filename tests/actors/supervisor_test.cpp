// The supervisor on CAF's deterministic coordinator: one thread, a clock that only the test moves.

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "actors/supervisor.hpp"
#include "tests/actors/still_stage.hpp"

#include <set>
#include <stdexcept>

using namespace troupe;
using namespace troupe::testing;

namespace {

using story = std::vector<std::string>;

struct scene {
  explicit scene(strategy how = strategy::one_for_one, std::size_t restarts_max = 3) {
    setup.settings.strategy = how;
    setup.settings.restarts_max = restarts_max;
    setup.settings.window_ms = 10'000;
    setup.settings.delays = {100, 1000, jitter::none};
    setup.settings.stable_ms = 5'000;
    setup.clock = still.clock();
    setup.random = [](std::uint64_t) { return std::uint64_t{0}; };
    setup.told = [this](const std::string& child, const std::string& why, bool running) {
      told.push_back(running ? child + " runs" : child + " failed: " + why);
    };
    setup.escalated = [this](const std::string& why) { escalated.push_back(why); };
    for (const auto* name : {"a", "b", "c"})
      setup.children.push_back(
          {name, [this, name] { start(name); }, [this, name] { did.push_back("-" + std::string{name}); }});
  }

  void start(const std::string& name) {
    if (broken.contains(name))
      throw std::runtime_error{"cannot start"};
    did.push_back("+" + name);
  }
  void begin() {
    self = still.system.spawn<supervisor>(std::move(setup));
    still.run();
  }
  void fail(const std::string& name) {
    caf::anon_send(self, failed_atom::value, name, std::string{"why not"});
    still.run();
  }
  story take() { return std::exchange(did, {}); }

  still_stage still;
  supervisor_setup setup;
  supervisor_handle self;
  story did;
  story told;
  story escalated;
  std::set<std::string> broken;
};

} // namespace

BOOST_AUTO_TEST_SUITE(supervisor_suite)

BOOST_AUTO_TEST_CASE(one_for_one_starts_the_failed_child_alone) {
  scene s;
  s.begin();
  s.fail("b");
  BOOST_TEST(s.take() == (story{"-b"}), boost::test_tools::per_element());
  s.still.pass(99);
  BOOST_TEST(s.take().empty());
  s.still.pass(1);
  BOOST_TEST(s.take() == (story{"+b"}), boost::test_tools::per_element());
  BOOST_TEST(s.told == (story{"b failed: why not", "b runs"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(one_for_all_stops_and_starts_all_in_order) {
  scene s{strategy::one_for_all};
  s.begin();
  s.fail("b");
  BOOST_TEST(s.take() == (story{"-b", "-c", "-a"}), boost::test_tools::per_element());
  s.still.pass(100);
  BOOST_TEST(s.take() == (story{"+a", "+b", "+c"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(rest_for_one_takes_those_that_were_started_later) {
  scene s{strategy::rest_for_one};
  s.begin();
  s.fail("b");
  BOOST_TEST(s.take() == (story{"-b", "-c"}), boost::test_tools::per_element());
  s.still.pass(100);
  BOOST_TEST(s.take() == (story{"+b", "+c"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(delays_double_and_begin_anew_after_a_stable_run) {
  scene s{strategy::one_for_one, 100};
  s.begin();
  for (const auto delay : {100, 200, 400}) {
    s.fail("a");
    s.take();
    s.still.pass(delay - 1);
    BOOST_TEST(s.take().empty());
    s.still.pass(1);
    BOOST_TEST(s.take() == (story{"+a"}), boost::test_tools::per_element());
  }
  s.still.pass(5'000);
  s.fail("a");
  s.take();
  s.still.pass(100);
  BOOST_TEST(s.take() == (story{"+a"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(jitter_comes_from_the_injected_random_numbers) {
  scene s;
  s.setup.settings.delays = {100, 1000, jitter::equal};
  std::vector<std::uint64_t> asked;
  s.setup.random = [&](std::uint64_t bound) {
    asked.push_back(bound);
    return bound / 2;
  };
  s.begin();
  s.fail("a"); // 50, and half of 51
  s.take();
  BOOST_REQUIRE(asked == std::vector<std::uint64_t>{51});
  s.still.pass(74);
  BOOST_TEST(s.take().empty());
  s.still.pass(1);
  BOOST_TEST(s.take() == (story{"+a"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(past_its_intensity_it_stops_everything_and_escalates) {
  scene s;
  s.begin();
  for (int i = 0; i < 3; ++i) {
    s.fail("a");
    s.still.pass(1000);
  }
  s.take();
  s.fail("a");
  BOOST_TEST(s.take() == (story{"-c", "-b", "-a"}), boost::test_tools::per_element());
  BOOST_REQUIRE(s.escalated.size() == 1u);
  BOOST_TEST(s.escalated[0] == "a failed too often: why not");
  s.fail("b"); // it is over
  s.still.pass(60'000);
  BOOST_TEST(s.take().empty());
  BOOST_TEST(s.escalated.size() == 1u);
}

BOOST_AUTO_TEST_CASE(failures_far_apart_never_escalate) {
  scene s;
  s.begin();
  for (int i = 0; i < 20; ++i) {
    s.fail("a");
    s.still.pass(6'000);
  }
  BOOST_TEST(s.escalated.empty());
}

BOOST_AUTO_TEST_CASE(a_start_that_throws_is_a_failure_of_its_own) {
  scene s;
  s.begin();
  s.broken.insert("a");
  s.fail("a");
  s.still.pass(100);
  s.broken.clear();
  s.still.pass(199);
  s.take();
  s.still.pass(1);
  BOOST_TEST(s.take() == (story{"+a"}), boost::test_tools::per_element());
  BOOST_TEST(s.told == (story{"a failed: why not", "a failed: cannot start", "a runs"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_start_that_never_works_escalates) {
  scene s;
  s.begin();
  s.broken.insert("a");
  s.fail("a");
  s.still.pass(60'000);
  BOOST_REQUIRE(s.escalated.size() == 1u);
  BOOST_TEST(s.escalated[0] == "a failed too often: cannot start");
}

BOOST_AUTO_TEST_CASE(where_all_start_together_one_that_cannot_keeps_the_others_waiting) {
  scene s{strategy::one_for_all, 10};
  s.begin();
  s.broken.insert("b");
  s.fail("a");
  s.take();
  s.still.pass(100);
  // "a" had been started, and goes again with "b"; "c" never came to it.
  const auto first = s.take();
  BOOST_TEST((std::count(first.begin(), first.end(), "+c") == 0));
  s.broken.clear();
  s.still.pass(10'000);
  const auto second = s.take();
  BOOST_TEST(second == (story{"+a", "+b", "+c"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_vital_actor_that_ends_escalates) {
  scene s;
  const auto heart = s.still.system.spawn<idling>();
  s.setup.vital = {caf::actor_cast<caf::strong_actor_ptr>(heart)};
  s.begin();
  caf::anon_send_exit(heart, caf::exit_reason::kill);
  s.still.run();
  BOOST_TEST(s.escalated.size() == 1u);
  BOOST_TEST(s.take() == (story{"-c", "-b", "-a"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_a_supervisor_itself_throws_is_told) {
  scene s;
  s.setup.told = [](const std::string&, const std::string&, bool) { throw std::runtime_error{"no pen"}; };
  s.begin();
  s.fail("a");
  BOOST_TEST(s.escalated == (story{"the supervisor itself failed: no pen"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_child_that_waits_for_its_start_cannot_fail_again) {
  scene s;
  s.begin();
  for (int i = 0; i < 10; ++i)
    s.fail("a");
  s.fail("nobody");
  s.still.pass(100);
  BOOST_TEST(s.take() == (story{"-a", "+a"}), boost::test_tools::per_element());
  BOOST_TEST(s.escalated.empty());
}

BOOST_AUTO_TEST_SUITE_END()
