#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "runtime/system/clocks.hpp"

using namespace troupe;

BOOST_AUTO_TEST_SUITE(clocks)

BOOST_AUTO_TEST_CASE(a_calm_clock_follows_small_corrections_and_no_jumps) {
  constexpr wall_ms day = 24 * 3600 * 1000;
  for (const wall_ms jump : {day, -day}) {
    wall_ms system = 1'700'000'000'000;
    mono_ms steady = 5000;
    calm_clock clock{system, steady};
    const auto pass = [&](mono_ms ms) {
      steady += ms;
      system += ms;
      return clock.at(steady, [&] { return system; });
    };
    BOOST_TEST(pass(1000) == system);
    system += 5; // a correction
    pass(500);
    BOOST_TEST(pass(500) == system);
    const auto before = pass(0);
    system += jump;
    BOOST_TEST(pass(10) == before + 10);
    wall_ms last = before + 10;
    for (int i = 0; i < 600; ++i) {
      const auto now = pass(100);
      BOOST_TEST_REQUIRE(now > last);
      BOOST_TEST_REQUIRE(now - last <= 107);
      last = now;
    }
    for (int i = 0; i < 17 * 24; ++i) // in time it is there
      pass(3600 * 1000);
    BOOST_TEST(pass(1) == system);
  }
}

BOOST_AUTO_TEST_SUITE_END()
