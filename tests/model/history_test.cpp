#include "runtime/model/history.hpp"

#include "tests/model/seeded.hpp"

using namespace troupe;

BOOST_AUTO_TEST_SUITE(history_suite)

BOOST_AUTO_TEST_CASE(a_member_that_comes_back_is_given_what_it_missed) {
  history<int> h{"e"};
  for (std::uint64_t seq : {1, 2, 5, 9})
    h.push(seq, 10, 0, static_cast<int>(seq));
  auto r = h.since(position{"e", 2}, 0);
  BOOST_TEST(r.recovered);
  BOOST_TEST_REQUIRE(r.missed.size() == 2u);
  BOOST_TEST(r.missed[0].what == 5);
  BOOST_TEST(r.missed[1].what == 9);
  BOOST_TEST(h.since("e", 9, 0).recovered);
  BOOST_TEST(h.since("e", 9, 0).missed.empty());
  BOOST_TEST(h.since("e", 3, 0).missed.size() == 2u); // a number that was skipped
  BOOST_TEST(h.since("e", 0, 0).missed.size() == 4u);
}

BOOST_AUTO_TEST_CASE(another_epoch_or_a_number_from_the_future_is_not_recovered) {
  history<int> h{"e"};
  h.push(1, 1, 0, 1);
  BOOST_TEST(!h.since("f", 1, 0).recovered);
  BOOST_TEST(!h.since("", 0, 0).recovered);
  BOOST_TEST(!h.since("e", 2, 0).recovered);
  h.skip_to(2);
  BOOST_TEST(h.since("e", 2, 0).recovered);
  h.restart("f");
  BOOST_TEST(!h.since("e", 1, 0).recovered);
  BOOST_TEST(h.since("f", 0, 0).recovered);
}

BOOST_AUTO_TEST_CASE(what_lies_before_its_begin_is_not_recovered) {
  history<int> h{"e", 100};
  BOOST_TEST(!h.since("e", 99, 0).recovered);
  BOOST_TEST(h.since("e", 100, 0).recovered);
}

BOOST_AUTO_TEST_CASE(messages_bytes_and_age_are_bounded) {
  history<int> h{"e", 0, {3, 100, 1000}};
  for (std::uint64_t seq = 1; seq <= 4; ++seq)
    h.push(seq, 1, 0, 0);
  BOOST_TEST(h.size() == 3u);
  BOOST_TEST(!h.since("e", 0, 0).recovered);
  BOOST_TEST(h.since("e", 1, 0).recovered); // 1 is gone, but it has seen 1
  h.push(5, 99, 500, 0);
  BOOST_TEST(h.size() == 2u);
  h.push(6, 101, 500, 0); // larger than all: gone at once
  BOOST_TEST(h.size() == 0u);
  BOOST_TEST(!h.since("e", 5, 500).recovered);
  BOOST_TEST(h.since("e", 6, 500).recovered);
  h.push(7, 1, 600, 0);
  BOOST_TEST(h.since("e", 6, 1600).missed.size() == 1u);
  BOOST_TEST(!h.since("e", 6, 1601).recovered);
}

BOOST_AUTO_TEST_CASE(generated_histories_tell_the_truth) {
  for_seeds(200, [](dice& random) {
    history_limits bounds{1 + random.below(40), 100 + random.below(2000), static_cast<std::int64_t>(random.below(300))};
    history<int> h{"e", 0, bounds};
    struct kept {
      std::uint64_t seq;
      std::size_t bytes;
      mono_ms at;
    };
    std::vector<kept> all;
    std::uint64_t seq = 0;
    mono_ms now = 0;
    for (int i = 0; i < 200; ++i) {
      now += static_cast<mono_ms>(random.below(20));
      if (random.once_in(10)) {
        h.skip_to(seq += random.below(3));
      } else {
        seq += 1 + random.below(3);
        auto bytes = random.below(random.once_in(20) ? 3000 : 100);
        h.push(seq, bytes, now, static_cast<int>(seq));
        all.push_back({seq, bytes, now});
      }
      // What the bounds leave of all that was pushed, worked out anew.
      std::size_t from = all.size(), sum = 0;
      while (from > 0 && all.size() - from < bounds.messages_max && sum + all[from - 1].bytes <= bounds.bytes_max &&
             now - all[from - 1].at <= bounds.age_ms_max)
        sum += all[--from].bytes;
      auto at = random.below(seq + 2);
      auto r = h.since("e", at, now);
      std::size_t missed = 0;
      for (const auto& k : all)
        missed += k.seq > at;
      if (r.recovered) {
        BOOST_TEST_REQUIRE(at <= seq);
        BOOST_TEST_REQUIRE(r.missed.size() == missed);
        for (std::size_t k = 0; k < missed; ++k)
          BOOST_TEST_REQUIRE(r.missed[k].seq == all[all.size() - missed + k].seq);
      } else {
        BOOST_TEST_REQUIRE((at == seq + 1 || missed > h.size()));
      }
      BOOST_TEST_REQUIRE(h.size() <= all.size() - from);
      BOOST_TEST_REQUIRE(h.bytes() <= sum);
    }
  });
}

BOOST_AUTO_TEST_CASE(what_is_forgotten_leaves_its_number) {
  history<int> h{"e", 0, {10, 25, 1000}};
  for (std::uint64_t seq = 1; seq <= 2; ++seq)
    h.push(seq, 10, 0, static_cast<int>(seq));
  h.forget_if([](int what) { return what == 1; });
  BOOST_TEST(h.bytes() == 10u);
  h.push(3, 10, 0, 3); // for which there is room again
  const auto r = h.since("e", 0, 0);
  BOOST_TEST(r.recovered);
  BOOST_TEST_REQUIRE(r.missed.size() == 3u);
  BOOST_TEST(r.missed[0].what == 0);
  BOOST_TEST(r.missed[1].what == 2);
}

BOOST_AUTO_TEST_SUITE_END()
