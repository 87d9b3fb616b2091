#include "runtime/model/rate_meter.hpp"

#include "tests/model/seeded.hpp"

using namespace troupe;

BOOST_AUTO_TEST_SUITE(meter_suite)

BOOST_AUTO_TEST_CASE(a_second_s_worth_at_once_then_the_rate) {
  rate_meter m{10};
  for (int i = 0; i < 10; ++i)
    BOOST_TEST(m.allow(5000));
  BOOST_TEST(!m.allow(5000));
  BOOST_TEST(!m.allow(5099));
  BOOST_TEST(m.allow(5100));
  BOOST_TEST(!m.allow(5100));
}

BOOST_AUTO_TEST_CASE(no_rate_no_limit) {
  rate_meter m{0};
  for (int i = 0; i < 1000; ++i)
    BOOST_TEST_REQUIRE(m.allow(0));
}

BOOST_AUTO_TEST_CASE(it_is_hopeless_after_ten_seconds_in_a_row) {
  rate_meter m{1};
  mono_ms now = 100'000;
  for (int second = 0; second < 10; ++second, now += 1000) {
    while (m.allow(now)) {
    }
    BOOST_TEST(m.seconds_in_a_row_over(now) == static_cast<std::uint32_t>(second) + 1);
    BOOST_TEST(!m.hopeless(now));
  }
  while (m.allow(now)) {
  }
  BOOST_TEST(m.hopeless(now));
  BOOST_TEST(m.seconds_in_a_row_over(now + 1000) == 11u);
  BOOST_TEST(m.seconds_in_a_row_over(now + 2000) == 0u); // it has stopped
}

BOOST_AUTO_TEST_CASE(how_long_it_is_borne_can_be_chosen) {
  rate_meter at_once{1, 0};
  BOOST_TEST(at_once.allow(0));
  BOOST_TEST(!at_once.hopeless(0));
  BOOST_TEST(!at_once.allow(0));
  BOOST_TEST(at_once.hopeless(0));
  rate_meter two{1, 2};
  for (const mono_ms now : {0, 1000, 2000}) {
    BOOST_TEST(!two.hopeless(now));
    while (two.allow(now)) {
    }
  }
  BOOST_TEST(two.hopeless(2000));
}

BOOST_AUTO_TEST_CASE(a_second_without_refusal_begins_anew) {
  rate_meter m{1};
  while (m.allow(0)) {
  }
  BOOST_TEST(m.allow(1000));
  while (m.allow(2000)) {
  }
  BOOST_TEST(m.seconds_in_a_row_over(2000) == 1u);
}

BOOST_AUTO_TEST_CASE(generated_senders_never_pass_the_rate) {
  for_seeds(100, [](dice& random) {
    auto rate = static_cast<std::uint32_t>(1 + random.below(50));
    rate_meter m{rate};
    mono_ms now = 1000;
    std::uint64_t allowed = 0;
    for (int i = 0; i < 2000; ++i) {
      now += static_cast<mono_ms>(random.below(10));
      allowed += m.allow(now);
      BOOST_TEST_REQUIRE(allowed <= rate + static_cast<std::uint64_t>(now - 1000) * rate / 1000);
    }
  });
}

BOOST_AUTO_TEST_CASE(the_eleventh_bad_message_of_a_minute_is_one_too_many) {
  bad_message_meter m;
  for (int i = 0; i < 10; ++i)
    BOOST_TEST(!m.one_too_many(i));
  BOOST_TEST(m.one_too_many(59'999));
  bad_message_meter slow;
  for (int i = 0; i < 100; ++i)
    BOOST_TEST(!slow.one_too_many(i * 6'000));
}

BOOST_AUTO_TEST_SUITE_END()
