#include "tests/actors/channel_bench.hpp"

#include <array>

using namespace troupe;
using namespace troupe::testing;

namespace {

constexpr std::array kinds{qos::at_most_once, qos::at_least_once, qos::once};

} // namespace

BOOST_AUTO_TEST_SUITE(channel_home_suite)

// -- publishing

BOOST_AUTO_TEST_CASE(nothing_is_delivered_or_acknowledged_before_it_is_stored) {
  for (const auto kind : kinds) {
    channel_bench s;
    s.join(1);
    check(s.heard(1), {"ack j at e:0 recovered"});
    s.say("\"x\"", {.qos = kind}, "m1");
    s.say("\"y\"", {.qos = kind}, "m2");
    BOOST_TEST(s.home.pending());
    const auto appends = s.home.take_appends();
    BOOST_REQUIRE_EQUAL(appends.size(), 2u);
    BOOST_TEST(appends[0].offset == 1u);
    BOOST_TEST(appends[1].offset == 2u);
    BOOST_TEST(s.home.take_appends().empty());
    check(s.heard(1), {});
    check(s.heard(9), {});
    BOOST_TEST(s.home.last() == 0u);
    s.home.stored(1, s.now);
    check(s.heard(1), {"say 1 \"x\""});
    check(s.heard(9), {"ack m1 at e:1"});
    s.home.stored(2, s.now);
    check(s.heard(1), {"say 2 \"y\""});
    check(s.heard(9), {"ack m2 at e:2"});
    BOOST_TEST(!s.home.pending());
  }
}

BOOST_AUTO_TEST_CASE(a_resend_of_qos_2_is_dropped_and_answered_as_its_original) {
  channel_bench s;
  s.join(1);
  s.heard(1);
  s.say("1", {.qos = qos::once}, "m");
  s.say("1", {.qos = qos::once}, "m");
  s.say("2", {.qos = qos::once}, "m");
  BOOST_TEST(s.home.take_appends().size() == 1u);
  check(s.heard(9), {"error m conflict"});
  s.home.stored(1, s.now);
  check(s.heard(9), {"ack m at e:1", "ack m at e:1"});
  s.say("1", {.qos = qos::once}, "m");
  s.say("3", {.qos = qos::once}, "m");
  s.home.publish(say_op(8, "m", "1", {.qos = qos::once}), s.now); // of another user: another message
  check(s.heard(9), {"ack m at e:1", "error m conflict"});
  s.store();
  check(s.heard(8), {"ack m at e:2"});
  check(s.heard(1), {"say 1 1", "say 2 1"});
}

BOOST_AUTO_TEST_CASE(a_resend_of_lower_qos_is_a_message_like_any) {
  channel_bench s;
  s.say("1", {.qos = qos::at_least_once}, "m");
  s.say("1", {.qos = qos::at_least_once}, "m");
  s.store();
  check(s.heard(9), {"ack m at e:1", "ack m at e:2"});
}

BOOST_AUTO_TEST_CASE(the_qos_floor_of_the_channel_raises_what_comes) {
  channel_settings settings = with(1);
  settings.qos_floor = 2;
  channel_bench s{settings};
  s.join(1);
  s.say("1", {}, "m");
  s.say("1", {}, "m");
  s.say("2");
  s.store();
  check(s.heard(9), {"ack m at e:1", "ack m at e:1"});
  check(s.heard(1), {"ack j at e:0 recovered", "say 1 1"}); // its window is full
}

BOOST_AUTO_TEST_CASE(the_window_against_resends_is_bounded_and_comes_back_with_the_log) {
  channel_settings settings;
  settings.dedupe_messages = 2;
  std::vector<stored_message> window;
  for (const std::uint64_t offset : {3, 4, 5})
    window.push_back({offset, say_op(9, "m" + std::to_string(offset), "1", {.qos = qos::once}).message});
  window.push_back({6, say_op(9, "m6", "1").message});
  channel_home home({.name = "c", .epoch = "e", .last = 6, .settings = settings, .window = window});
  channel_audience listener;
  for (const auto* id : {"m4", "m5", "m3", "m6"})
    home.publish(say_op(9, id, "1", {.qos = qos::once}), 1);
  listener.apply(*home.seal(false));
  check(listener.send_all(9), {"ack m4 at e:4", "ack m5 at e:5"});
  BOOST_TEST(home.take_appends().size() == 2u); // m3 was too long ago, m6 was of qos 0
  home.stored(8, 1);
  home.publish(say_op(9, "m4", "1", {.qos = qos::once}), 1);
  BOOST_TEST(home.take_appends().size() == 1u);
}

BOOST_AUTO_TEST_CASE(what_the_log_refuses_is_refused_and_what_follows_goes_on) {
  channel_bench s;
  s.join(1);
  s.heard(1);
  for (const auto* id : {"a", "b", "c"})
    s.say("1", {.qos = qos::once}, id);
  s.home.take_appends();
  s.say("1", {.qos = qos::once}, "d");
  s.say("1", {.qos = qos::once}, "b");
  s.home.stored(1, s.now);
  s.home.not_stored(2, {error_code::unavailable, "the disk is full", 1000});
  check(s.heard(9),
        {"ack a at e:1", "error b unavailable", "error b unavailable", "error c unavailable", "error d unavailable"});
  BOOST_TEST(s.home.take_appends().empty());
  BOOST_TEST(!s.home.pending());
  s.say("1", {.qos = qos::once}, "b"); // it was never stored: this is no duplicate
  s.store();
  check(s.heard(9), {"ack b at e:2"});
  check(s.heard(1), {"say 1 1", "say 2 1"});
  s.home.not_stored(3, {error_code::unavailable, "nothing is under way", {}});
  check(s.heard(9), {});
}

// -- joining

BOOST_AUTO_TEST_CASE(a_subscriber_begins_where_it_asks_to) {
  channel_bench s{{}, 3, 6};
  s.join(1);
  check(s.heard_over_time(1), {"ack j at e:6 recovered"});
  s.join_earliest(2);
  check(s.heard_over_time(2), lines{"ack j at e:2 recovered"} + says(3, 6));
  s.join_since(3, 4);
  check(s.heard_over_time(3), lines{"ack j at e:4 recovered"} + says(5, 6));
  s.join_since(4, 6);
  check(s.heard_over_time(4), {"ack j at e:6 recovered"});
  s.join_since(5, 7);
  check(s.heard_over_time(5), lines{"ack j at e:2 lost"} + says(3, 6));
  s.join_since(6, 4, "other");
  check(s.heard_over_time(6), lines{"ack j at e:2 lost"} + says(3, 6));
  s.join_since(7, 1);
  check(s.heard_over_time(7), lines{"ack j at e:2 lost"} + says(3, 6));
  s.join_since(8, 2);
  check(s.heard_over_time(8), lines{"ack j at e:2 recovered"} + says(3, 6));
  s.say_many(1);
  for (member_key who = 1; who <= 8; ++who)
    check(s.heard(who), says(7, 7));
  BOOST_TEST(s.home.subscribers() == 8u);
}

BOOST_AUTO_TEST_CASE(what_is_on_its_way_to_the_log_comes_after_a_join) {
  channel_bench s;
  s.say("1");
  s.join(1);
  s.join_earliest(2);
  s.store();
  check(s.heard(1), {"ack j at e:0 recovered", "say 1 1"});
  check(s.heard(2), {"ack j at e:0 recovered", "say 1 1"});
}

BOOST_AUTO_TEST_CASE(joining_again_begins_anew) {
  channel_bench s;
  s.say_many(3);
  s.join_earliest(1);
  check(s.heard_over_time(1), lines{"ack j at e:0 recovered"} + says(1, 3));
  s.join_since(1, 2);
  check(s.heard_over_time(1), lines{"ack j at e:2 recovered"} + says(3, 3));
  s.say_many(1);
  check(s.heard(1), says(4, 4));
  BOOST_TEST(s.home.subscribers() == 1u);
}

BOOST_AUTO_TEST_CASE(the_ring_spares_a_reading_of_the_log) {
  channel_bench s{with(256, 4)};
  s.say_many(10);
  s.join_since(1, 6);
  check(s.heard(1), lines{"ack j at e:6 recovered"} + says(7, 10));
  BOOST_TEST(s.home.take_reads().empty());
  s.join_since(2, 5);
  check(s.heard(2), {"ack j at e:5 recovered"});
  const auto reads = s.home.take_reads();
  BOOST_REQUIRE_EQUAL(reads.size(), 1u);
  BOOST_TEST(reads[0].from == 6u);
  BOOST_TEST(reads[0].to == 6u);
  s.say_many(3); // meanwhile the ring goes on: the rest of what it wants is in the log by now
  s.home.read_done(reads[0].ticket, s.look_up(reads[0]), nullptr, s.now);
  check(s.heard_over_time(2), says(6, 13));
}

BOOST_AUTO_TEST_CASE(a_reading_that_finds_nothing_skips_no_more_than_it_asked_for) {
  channel_bench s{with(256, 2)};
  s.say_many(4);
  s.join_earliest(1);
  s.heard(1);
  const auto reads = s.home.take_reads();
  BOOST_REQUIRE_EQUAL(reads.size(), 1u);
  BOOST_TEST(reads[0].to == 2u);
  s.say_many(4);
  s.home.read_done(reads[0].ticket, {}, nullptr, s.now);
  check(s.heard_over_time(1), lines{"gap lost 1-2"} + says(3, 8));
}

BOOST_AUTO_TEST_CASE(holes_in_what_the_log_finds_are_told) {
  channel_bench s{{}, 1, 9};
  for (const std::uint64_t gone : {1, 2, 5, 9})
    s.disk.erase(gone);
  s.join_earliest(1);
  check(s.heard_over_time(1), lines{"ack j at e:0 recovered", "gap lost 1-2"} + says(3, 4) + lines{"gap lost 5-5"} +
                                  says(6, 8) + lines{"gap lost 9-9"});
  s.say_many(1);
  check(s.heard(1), says(10, 10));
}

BOOST_AUTO_TEST_CASE(what_is_damaged_is_told_and_what_lies_behind_it_is_given) {
  channel_bench s{{}, 1, 12};
  s.damaged = {{1, 2}, {5, 5}, {8, 9}, {12, 12}};
  for (const std::uint64_t gone : {1, 2, 5, 7, 8, 9, 12})
    s.disk.erase(gone);
  s.join_earliest(1);
  check(s.heard_over_time(1), lines{"ack j at e:0 recovered", "gap damaged 1-2"} + says(3, 4) +
                                  lines{"gap damaged 5-5"} + says(6, 6) + lines{"gap lost 7-7", "gap damaged 8-9"} +
                                  says(10, 11) + lines{"gap damaged 12-12"});
  s.join_since(2, 8); // in the middle of it
  check(s.heard_over_time(2),
        lines{"ack j at e:8 recovered", "gap damaged 9-9"} + says(10, 11) + lines{"gap damaged 12-12"});
  s.join_since(3, 11); // and nothing but that
  check(s.heard_over_time(3), {"ack j at e:11 recovered", "gap damaged 12-12"});
  s.say_many(1);
  for (const member_key who : {1, 2, 3})
    check(s.heard(who), says(13, 13));
}

BOOST_AUTO_TEST_CASE(damage_is_told_once_and_costs_no_acknowledgement) {
  channel_bench s{with(2, 0)};
  s.say_many(6, qos::at_least_once);
  s.damaged = {{3, 4}};
  s.disk.erase(3);
  s.disk.erase(4);
  s.join_earliest(2);
  check(s.heard_over_time(2), lines{"ack j at e:0 recovered"} + says(1, 2));
  s.acknowledge(2, 1);
  check(s.heard_over_time(2), lines{"gap damaged 3-4"} + says(5, 5));
  s.now += 1000; // what it has not acknowledged comes again, and what never came does not
  s.home.pass_time(s.now);
  check(s.heard_over_time(2), says(2, 2) + says(5, 5));
  s.acknowledge(2, 5);
  check(s.heard_over_time(2), says(6, 6));
}

BOOST_AUTO_TEST_CASE(a_log_that_cannot_be_read_ends_the_subscription) {
  channel_bench s{{}, 1, 3};
  s.join_earliest(1);
  s.heard(1);
  const failure why{error_code::unavailable, "a record is damaged", {}};
  s.home.read_done(s.home.take_reads().at(0).ticket, {}, &why, s.now);
  check(s.heard(1), {"error  unavailable"});
  BOOST_TEST(!s.listener.is_member(1));
  BOOST_TEST(s.home.subscribers() == 0u);
  s.say_many(1);
  check(s.heard(1), {});
}

BOOST_AUTO_TEST_CASE(pieces_come_as_the_outbox_drains) {
  channel_bench s{with(256, 1000)};
  s.say_many(1500); // a part of them is in the log only
  s.join_earliest(1);
  s.hear();
  s.read();
  auto all = s.heard(1);
  BOOST_TEST(all.size() > 1u);
  BOOST_TEST(all.size() < 1000u);
  BOOST_TEST(s.read() == 0u);
  check(s.heard(1), {}); // before the first has left there is no second
  BOOST_TEST(!s.listener.at(1).live);
  s.say_many(10);
  all = all + s.heard_over_time(1);
  check(all, lines{"ack j at e:0 recovered"} + says(1, 1510));
  BOOST_TEST(s.listener.at(1).live);
}

// -- leaving, and connections that change

BOOST_AUTO_TEST_CASE(nothing_of_the_channel_follows_the_ack_of_a_leave) {
  channel_bench s;
  s.join(1);
  s.say("1");
  s.store();
  s.home.leave(request_op(room_verb::leave, subscriber_of(1), "bye"));
  s.say("2");
  s.store();
  check(s.heard(1), {"ack j at e:0 recovered", "say 1 1", "ack bye"});
  s.home.leave(request_op(room_verb::leave, subscriber_of(1), "again"));
  check(s.heard(1), {"error again not_a_member"});
}

BOOST_AUTO_TEST_CASE(who_vanishes_is_forgotten_with_its_readings) {
  channel_bench s{{}, 1, 3};
  s.join_earliest(1);
  s.home.vanish(1);
  s.home.vanish(1);
  BOOST_TEST(s.home.subscribers() == 0u);
  BOOST_TEST(s.read() == 1u);
  check(s.heard(1), {"ack j at e:0 recovered"});
}

BOOST_AUTO_TEST_CASE(a_resumed_subscriber_goes_on_after_what_it_has_seen) {
  channel_bench s;
  s.join(1);
  s.say_many(4);
  s.heard(1);
  const auto rebind = [&](std::uint32_t incarnation, std::optional<position> since) {
    s.listener.drop(1);
    auto op = s.join_op(subscriber_of(1, incarnation), {});
    op.verb = room_verb::rebind;
    op.more->since = std::move(since);
    s.home.rebind(op, s.now);
    s.hear();
    return s.listener.rebound.at(1);
  };
  BOOST_TEST(rebind(1, position{"e", 2}));
  check(s.heard(1), says(3, 4));
  BOOST_TEST(!rebind(2, std::nullopt)); // it does not say, and nothing is said again
  check(s.heard(1), {});
  BOOST_TEST(!rebind(3, position{"other", 2}));
  check(s.heard(1), says(1, 4));
  BOOST_TEST(!rebind(4, position{"e", 5}));
  s.home.dropped_before(3, s.now);
  BOOST_TEST(!rebind(5, position{"e", 1}));
  check(s.heard(1), says(3, 4));
  s.say_many(1);
  check(s.heard(1), says(5, 5));
  s.home.vanish(1);
  BOOST_TEST(!rebind(6, std::nullopt)); // what it missed nobody knows
  s.say_many(1);
  check(s.heard(1), says(6, 6));
}

BOOST_AUTO_TEST_CASE(a_resumed_subscriber_still_owes_what_it_owed) {
  channel_bench s{with(8)};
  s.join(1);
  s.say_many(4, qos::at_least_once);
  s.heard(1);
  auto op = s.join_op(subscriber_of(1, 1), {});
  op.verb = room_verb::rebind;
  op.more->since = position{"e", 3};
  s.home.rebind(op, s.now);
  check(s.heard_over_time(1), says(4, 4));
  s.acknowledge(1, 1);
  s.now += 200;
  s.home.pass_time(s.now);
  check(s.heard_over_time(1), says(2, 4));
}

BOOST_AUTO_TEST_CASE(at_a_new_home_a_subscriber_goes_on_or_is_told) {
  channel_bench s{{}, 3, 6};
  const auto restore = [&](member_key who, std::uint64_t given) {
    auto op = s.join_op(subscriber_of(who), {});
    op.verb = room_verb::restore;
    op.more->offset = given;
    s.home.restore(op, s.now);
    return s.heard_over_time(who);
  };
  check(restore(1, 6), {});
  check(restore(2, 4), says(5, 6));
  check(restore(3, 2), says(3, 6));
  check(restore(4, 0), {"gap restarted"});
  check(restore(5, 1), {"gap restarted"});
  check(restore(6, 9), {"gap restarted"});
  s.say_many(1);
  for (member_key who = 1; who <= 6; ++who)
    check(s.heard(who), says(7, 7));
}

// -- durable subscriptions

BOOST_AUTO_TEST_CASE(a_durable_subscription_goes_on_after_what_was_acknowledged) {
  channel_bench s{with(8)};
  s.join_durable(1, "ann");
  check(s.heard(1), {"ack j at e:0 recovered"});
  auto moved = s.home.take_positions();
  BOOST_REQUIRE_EQUAL(moved.size(), 1u);
  BOOST_TEST(moved[0].key == channel_home::durable_key("ann", "d"));
  BOOST_TEST(moved[0].offset.value() == 0u);
  s.say_many(5, qos::at_least_once);
  check(s.heard(1), says(1, 5));
  s.acknowledge(1, 3);
  s.acknowledge(1, 2);
  moved = s.home.take_positions();
  BOOST_REQUIRE_EQUAL(moved.size(), 1u);
  BOOST_TEST(moved[0].offset.value() == 3u);
  s.home.leave(request_op(room_verb::leave, subscriber_of(1), "bye"));
  s.say_many(1, qos::at_least_once);
  s.join_durable(2, "ann");
  check(s.heard_over_time(2), lines{"ack j at e:3 recovered"} + says(4, 6));
  s.join_durable(3, "ann", "other");
  check(s.heard_over_time(3), {"ack j at e:6 recovered"});
  s.acknowledge(2, 1000); // nobody has what was not given
  moved = s.home.take_positions();
  BOOST_REQUIRE_EQUAL(moved.size(), 2u);
  BOOST_TEST(moved[1].offset.value() == 6u);
}

BOOST_AUTO_TEST_CASE(a_durable_subscription_has_one_holder) {
  channel_bench s;
  s.join_durable(1, "ann");
  s.join_durable(2, "ann");
  check(s.heard(2), {"error j conflict"});
  BOOST_TEST(s.listener.refused == std::vector<member_key>{2}, boost::test_tools::per_element());
  s.join_durable(3, "bob");
  check(s.heard(3), {"ack j at e:0 recovered"});
  s.join_durable(1, "ann"); // its own holder may ask again
  check(s.heard(1), {"ack j at e:0 recovered", "ack j at e:0 recovered"});
  s.home.vanish(1);
  s.join_durable(2, "ann");
  check(s.heard(2), {"ack j at e:0 recovered"});
  s.join_durable(4, "-");
  check(s.heard(4), {"error j unauthorized"});
  BOOST_TEST(s.home.subscribers() == 2u);
}

BOOST_AUTO_TEST_CASE(positions_come_back_with_the_log) {
  channel_home home({.name = "c",
                     .epoch = "e",
                     .first = 4,
                     .last = 6,
                     .positions = {{channel_home::durable_key("ann", "d"), 5},
                                   {channel_home::durable_key("ann", "old"), 1},
                                   {channel_home::durable_key("ann", "odd"), 9}}});
  channel_audience listener;
  const auto join = [&](member_key who, const char* name) {
    const auto info = subscriber_of(who, 0, "ann");
    listener.expect(info);
    auto op = request_op(room_verb::join, info, "j");
    op.more->durable = name;
    home.join(op, 1);
    listener.apply(*home.seal(false));
    return listener.send_all(who);
  };
  check(join(1, "d"), {"ack j at e:5 recovered"});
  check(join(2, "old"), {"ack j at e:3 lost"});
  check(join(3, "odd"), {"ack j at e:6 lost"});
  BOOST_TEST(home.take_positions().empty());
}

BOOST_AUTO_TEST_CASE(at_a_new_home_a_durable_subscription_gets_again_what_it_has_not_acknowledged) {
  channel_bench s{with(8)};
  s.join_durable(1, "ann");
  s.say_many(4, qos::at_least_once);
  s.say_many(1);
  s.heard(1);
  s.acknowledge(1, 2);
  channel_home next({.name = "c",
                     .epoch = "e",
                     .last = 5,
                     .settings = with(8),
                     .positions = {{channel_home::durable_key("ann", "d"), 2}}});
  channel_audience listener;
  const auto info = subscriber_of(1, 0, "ann");
  listener.expect(info);
  auto op = request_op(room_verb::restore, info);
  op.more->offset = 5;
  op.more->durable = "d";
  next.restore(op, 1);
  const auto reads = next.take_reads();
  BOOST_REQUIRE_EQUAL(reads.size(), 1u);
  next.read_done(reads[0].ticket, s.look_up(reads[0]), nullptr, 1);
  listener.apply(*next.seal(false));
  check(listener.send_all(1), says(3, 4)); // not the fifth: of qos 0, and it has it
}

BOOST_AUTO_TEST_SUITE_END()
