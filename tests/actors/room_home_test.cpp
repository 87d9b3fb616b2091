#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "tests/actors/home_audience.hpp"

using namespace troupe;
using namespace troupe::testing;

namespace {

struct stage {
  explicit stage(room_settings settings = {}, std::size_t dedupe = 1024)
      : home({.id = 7, .name = "r", .epoch = "e1", .settings = settings, .dedupe_messages_max = dedupe}) {}

  void join(member_key who, std::string id = "j", bool presence = true) {
    listener.presence[who] = presence;
    home.join(join_op(who, std::move(id), "null", presence), now);
  }
  void say(member_key who, std::string payload, std::string id = {}) {
    home.publish(publish_op(who, std::move(id), std::move(payload)), now);
  }
  lines heard(member_key who) {
    listener.apply(home.seal(false));
    return listener.take(who);
  }
  void forget_so_far() {
    for (member_key who = 1; who < 300; ++who)
      heard(who);
  }

  room_home home;
  audience listener;
  mono_ms now = 1000;
};

} // namespace

BOOST_AUTO_TEST_SUITE(room_home_suite)

BOOST_AUTO_TEST_CASE(a_join_is_acknowledged_before_anything_of_the_room) {
  stage s;
  s.join(1, "a");
  s.say(1, "1");
  s.join(2, "b");
  s.say(1, "2");
  BOOST_TEST(s.heard(1) == (lines{"ack a members 1 at 0", "joined c2"}), boost::test_tools::per_element());
  BOOST_TEST(s.heard(2) == (lines{"ack b members 2 at 1", "say 2 c1 2"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(messages_are_numbered_and_acknowledged_in_the_order_of_the_stream) {
  stage s;
  s.join(1);
  s.join(2);
  s.forget_so_far();
  s.say(1, "\"x\"", "m1");
  s.say(2, "\"y\"", "m2");
  s.say(1, "\"z\"");
  s.home.publish(publish_op(1, "m4", "\"w\"", {.echo = true}), s.now);
  BOOST_TEST(s.heard(1) == (lines{"ack m1 at 1", "say 2 c2 \"y\"", "say 4 c1 \"w\"", "ack m4 at 4"}),
             boost::test_tools::per_element());
  BOOST_TEST(s.heard(2) == (lines{"say 1 c1 \"x\"", "ack m2 at 2", "say 3 c1 \"z\"", "say 4 c1 \"w\""}),
             boost::test_tools::per_element());
  BOOST_TEST(s.home.seq() == 4u);
}

BOOST_AUTO_TEST_CASE(the_nodes_own_messages_reach_everybody) {
  stage s;
  s.join(1);
  s.forget_so_far();
  s.home.publish(publish_op(0, "", "1"), s.now);
  BOOST_TEST(s.heard(1) == (lines{"say 1 ? 1"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(nothing_of_the_room_follows_the_ack_of_a_leave) {
  stage s;
  s.join(1);
  s.join(2);
  s.forget_so_far();
  s.say(2, "1");
  s.home.leave(op_of(room_verb::leave, 1, "bye"), s.now);
  s.say(2, "2");
  BOOST_TEST(s.heard(1) == (lines{"say 1 c2 1", "ack bye"}), boost::test_tools::per_element());
  BOOST_TEST(s.heard(2) == (lines{"left c1"}), boost::test_tools::per_element());
  BOOST_TEST(s.home.members() == 1u);
  s.home.leave(op_of(room_verb::leave, 1, "again"), s.now);
  BOOST_TEST(s.heard(1) == (lines{"error again not_a_member"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(joining_again_updates_the_state_unannounced) {
  stage s;
  s.join(1);
  s.join(2);
  s.forget_so_far();
  s.home.join(join_op(1, "again", "5"), s.now);
  BOOST_TEST(s.heard(2).empty());
  BOOST_TEST(s.heard(1) == (lines{"ack again members 2 at 0"}), boost::test_tools::per_element());
  s.home.list(op_of(room_verb::list, 2, "who"));
  BOOST_TEST(s.heard(2) == (lines{"state c1=5 c2=null"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(presence_is_told_to_those_who_want_it) {
  stage s;
  s.join(1);
  s.join(2, "j", false);
  s.forget_so_far();
  s.join(3);
  s.home.update(update_op(3, "up", "{\"typing\":true}"), s.now);
  s.home.vanish(3, s.now);
  BOOST_TEST(s.heard(1) == (lines{"joined c3", "diff ~c3={\"typing\":true}", "left c3"}),
             boost::test_tools::per_element());
  BOOST_TEST(s.heard(2).empty());
  BOOST_TEST(s.heard(3) == (lines{"ack j members 3 at 0", "ack up"}), boost::test_tools::per_element());
  s.home.update(update_op(3, "late", "1"), s.now);
  BOOST_TEST(s.heard(3) == (lines{"error late not_a_member"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(in_a_large_room_presence_is_merged) {
  room_settings settings;
  settings.presence_immediate_members_max = 3;
  settings.presence_interval = milliseconds{500};
  stage s{settings};
  for (member_key who = 1; who <= 3; ++who)
    s.join(who);
  s.forget_so_far();
  for (member_key who = 4; who <= 110; ++who)
    s.join(who);
  s.home.vanish(4, s.now); // came and went: nobody is told
  s.home.update(update_op(2, "u", "1"), s.now);
  s.home.vanish(3, s.now);
  BOOST_TEST(s.heard(1).empty());
  BOOST_REQUIRE(s.home.next_time().has_value());
  BOOST_TEST(*s.home.next_time() == s.now + 500);
  s.now += 499;
  s.home.pass_time(s.now);
  BOOST_TEST(s.heard(1).empty());
  s.now += 1;
  s.home.pass_time(s.now);
  const auto told = s.heard(1);
  BOOST_REQUIRE(told.size() == 1u);
  BOOST_TEST(told.front().find(" more 6 0 0") != std::string::npos); // 106 have joined, 100 are named
  BOOST_TEST(told.front().find(" -c3") != std::string::npos);
  BOOST_TEST(told.front().find(" ~c2=1") != std::string::npos);
  BOOST_TEST(told.front().find("+c4 ") == std::string::npos);
  s.now += 10'000;
  s.home.pass_time(s.now);
  BOOST_TEST(s.heard(1).empty());
}

BOOST_AUTO_TEST_CASE(a_diff_of_one_change_skips_who_caused_it) {
  room_settings settings;
  settings.presence_immediate_members_max = 1;
  settings.presence_interval = milliseconds{500};
  stage s{settings};
  s.join(1);
  s.join(2);
  s.now += 500;
  s.home.pass_time(s.now);
  BOOST_TEST(s.heard(1) == (lines{"ack j members 1 at 0", "diff +c2"}), boost::test_tools::per_element());
  BOOST_TEST(s.heard(2) == (lines{"ack j members 2 at 0"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(joining_with_since_brings_what_was_missed) {
  stage s;
  s.join(1);
  for (int i = 1; i <= 5; ++i)
    s.say(1, std::to_string(i));
  s.home.join(join_op(2, "a", "null", true, position{"e1", 3}), s.now);
  s.say(1, "6");
  BOOST_TEST(s.heard(2) == (lines{"ack a members 2 at 5 recovered", "say 4 c1 4", "say 5 c1 5", "say 6 c1 6"}),
             boost::test_tools::per_element());
  s.home.join(join_op(3, "b", "null", true, position{"other", 3}), s.now);
  BOOST_TEST(s.heard(3) == (lines{"ack b members 3 at 6 lost"}), boost::test_tools::per_element());
  s.home.join(join_op(4, "c", "null", true, position{"e1", 7}), s.now);
  BOOST_TEST(s.heard(4) == (lines{"ack c members 4 at 6 lost"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_ring_never_claims_what_it_has_let_go) {
  room_settings settings;
  settings.ring_messages = 3;
  settings.ring_age = milliseconds{1000};
  stage s{settings};
  s.join(1);
  for (int i = 1; i <= 5; ++i)
    s.say(1, std::to_string(i));
  BOOST_TEST(s.home.ring_size() == 3u);
  s.home.join(join_op(2, "a", "null", true, position{"e1", 1}), s.now);
  BOOST_TEST(s.heard(2) == (lines{"ack a members 2 at 5 lost"}), boost::test_tools::per_element());
  s.home.join(join_op(3, "b", "null", true, position{"e1", 2}), s.now);
  BOOST_TEST(s.heard(3).front() == "ack b members 3 at 5 recovered");
  s.now += 1001; // all too old, but who has seen the last one misses nothing
  s.home.join(join_op(4, "c", "null", true, position{"e1", 5}), s.now);
  BOOST_TEST(s.heard(4) == (lines{"ack c members 4 at 5 recovered"}), boost::test_tools::per_element());
  s.home.join(join_op(5, "d", "null", true, position{"e1", 4}), s.now);
  BOOST_TEST(s.heard(5) == (lines{"ack d members 5 at 5 lost"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_bytes_of_the_ring_are_bounded) {
  room_settings settings;
  settings.ring_bytes = 4096;
  stage s{settings};
  s.join(1);
  for (int i = 1; i <= 8; ++i)
    s.say(1, '"' + std::string(1000, 'x') + '"');
  BOOST_TEST(s.home.ring_size() >= 1u);
  BOOST_TEST(s.home.ring_size() <= 3u);
}

BOOST_AUTO_TEST_CASE(what_is_over_is_not_replayed) {
  stage s;
  s.join(1);
  s.home.publish(publish_op(1, "", "1", {.ttl_ms = 100}), s.now);
  s.say(1, "2");
  s.now += 200;
  s.home.join(join_op(2, "a", "null", true, position{"e1", 0}), s.now);
  BOOST_TEST(s.heard(2) == (lines{"ack a members 2 at 2 recovered", "say 2 c1 2"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_time_of_a_message_runs_from_when_it_was_accepted) {
  stage s;
  s.join(1);
  s.join(2);
  s.forget_so_far();
  s.home.now_is(5000); // 150 ms after these were accepted
  s.home.publish(publish_op(1, "a", "1", {.ttl_ms = 200, .ts = 4850}), s.now);
  s.home.publish(publish_op(1, "b", "2", {.ttl_ms = 100, .ts = 4850}), s.now); // over
  s.home.publish(publish_op(1, "c", "3", {.ttl_ms = 200, .ts = 5100}), s.now); // a clock that was set back
  const auto news = s.home.seal(false);
  std::vector<mono_ms> ends;
  for (const auto& event : news->events)
    if (event.batch != nullptr)
      for (const auto& f : event.batch->frames)
        ends.push_back(f.expires - s.now);
  BOOST_TEST(ends == (std::vector<mono_ms>{50, 200}), boost::test_tools::per_element());
  s.listener.apply(news);
  BOOST_TEST(s.listener.take(1) == (lines{"ack a at 1", "ack b at 2", "ack c at 3"}), boost::test_tools::per_element());
  s.home.now_is(5060);
  s.home.join(join_op(3, "j", "null", true, position{"e1", 0}), s.now); // the ring forgets as well
  BOOST_TEST(s.heard(3) == (lines{"ack j members 3 at 3 recovered", "say 3 c1 3"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_session_that_resumes_gets_what_it_missed_and_nobody_notices) {
  stage s;
  s.join(1);
  s.join(2);
  s.forget_so_far();
  for (int i = 1; i <= 3; ++i)
    s.say(2, std::to_string(i));
  s.heard(1); // lost with its link
  s.home.rebind(rebind_op(1, position{"e1", 1}), s.now);
  s.say(2, "4");
  BOOST_TEST(s.heard(1) == (lines{"say 2 c2 2", "say 3 c2 3", "state c1=null c2=null", "say 4 c2 4"}),
             boost::test_tools::per_element());
  BOOST_TEST(s.listener.rebound.at(1));
  BOOST_TEST(s.heard(2).empty());
  BOOST_TEST(s.home.members() == 2u);
}

BOOST_AUTO_TEST_CASE(a_session_that_resumes_in_a_new_epoch_is_told_so) {
  stage s;
  s.home.rebind(rebind_op(1, position{"old", 9}), s.now);
  s.heard(1);
  BOOST_TEST(!s.listener.rebound.at(1));
  BOOST_TEST(s.home.members() == 1u);
}

BOOST_AUTO_TEST_CASE(a_reborn_room_takes_its_members_back_silently) {
  stage s;
  s.home.restore(restore_op(1, "1"), s.now);
  s.home.restore(restore_op(2, "2"), s.now);
  s.say(1, "1");
  BOOST_TEST(s.heard(1) == (lines{"epoch e1"}), boost::test_tools::per_element());
  BOOST_TEST(s.heard(2) == (lines{"epoch e1", "say 1 c1 1"}), boost::test_tools::per_element());
  s.now += 1000; // settled: one replacing state
  s.home.pass_time(s.now);
  BOOST_TEST(s.heard(1) == (lines{"state c1=1 c2=2"}), boost::test_tools::per_element());
  BOOST_TEST(s.heard(2) == (lines{"state c1=1 c2=2"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_resend_with_qos_2_is_numbered_once) {
  stage s;
  s.join(1);
  s.join(2);
  s.forget_so_far();
  const publish_options once{.qos = qos::once};
  s.home.publish(publish_op(1, "k", "1", once), s.now);
  s.home.publish(publish_op(1, "k", "1", once), s.now);
  s.home.publish(publish_op(1, "k", "2", once), s.now);
  s.home.publish(publish_op(2, "k", "3", once), s.now); // another user's id is another id
  BOOST_TEST(s.heard(1) == (lines{"ack k at 1", "ack k at 1", "error k conflict", "say 2 c2 3"}),
             boost::test_tools::per_element());
  BOOST_TEST(s.heard(2) == (lines{"say 1 c1 1", "ack k at 2"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_window_against_resends_is_bounded) {
  stage s{{}, 2};
  s.join(1);
  s.forget_so_far();
  const publish_options once{.qos = qos::once};
  for (const auto* id : {"a", "b", "c", "b", "a"})
    s.home.publish(publish_op(1, id, "1", once), s.now);
  BOOST_TEST(s.heard(1) == (lines{"ack a at 1", "ack b at 2", "ack c at 3", "ack b at 2", "ack a at 4"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(qos_1_is_accepted_each_time) {
  stage s;
  s.join(1);
  s.forget_so_far();
  for (int i = 0; i < 2; ++i)
    s.home.publish(publish_op(1, "k", "1", {.qos = qos::at_least_once}), s.now);
  BOOST_TEST(s.heard(1) == (lines{"ack k at 1", "ack k at 2"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_refused_join_leaves_no_trace) {
  stage s;
  s.join(1);
  s.forget_so_far();
  s.home.keep_out(join_op(2, "a"), {error_code::forbidden, "full", {}});
  s.say(1, "1");
  BOOST_TEST(s.heard(2) == (lines{"error a forbidden"}), boost::test_tools::per_element());
  BOOST_TEST(s.listener.refused.contains(2));
  BOOST_TEST(s.heard(1).empty());
}

BOOST_AUTO_TEST_CASE(a_room_with_nothing_to_say_says_nothing) {
  stage s;
  BOOST_TEST((s.home.seal(false) == nullptr));
  const auto news = s.home.seal(true);
  BOOST_REQUIRE((news != nullptr));
  BOOST_TEST(news->credit);
  BOOST_TEST(news->events.empty());
  BOOST_TEST(news->room == 7u);
  s.say(1, "1"); // nobody is there
  BOOST_TEST((s.home.seal(false) == nullptr));
  BOOST_TEST(s.home.seq() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
