#include "tests/actors/channel_bench.hpp"

using namespace troupe;
using namespace troupe::testing;

BOOST_AUTO_TEST_SUITE(channel_home_flow_suite)

// -- acknowledgements

BOOST_AUTO_TEST_CASE(a_full_window_pauses_and_an_acknowledgement_resumes) {
  channel_bench s{with(3)};
  s.join(1);
  s.say_many(5, qos::at_least_once);
  s.say_many(1);
  check(s.heard(1), lines{"ack j at e:0 recovered"} + says(1, 3));
  BOOST_TEST(!s.listener.at(1).live);
  s.acknowledge(1, 2);
  check(s.heard_over_time(1), says(4, 5));
  s.acknowledge(1, 4);
  check(s.heard_over_time(1), says(6, 6));
  BOOST_TEST(s.listener.at(1).live);
  s.say_many(1);
  check(s.heard(1), says(7, 7));
}

BOOST_AUTO_TEST_CASE(messages_of_qos_0_need_no_acknowledgement) {
  channel_bench s{with(2)};
  s.join(1);
  s.say_many(100);
  check(s.heard(1), lines{"ack j at e:0 recovered"} + says(1, 100));
  BOOST_TEST(!s.home.next_time().has_value() == false); // only the age of the history
  BOOST_TEST(*s.home.next_time() > s.now + 1'000'000);
}

BOOST_AUTO_TEST_CASE(what_is_not_acknowledged_in_time_comes_again_in_order) {
  channel_bench s{with(10)};
  s.join(1);
  s.join(2);
  s.say_many(2, qos::at_least_once);
  s.say_many(1);
  s.say_many(1, qos::once);
  s.heard(1);
  s.heard(2);
  s.acknowledge(1, 1);
  s.acknowledge(2, 4);
  BOOST_REQUIRE(s.home.next_time().has_value());
  BOOST_TEST(*s.home.next_time() == s.now + 100);
  s.home.pass_time(s.now + 99);
  check(s.heard(1), {});
  s.now += 100;
  s.home.pass_time(s.now);
  check(s.heard_over_time(1), says(2, 2) + says(4, 4)); // the third is of qos 0: at most once
  check(s.heard_over_time(2), {});
  BOOST_TEST(s.listener.at(1).live);
  s.now += 110;
  s.home.pass_time(s.now);
  check(s.heard_over_time(1), says(2, 2) + says(4, 4));
  s.acknowledge(1, 4);
  s.now += 110;
  s.home.pass_time(s.now);
  check(s.heard_over_time(1), {});
  s.say_many(1);
  check(s.heard(1), says(5, 5));
}

BOOST_AUTO_TEST_CASE(what_has_not_left_the_outbox_is_not_late) {
  channel_bench s{with(10)};
  s.say_many(2, qos::at_least_once);
  s.join_earliest(1);
  s.hear();
  s.now += 1000;
  s.home.pass_time(s.now);
  check(s.heard(1), lines{"ack j at e:0 recovered"} + says(1, 2));
  s.obey();
  s.now += 50;
  s.home.pass_time(s.now);
  check(s.heard_over_time(1), {});
  s.now += 100;
  s.home.pass_time(s.now);
  check(s.heard_over_time(1), says(1, 2));
}

BOOST_AUTO_TEST_CASE(an_acknowledgement_counts_while_the_log_is_read_for_it) {
  channel_bench s{with(10, 1)};
  s.join(1);
  s.say_many(4, qos::at_least_once);
  s.heard(1);
  s.now += 100;
  s.home.pass_time(s.now);
  const auto reads = s.home.take_reads();
  BOOST_REQUIRE_EQUAL(reads.size(), 1u);
  s.acknowledge(1, 2);
  s.home.read_done(reads[0].ticket, s.look_up(reads[0]), nullptr, s.now);
  check(s.heard_over_time(1), says(3, 4));
}

// -- spilling

BOOST_AUTO_TEST_CASE(who_spills_catches_up_without_loss_or_repetition) {
  channel_bench s{with(100, 4)};
  s.join(1);
  s.join(2);
  s.heard(1);
  s.heard(2);
  s.listener.room = 3;
  s.say_many(10, qos::at_least_once);
  BOOST_TEST(s.listener.at(1).spilled);
  s.say_many(2); // ignored there, until the home has answered
  s.obey();
  check(s.heard_over_time(1), says(1, 12));
  BOOST_TEST(s.listener.at(1).live);
  s.listener.room = 100;
  check(s.heard_over_time(2), says(1, 12));
  s.say_many(1);
  check(s.heard(1), says(13, 13));
}

BOOST_AUTO_TEST_CASE(a_piece_that_crosses_with_a_spill_comes_again) {
  channel_bench s{with(5)};
  s.join(1);
  s.heard(1);
  s.listener.room = 2;
  s.say_many(4, qos::at_least_once); // the third spills
  BOOST_TEST(s.listener.ops.size() == 1u);
  s.now += 100;
  s.home.pass_time(s.now); // what crosses: all four once more, and live
  s.obey();
  check(s.heard_over_time(1), says(1, 4));
  s.now += 200;
  s.home.pass_time(s.now);
  check(s.heard_over_time(1), says(1, 4));
}

BOOST_AUTO_TEST_CASE(what_an_earlier_membership_has_spilled_is_nothing_to_the_next) {
  channel_bench s;
  s.join(1);
  s.heard(1);
  s.listener.room = 1;
  s.say_many(3);
  s.join_since(1, 2);
  s.obey();
  check(s.heard_over_time(1), lines{"say 1 1", "ack j at e:2 recovered"} + says(3, 3));
}

// -- time to live

BOOST_AUTO_TEST_CASE(nothing_is_delivered_after_its_time) {
  channel_bench s;
  s.join(1);
  s.heard(1);
  s.home.now_is(1000);
  s.say("1", {.ttl_ms = 500, .ts = 1000}, "m");
  s.say("2", {.ttl_ms = 100, .ts = 1000}, "n");
  s.home.now_is(1200); // the disk was slow
  s.store();
  check(s.heard(9), {"ack m at e:1", "ack n at e:2"});
  check(s.heard(1), {"say 1 1"});
  s.join_earliest(2);
  check(s.heard(2), {"ack j at e:0 recovered", "say 1 1"});
  s.home.now_is(1501);
  s.join_earliest(3);
  check(s.heard_over_time(3), {"ack j at e:0 recovered"});
  s.ask_history(10);
  s.read();
  check(s.heard(1), {"history h at 2:"});
  s.say_many(1);
  check(s.heard(3), says(3, 3));
}

BOOST_AUTO_TEST_CASE(a_frame_has_the_rest_of_its_time) {
  channel_bench s;
  s.join(1);
  s.heard(1);
  s.home.now_is(5000);
  s.say("1", {.ttl_ms = 1000, .ts = 4800});
  s.home.stored(1, s.now);
  const auto news = s.home.seal(false);
  BOOST_REQUIRE(news != nullptr);
  const auto& batch = *news->events.back().batch;
  BOOST_TEST(batch.any_expires);
  BOOST_TEST(batch.frames.at(0).expires == s.now + 800);
}

// -- history

BOOST_AUTO_TEST_CASE(history_forwards_and_backwards) {
  channel_bench s{{}, 3, 9};
  const auto history = [&](auto... how) {
    s.ask_history(how...);
    s.read();
    return s.heard(1);
  };
  check(history(100), {"history h at 9: 3 4 5 6 7 8 9"});
  check(history(2), {"history h at 9: 3 4"});
  check(history(2, 6), {"history h at 9: 7 8"});
  check(history(2, 1), {"history h at 9: 3 4"});
  check(history(100, 9), {"history h at 9:"});
  check(history(100, 99), {"history h at 9:"});
  check(history(3, std::optional<std::uint64_t>{}, true), {"history h at 9: 9 8 7"});
  check(history(3, 5, true), {"history h at 9: 4 3"});
  check(history(3, 3, true), {"history h at 9:"});
  check(history(3, 0, true), {"history h at 9:"});
  check(history(3, 5, false, "other"), {"history h at 9:"});
  s.damaged = {{3, 4}, {7, 7}, {9, 9}};
  for (const std::uint64_t gone : {3, 4, 7, 9})
    s.disk.erase(gone);
  check(history(100), {"history h at 9: 5 6 8 damaged 3-4 damaged 7-7 damaged 9-9"});
  check(history(2), {"history h at 9: 5 6 damaged 3-4"});
  check(history(2, 3), {"history h at 9: 5 6 damaged 4-4"});
  check(history(100, 8), {"history h at 9: damaged 9-9"});
  check(history(2, std::optional<std::uint64_t>{}, true), {"history h at 9: 8 6 damaged 9-9 damaged 7-7"});
  check(history(100, 4, true), {"history h at 9: damaged 3-3"});
  s.ask_history(3);
  const failure why{error_code::unavailable, "a record is damaged", {}};
  s.home.read_done(s.home.take_reads().at(0).ticket, {}, &why, s.now);
  check(s.heard(1), {"error h unavailable"});
}

// -- retention

BOOST_AUTO_TEST_CASE(retention_by_messages_bytes_and_age) {
  channel_settings settings;
  settings.history_messages = 5;
  channel_bench few{settings};
  few.say_many(9);
  BOOST_TEST(few.home.first() == 5u);
  few.join_earliest(1);
  check(few.heard_over_time(1), lines{"ack j at e:4 recovered"} + says(5, 9));

  settings = {};
  channel_bench light{settings};
  light.say_many(1);
  settings.history_bytes = light.disk.at(1)->size() * 4;
  channel_bench small{settings};
  small.say_many(9);
  BOOST_TEST(small.home.first() > 4u);
  BOOST_TEST(small.home.first() <= 6u);

  settings = {};
  settings.history_age = milliseconds{6400};
  channel_bench old{settings};
  old.say_many(3);
  BOOST_TEST(*old.home.next_time() == old.now + 6401);
  old.now += 5000;
  old.say_many(2);
  old.now += 1401;
  old.home.pass_time(old.now);
  BOOST_TEST(old.home.first() == 4u);
  old.now += 6400;
  old.home.pass_time(old.now);
  BOOST_TEST(old.home.first() == 6u);
  BOOST_TEST(!old.home.next_time().has_value());
  old.join_since(1, 3);
  check(old.heard(1), {"ack j at e:5 lost"});
}

BOOST_AUTO_TEST_CASE(a_gap_says_what_retention_took_from_who_was_paused) {
  auto settings = with(2);
  settings.history_messages = 3;
  channel_bench s{settings};
  s.join(1);
  s.say_many(2, qos::at_least_once);
  check(s.heard(1), lines{"ack j at e:0 recovered"} + says(1, 2));
  s.say_many(6);
  s.acknowledge(1, 2);
  check(s.heard_over_time(1), lines{"gap retention 3-5"} + says(6, 8));
  BOOST_TEST(s.listener.at(1).live);
  s.say_many(1);
  check(s.heard(1), says(9, 9));
}

BOOST_AUTO_TEST_CASE(what_was_given_already_is_no_gap_when_it_cannot_come_again) {
  auto settings = with(10);
  settings.history_messages = 3;
  channel_bench s{settings};
  s.join(1);
  s.say_many(6, qos::at_least_once);
  s.heard(1);
  s.now += 100;
  s.home.pass_time(s.now);
  check(s.heard_over_time(1), says(4, 6));
}

BOOST_AUTO_TEST_CASE(what_the_log_forgets_is_forgotten) {
  channel_bench s;
  s.say_many(5);
  s.home.dropped_before(4, s.now);
  s.home.dropped_before(2, s.now);
  BOOST_TEST(s.home.first() == 4u);
  s.home.dropped_before(100, s.now);
  BOOST_TEST(s.home.first() == 6u);
  s.join_earliest(1);
  s.say_many(1);
  check(s.heard(1), lines{"ack j at e:5 recovered"} + says(6, 6));
}

BOOST_AUTO_TEST_SUITE_END()
