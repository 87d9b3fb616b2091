#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "actors/room_logic.hpp"
#include "tests/actors/home_audience.hpp"

#include <stdexcept>

using namespace troupe;
using namespace troupe::testing;

namespace {

/// Does what its messages say.
struct puppet final : room {
  void on_start(room_context& ctx) override { ctx.broadcast({.type = "started", .payload = value(score)}); }
  void on_join(const room_member& who, room_context& ctx) override {
    if (who.connection == "c9")
      return ctx.reject({error_code::forbidden, "not you", {}});
    if (who.connection == "c8") {
      ctx.broadcast({.type = "greeting", .payload = "never"});
      throw std::runtime_error{"join"};
    }
    if (who.connection == "c7")
      ctx.send("c7", {.type = "secret", .payload = 7});
    ctx.broadcast({.type = "greeting", .payload = value(who.connection)});
  }
  void on_leave(const room_member& who, room_context& ctx) override {
    ctx.broadcast({.type = "farewell", .payload = value(who.connection)});
  }
  void on_message(const message& m, room_context& ctx) override {
    const auto type = m.type();
    if (type == "score")
      ctx.reply(value(++score));
    else if (type == "dice")
      ctx.broadcast({.type = "rolled", .payload = value::array({ctx.random(), value(ctx.next_id()), ctx.now()})});
    else if (type == "fail") {
      ++score;
      ctx.broadcast({.type = "rolled", .payload = 1});
      ctx.send("c1", {.type = "secret", .payload = 1});
      ctx.reply(1);
      ctx.after(std::chrono::milliseconds{5}, 1);
      throw std::runtime_error{"on purpose"};
    } else if (type == "whisper")
      ctx.send("c2", {.type = "secret", .payload = value(m.payload())});
    else if (type == "who")
      ctx.reply(names(ctx));
    else if (type == "refuse")
      ctx.reject({error_code::conflict, "no", {}});
    else if (type == "count")
      ctx.reply(value::array({ctx.count(), ctx.contains("c1"), ctx.contains("c2"), ctx.contains("nobody")}));
    else if (type == "later")
      ctx.after(std::chrono::milliseconds{250}, 42);
    else if (type == "others")
      ctx.broadcast({.type = "said", .payload = value(m.payload())}, {.except_self = true});
    else
      ctx.forward(m);
  }
  void on_tick(room_context& ctx) override { ctx.broadcast({.type = "tick", .payload = value(ctx.now())}); }
  void on_timer(std::uint64_t token, room_context& ctx) override {
    ctx.broadcast({.type = "timer", .payload = value(token)});
  }
  value snapshot() const override { return {{"score", score}}; }
  void restore(const value& kept) override { score = kept["score"].as_int().value_or(-1); }

  static value names(room_context& ctx) {
    auto list = value::array();
    for (const auto& m : ctx.members())
      list.push_back(value(m.connection + "=" + m.state));
    return list;
  }

  std::int64_t score = 0;
};

const room_type puppets{[] { return std::make_unique<puppet>(); }, {}};

struct stage {
  explicit stage(std::uint64_t seed = 1)
      : home({.id = 1, .name = "r", .epoch = "e", .settings = {}})
      , logic(puppets, home, seed) {
    logic.start(100, 0);
  }
  void join(member_key who, std::string id = "j") { logic.joining(join_op(who, std::move(id)), wall, 0); }
  void send(member_key who, std::string type, std::string payload = "null", std::string id = "m") {
    logic.received(publish_op(who, std::move(id), std::move(payload), {.type = std::move(type)}), wall, 0);
  }
  lines heard(member_key who) {
    listener.apply(home.seal(false));
    return listener.take(who);
  }

  room_home home;
  room_logic logic;
  audience listener;
  wall_ms wall = 1000;
};

} // namespace

BOOST_AUTO_TEST_SUITE(room_logic_suite)

BOOST_AUTO_TEST_CASE(who_joins_hears_what_the_hook_says_behind_the_ack) {
  stage s; // "started" was number 1, to nobody
  s.join(1, "a");
  BOOST_TEST(s.heard(1) == (lines{"ack a members 1 at 1", "greeting 2 ? \"c1\""}), boost::test_tools::per_element());
  s.join(1, "again"); // a member already: no hook
  BOOST_TEST(s.heard(1) == (lines{"ack again members 1 at 2"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_hook_can_refuse_a_join) {
  stage s;
  s.join(9, "a");
  BOOST_TEST(s.heard(9) == (lines{"error a forbidden"}), boost::test_tools::per_element());
  BOOST_TEST(s.listener.refused.contains(9));
  BOOST_TEST(s.home.members() == 0u);
}

BOOST_AUTO_TEST_CASE(a_session_that_resumes_in_a_room_that_does_not_know_it_passes_the_same_hook) {
  stage s;
  s.logic.joining(rebind_op(1, position{"e", 0}), s.wall, 0);
  BOOST_TEST(s.heard(1) == (lines{"started 1 ? 0", "state c1=null", "greeting 2 ? \"c1\""}),
             boost::test_tools::per_element());
  BOOST_TEST(s.listener.rebound.contains(1));
  s.logic.joining(rebind_op(9), s.wall, 0);
  BOOST_TEST(s.heard(9) == (lines{"error  forbidden"}), boost::test_tools::per_element());
  BOOST_TEST(s.listener.rebound.contains(9)); // its session does not wait for this room
  BOOST_TEST(!s.listener.members().contains(9));
  BOOST_TEST(s.home.members() == 1u);
}

BOOST_AUTO_TEST_CASE(a_join_whose_hook_throws_changes_nothing) {
  stage s;
  s.join(1);
  s.heard(1);
  BOOST_CHECK_THROW(s.join(8), std::runtime_error);
  BOOST_TEST(s.home.members() == 1u);
  BOOST_TEST(s.heard(1).empty());
  BOOST_TEST(s.heard(8).empty());
}

BOOST_AUTO_TEST_CASE(a_hook_that_throws_has_said_nothing) {
  stage s;
  s.join(1);
  s.join(2);
  s.heard(1);
  const auto before = s.home.seq();
  BOOST_CHECK_THROW(s.send(1, "fail"), std::runtime_error);
  BOOST_TEST(s.heard(1).empty());
  BOOST_TEST(s.home.seq() == before);
  BOOST_TEST(s.logic.take_timers().empty());
  s.send(2, "hello", "1"); // and what it wanted to say does not come with the next
  BOOST_TEST(s.heard(1) == (lines{"hello 4 c2 1"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_message_is_answered_once) {
  stage s;
  s.join(1);
  s.heard(1);
  s.send(1, "refuse", "null", "a");
  s.send(1, "plain", "null", "b");
  s.send(1, "score", "null", "c");
  BOOST_TEST(s.heard(1) == (lines{"error a conflict", "ack b at 3", "ack c"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_forwarded_message_leaves_out_its_sender_unless_it_wants_it) {
  stage s;
  s.join(1);
  s.join(2);
  s.heard(1);
  s.heard(2);
  s.send(1, "others", "7");
  auto op = publish_op(1, "", "8", {.echo = true});
  s.logic.received(op, s.wall, 0);
  BOOST_TEST(s.heard(1) == (lines{"ack m at 4", "say 5 c1 8"}), boost::test_tools::per_element());
  BOOST_TEST(s.heard(2) == (lines{"said 4 ? 7", "say 5 c1 8"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_whisper_reaches_one_member) {
  stage s;
  s.join(1);
  s.join(2);
  s.heard(1);
  s.heard(2);
  s.send(1, "whisper", "{\"n\":1e400}", "w");
  BOOST_TEST(s.heard(1) == (lines{"ack w at 3"}), boost::test_tools::per_element());
  BOOST_TEST(s.heard(2) == (lines{"secret null ? {\"n\":1e400}"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(who_is_joining_can_be_whispered_to) {
  stage s;
  s.join(1);
  s.heard(1);
  s.join(7, "a");
  BOOST_TEST(s.heard(7) == (lines{"ack a members 2 at 2", "secret null ? 7", "greeting 3 ? \"c7\""}),
             boost::test_tools::per_element());
  BOOST_TEST(s.heard(1) == (lines{"joined c7", "greeting 3 ? \"c7\""}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_leave_is_told_to_the_logic_and_members_come_in_order) {
  stage s;
  s.join(3);
  s.join(1);
  s.heard(1);
  s.logic.received(publish_op(1, "q", "null", {.type = "who"}), s.wall, 0);
  BOOST_TEST(s.heard(1) == (lines{"ack q"}), boost::test_tools::per_element());
  const auto gone = describe(*s.home.find(3));
  s.home.vanish(3, 0);
  s.logic.left(gone, s.wall, 0);
  BOOST_TEST(s.heard(1) == (lines{"left c3", "farewell 4 ? \"c3\""}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_room_knows_how_many_are_in_it_and_whether_one_is) {
  stage s;
  const auto counted = [&] {
    s.heard(1);
    s.logic.received(publish_op(1, "q", "null", {.type = "count"}), s.wall, 0);
    const auto news = s.home.seal(false);
    return *news->events.back().batch->singles.back().bytes;
  };
  s.join(1);
  BOOST_TEST(counted().find(R"("payload":[1,true,false,false])") != std::string::npos);
  s.join(2);
  BOOST_TEST(counted().find(R"("payload":[2,true,true,false])") != std::string::npos);
  s.home.vanish(2, 0);
  BOOST_TEST(counted().find(R"("payload":[1,true,false,false])") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(timers_are_handed_out_once_and_ticks_have_their_time) {
  stage s;
  s.join(1);
  s.heard(1);
  s.send(1, "later", "null", "");
  const auto timers = s.logic.take_timers();
  BOOST_REQUIRE(timers.size() == 1u);
  BOOST_TEST(timers[0].delay.count() == 250);
  BOOST_TEST(timers[0].token == 42u);
  BOOST_TEST(s.logic.take_timers().empty());
  s.logic.timed(42, 2000, 0);
  s.logic.ticked(3000, 0);
  BOOST_TEST(s.heard(1) == (lines{"timer 3 ? 42", "tick 4 ? 3000"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_same_seed_and_inputs_give_the_same_outputs) {
  const auto play = [](std::uint64_t seed) {
    stage s{seed};
    s.join(1);
    for (int i = 0; i < 20; ++i) {
      s.wall += 7;
      s.send(1, "dice", "null", "");
    }
    return s.heard(1);
  };
  const auto once = play(5);
  BOOST_TEST(once.size() == 22u);
  BOOST_TEST(once == play(5), boost::test_tools::per_element());
  BOOST_TEST((once != play(6)));
}

BOOST_AUTO_TEST_CASE(the_state_survives_by_its_snapshot) {
  stage s;
  s.join(1);
  s.send(1, "score");
  s.send(1, "score");
  s.logic.keep_snapshot();
  BOOST_TEST(s.logic.snapshot() == "{\"score\":2}");
  s.send(1, "score"); // behind the snapshot
  s.heard(1);
  s.logic.start(s.wall, 0);
  BOOST_TEST(s.heard(1) == (lines{"started 3 ? 2"}), boost::test_tools::per_element());
  BOOST_TEST(s.home.members() == 1u);
}

BOOST_AUTO_TEST_CASE(a_resend_with_qos_2_does_not_reach_the_logic_twice) {
  stage s;
  s.join(1);
  s.heard(1);
  for (int i = 0; i < 2; ++i)
    s.logic.received(publish_op(1, "k", "null", {.qos = qos::once, .type = "score"}), s.wall, 0);
  s.logic.keep_snapshot();
  BOOST_TEST(s.logic.snapshot() == "{\"score\":1}");
  const auto heard = s.heard(1);
  BOOST_TEST(heard == (lines{"ack k", "ack k at 2"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
