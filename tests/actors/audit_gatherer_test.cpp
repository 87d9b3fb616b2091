#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "actors/audit_gatherer.hpp"

using namespace troupe;

namespace {

struct bench {
  explicit bench(std::size_t bytes_max)
      : gatherer({.bytes_max = bytes_max,
                  .hand_over = [this](const audit_batch_ptr& b) { batches.push_back(b); },
                  .began = [this] { ++turns; },
                  .lost = [this](std::string_view room) { lost_in.emplace_back(room); },
                  .dropped = [this] { ++dropped; }}) {}

  void say(audit_level level = audit_level::metadata, std::string_view payload = {}) {
    log::record_view r;
    r.time_us = 5;
    r.kind = log::record_kind::message_published;
    r.room = "lobby";
    r.payload = payload;
    gatherer.add(r, level);
  }
  /// The kinds and codes of all that was handed over; it is written then.
  std::vector<std::string> write() {
    std::vector<std::string> out;
    for (const auto& b : std::exchange(batches, {})) {
      for (std::size_t i = 0; i < b->ends.size(); ++i) {
        log::record_view r;
        BOOST_REQUIRE(log::decode(b->body(i), r) == log::decode_fault::none);
        out.push_back(log::to_string(r.kind) + (r.code ? ' ' + std::to_string(*r.code) : std::string{}));
      }
      b->done();
    }
    return out;
  }

  std::vector<audit_batch_ptr> batches;
  std::vector<std::string> lost_in;
  int turns = 0;
  int dropped = 0;
  audit_gatherer gatherer;
};

using lines = std::vector<std::string>;

} // namespace

BOOST_AUTO_TEST_SUITE(audit_gatherer_suite)

BOOST_AUTO_TEST_CASE(a_turn_is_one_batch) {
  bench b{1000};
  b.say();
  b.say();
  BOOST_TEST(b.turns == 1);
  b.gatherer.flush();
  b.gatherer.flush(); // nothing
  BOOST_TEST(b.batches.size() == 1u);
  BOOST_TEST(b.write() == (lines{"message.published", "message.published"}), boost::test_tools::per_element());
  b.say();
  BOOST_TEST(b.turns == 2);
}

BOOST_AUTO_TEST_CASE(what_may_be_lost_is_lost_past_the_bound_and_counted) {
  bench b{30}; // two records
  for (int i = 0; i < 5; ++i)
    b.say();
  b.gatherer.flush();
  BOOST_TEST(b.dropped == 3);
  BOOST_TEST(b.lost_in == (lines{"lobby"}), boost::test_tools::per_element()); // told once
  b.say();
  BOOST_TEST(b.dropped == 4);
  BOOST_TEST(b.write() == (lines{"message.published", "message.published"}), boost::test_tools::per_element());
  b.say(); // there is room again: first the confession
  b.gatherer.flush();
  BOOST_TEST(b.write() == (lines{"backpressure 4", "message.published"}), boost::test_tools::per_element());
  BOOST_TEST(b.dropped == 4);
}

BOOST_AUTO_TEST_CASE(what_was_lost_last_is_confessed_at_the_end) {
  bench b{10};
  b.say();
  b.say();
  b.gatherer.finish(7);
  BOOST_TEST(b.write() == (lines{"message.published", "backpressure 1"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_may_not_be_lost_is_taken_and_says_that_it_is_behind) {
  bench b{40};
  BOOST_TEST(!b.gatherer.behind());
  for (int i = 0; i < 5; ++i)
    b.say(audit_level::full);
  b.gatherer.flush();
  BOOST_TEST(b.dropped == 0);
  BOOST_TEST(b.gatherer.behind());
  BOOST_TEST(b.write().size() == 5u);
  BOOST_TEST(!b.gatherer.behind());
}

BOOST_AUTO_TEST_CASE(a_record_that_is_too_large_goes_without_its_payload) {
  bench b{std::size_t{64} << 20};
  b.say(audit_level::full, std::string(log::record_bytes_max, 'x'));
  b.gatherer.flush();
  BOOST_REQUIRE(b.batches.size() == 1u);
  BOOST_TEST(b.batches[0]->bodies.size() < 100u);
  BOOST_TEST(b.dropped == 1);
  BOOST_TEST(b.write() == (lines{"message.published"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
