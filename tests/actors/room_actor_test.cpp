// Rooms, their supervisor and their logic on CAF's deterministic coordinator; a probe stands where a fan-out would.

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "actors/fan_out.hpp"
#include "actors/node.hpp"
#include "actors/room_actor.hpp"
#include "actors/room_supervisor.hpp"
#include "tests/actors/home_audience.hpp"
#include "tests/actors/still_stage.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

using namespace troupe;
using namespace troupe::testing;

namespace {

/// Counts, fails on demand, and remembers the count.
struct counting final : room {
  void on_message(const message& m, room_context& ctx) override {
    if (m.type() == "fail")
      throw std::runtime_error{"on purpose"};
    if (m.type() == "later")
      return ctx.after(std::chrono::milliseconds{m.payload_text() == "1" ? 50 : 500}, 1);
    ctx.broadcast({.type = "count", .payload = value(++count)});
  }
  void on_timer(std::uint64_t, room_context& ctx) override {
    outgoing what; // built in place, GCC 12 with sanitizers takes parts of it for uninitialised
    what.type = "timer";
    what.payload = value(count);
    ctx.broadcast(std::move(what));
  }
  value snapshot() const override { return {{"count", count}}; }
  void restore(const value& kept) override { count = kept["count"].as_int().value_or(-1); }
  std::int64_t count = 0;
};

/// Says who comes and goes; who is c8 is not let in, who is c9 is too much for it.
struct doorkeeper final : room {
  void on_start(room_context& ctx) override { ctx.broadcast({.type = "began", .payload = value(ctx.count())}); }
  void on_join(const room_member& who, room_context& ctx) override {
    if (who.connection == "c8")
      return ctx.reject({error_code::forbidden, "not you", {}});
    if (who.connection == "c9")
      throw std::runtime_error{"c9"};
    ctx.broadcast({.type = "came", .payload = value(who.connection)});
  }
  void on_leave(const room_member& who, room_context& ctx) override {
    if (who.state == "\"clumsy\"")
      throw std::runtime_error{"stumbled"};
    ctx.broadcast({.type = "went", .payload = value(who.connection)});
  }
  void on_message(const message&, room_context&) override { throw std::runtime_error{"on purpose"}; }
};

config small_node() {
  config c;
  c.rooms.idle_timeout = milliseconds{2000};
  c.rooms.ring_age = milliseconds{500};
  c.supervision.backoff_min = milliseconds{100};
  c.supervision.backoff_max = milliseconds{1000};
  c.supervision.restarts_max = 3;
  c.supervision.restart_window = milliseconds{10'000};
  return c;
}

using arrivals_list = std::vector<std::shared_ptr<const room_arrival>>;

/// Stands where a fan-out would.
class probe final : public fan_out_handle::base {
public:
  probe(caf::actor_config& cfg, audience& listener, arrivals_list& arrivals)
      : fan_out_handle::base(cfg)
      , listener_(listener)
      , arrivals_(arrivals) {}
  fan_out_handle::behavior_type make_behavior() override {
    return {[this](const room_news_ptr& news) { listener_.apply(news); },
            [this](const std::shared_ptr<const room_arrival>& a) { arrivals_.push_back(a); }, [](const message_ptr&) {},
            [](sweep_atom) {}};
  }

private:
  audience& listener_;
  arrivals_list& arrivals_;
};

struct scene {
  explicit scene(config c = small_node())
      : identities(c.auth)
      , node(std::move(c), numbers, quiet, identities) {
    node.mono_clock = node.wall_clock = still.clock();
    node.room_types.set("game:*", {[] { return std::make_unique<counting>(); }, {}});
    node.room_types.set("door:*", {[] { return std::make_unique<doorkeeper>(); }, {}});
    node.on_event([this](const event& e) { events.push_back(e.kind + " " + e.subject); });
    node.rooms = spawn_pinned<room_supervisor>(still.system, nullptr, node);
    fan = still.system.spawn<probe>(std::ref(listener), std::ref(arrivals));
    node.fan_handles = {fan};
    still.run();
  }
  ~scene() {
    arrivals.clear();
    caf::anon_send_exit(node.rooms, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(fan, caf::exit_reason::user_shutdown);
    node.rooms = nullptr;
    node.fan_handles.clear();
    fan = nullptr;
    still.settle();
  }

  const room_arrival& claim(std::string name, std::uint32_t loop = 0) {
    auto c = std::make_shared<room_claim>();
    c->name = std::move(name);
    c->loop = loop;
    caf::anon_send(node.rooms, std::shared_ptr<const room_claim>{std::move(c)}, fan);
    still.run();
    return *arrivals.back();
  }
  void queue(room_op op) {
    arrivals.back()->gate->take_anyway(1, op.bytes());
    auto ops = std::make_shared<room_ops>();
    ops->ops.push_back(std::move(op));
    caf::anon_send(arrivals.back()->home, std::move(ops));
  }
  void send(room_op op) {
    queue(std::move(op));
    still.run();
  }
  void say(member_key who, std::string id, std::string type, std::string payload = "null") {
    send(publish_op(who, std::move(id), std::move(payload), {.type = std::move(type)}));
  }
  lines heard(member_key who) { return listener.take(who); }
  std::shared_ptr<const room_report> report(const std::string& name) {
    std::shared_ptr<const room_report> result;
    still.system.spawn<asking>(node.rooms, name, [&](const std::shared_ptr<const room_report>& r) { result = r; });
    still.run();
    return result;
  }
  void detach() { send_plain(room_verb::detach); }
  void send_plain(room_verb verb) {
    room_op op;
    op.verb = verb;
    auto ops = std::make_shared<room_ops>();
    ops->ops.push_back(std::move(op));
    caf::anon_send(arrivals.back()->home, std::move(ops));
    still.run();
  }
  bool idle_gate() const { return arrivals.back()->gate->idle(); }

  still_stage still;
  metrics numbers;
  logger quiet{-1};
  authenticator identities;
  local_node node;
  fan_out_handle fan;
  audience listener;
  arrivals_list arrivals;
  std::vector<std::string> events;
};

} // namespace

BOOST_AUTO_TEST_SUITE(room_actor_suite)

BOOST_AUTO_TEST_CASE(a_room_begins_where_it_is_claimed_and_gives_its_credit_back) {
  scene s;
  const auto& arrival = s.claim("r");
  BOOST_TEST(arrival.name == "r");
  BOOST_TEST(!arrival.custom);
  s.send(join_op(1, "a"));
  s.say(1, "m", "say", "1");
  BOOST_TEST(s.heard(1) == (lines{"ack a members 1 at 0", "ack m at 1"}), boost::test_tools::per_element());
  BOOST_TEST(s.idle_gate());
  const auto report = s.report("r");
  BOOST_REQUIRE((report != nullptr));
  BOOST_TEST(report->members.size() == 1u);
  BOOST_TEST(report->seq == 1u);
  BOOST_TEST(s.report("nowhere")->members.empty());
}

BOOST_AUTO_TEST_CASE(a_claim_of_a_room_that_lives_is_answered_with_the_same_home) {
  scene s;
  const auto home = s.claim("r").home;
  BOOST_TEST((s.claim("r", 1).home == home));
  BOOST_TEST((s.claim("other").home != home));
}

BOOST_AUTO_TEST_CASE(rooms_are_bounded) {
  auto c = small_node();
  c.limits.rooms = 1;
  scene s{c};
  s.claim("r");
  BOOST_TEST(!s.claim("other").refused.empty());
  BOOST_TEST(s.events.size() == 1u);
}

BOOST_AUTO_TEST_CASE(only_members_may_publish_where_the_sender_claims_to_be_one) {
  scene s;
  s.claim("r");
  auto op = publish_op(1, "m", "1");
  op.members_only = true;
  s.send(std::move(op));
  BOOST_TEST(s.heard(1) == (lines{"error m not_a_member"}), boost::test_tools::per_element());
  BOOST_TEST(s.report("r")->seq == 0u);
  BOOST_TEST(s.idle_gate());
}

BOOST_AUTO_TEST_CASE(a_handler_that_throws_costs_its_sender_an_error_and_nobody_else_anything) {
  scene s;
  s.claim("game:1");
  s.send(join_op(1, "a"));
  s.send(join_op(2, "b"));
  s.say(1, "", "up");
  s.still.pass(1'000);
  s.say(1, "", "up"); // here a snapshot is taken: the last was a second ago
  s.say(1, "m1", "up");
  s.heard(1);
  s.heard(2);
  s.say(1, "bad", "fail");
  s.say(2, "m2", "up"); // held until the restart
  s.say(1, "m3", "up");
  BOOST_TEST(s.heard(1) == (lines{"error bad internal"}), boost::test_tools::per_element());
  BOOST_TEST(s.heard(2).empty());
  BOOST_TEST(!s.idle_gate()); // with its credit
  s.still.pass(100);
  BOOST_TEST(s.heard(2) == (lines{"count 4 ? 3", "ack m2 at 4", "count 5 ? 4"}), boost::test_tools::per_element());
  BOOST_TEST(s.heard(1) == (lines{"count 4 ? 3", "count 5 ? 4", "ack m3 at 5"}), boost::test_tools::per_element());
  BOOST_TEST(s.idle_gate());
  BOOST_TEST(s.report("game:1")->members.size() == 2u);
  BOOST_TEST(s.events == (lines{"supervisor.restarted game:1"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(timers_end_with_the_incarnation_that_has_set_them) {
  scene s;
  s.claim("game:1");
  s.send(join_op(1, "a"));
  s.say(1, "", "later", "2");
  s.say(1, "", "fail");
  s.still.pass(100);
  s.say(1, "", "later", "1");
  s.heard(1);
  s.still.pass(1000);
  BOOST_TEST(s.heard(1) == (lines{"timer 1 ? 0"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_room_that_fails_again_and_again_waits_for_a_whole_window) {
  scene s;
  s.claim("game:1");
  s.send(join_op(1, "a"));
  for (int i = 0; i < 3; ++i) {
    s.say(1, "", "fail");
    s.still.pass(1000);
  }
  s.heard(1);
  s.say(1, "x", "fail");
  s.say(1, "m", "up");
  s.still.pass(9'999);
  BOOST_TEST(s.heard(1) == (lines{"error x internal"}), boost::test_tools::per_element());
  s.still.pass(1);
  BOOST_TEST(s.heard(1) == (lines{"count 1 ? 1", "ack m at 1"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_killed_room_is_born_again_and_its_fan_outs_are_told) {
  scene s;
  s.claim("r");
  s.send(join_op(1, "a"));
  const auto first = s.report("r")->epoch;
  caf::anon_send_exit(s.arrivals.back()->home, caf::exit_reason::kill);
  s.still.run();
  BOOST_TEST(s.report("r")->members.empty());
  BOOST_TEST(s.arrivals.size() == 1u);
  s.still.pass(100);
  BOOST_REQUIRE(s.arrivals.size() == 2u);
  BOOST_TEST(s.arrivals.back()->reborn);
  s.heard(1);
  s.send(restore_op(1));
  const auto report = s.report("r");
  BOOST_TEST(report->members.size() == 1u);
  BOOST_TEST(report->epoch != first);
  BOOST_TEST(s.heard(1) == (lines{"epoch " + report->epoch}), boost::test_tools::per_element());
  BOOST_TEST(s.events.size() == 1u);
}

BOOST_AUTO_TEST_CASE(who_leaves_while_the_logic_is_broken_is_told_to_the_next_one) {
  scene s;
  s.claim("door:1");
  for (member_key who = 1; who <= 3; ++who)
    s.send(join_op(who, "j"));
  s.say(1, "bad", "anything");
  s.send(op_of(room_verb::vanish, 2));
  s.heard(1);
  s.still.pass(100);
  BOOST_TEST(s.heard(1) == (lines{"began 5 ? 3", "left c2", "went 6 ? \"c2\""}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(who_has_left_when_the_leave_broke_the_logic_is_no_member_when_it_starts) {
  scene s;
  s.claim("door:1");
  s.send(join_op(1, "j"));
  s.send(join_op(2, "j", "\"clumsy\""));
  s.heard(1);
  s.send(op_of(room_verb::vanish, 2));
  s.still.pass(100);
  BOOST_TEST(s.heard(1) == (lines{"left c2", "began 4 ? 1"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_members_of_a_killed_room_pass_the_hook_of_its_new_logic) {
  scene s;
  s.claim("door:1");
  s.send(join_op(1, "j"));
  caf::anon_send_exit(s.arrivals.back()->home, caf::exit_reason::kill);
  s.still.pass(100);
  s.heard(1);
  s.send(restore_op(1));
  s.send(restore_op(8));
  s.send(restore_op(9));
  s.still.pass(200);
  const auto report = s.report("door:1");
  BOOST_TEST(s.heard(1) == (lines{"epoch " + report->epoch, "came 2 ? \"c1\"", "began 3 ? 1"}),
             boost::test_tools::per_element());
  BOOST_TEST(s.heard(8) == (lines{"error  forbidden"}), boost::test_tools::per_element());
  BOOST_TEST(s.heard(9) == (lines{"error  internal"}), boost::test_tools::per_element());
  BOOST_TEST(s.listener.refused == (std::set<member_key>{8, 9}), boost::test_tools::per_element());
  BOOST_TEST(report->members.size() == 1u);
}

BOOST_AUTO_TEST_CASE(what_a_killed_room_was_asked_is_answered) {
  scene s;
  s.claim("door:1");
  for (member_key who = 1; who <= 2; ++who)
    s.send(join_op(who, "j"));
  for (member_key who = 1; who <= 2; ++who)
    s.heard(who);
  const auto leave = [](member_key who, std::string id) {
    auto op = op_of(room_verb::leave, who, std::move(id));
    op.answer = true;
    return op;
  };
  auto list = op_of(room_verb::list, 1, "list");
  list.answer = true;
  s.say(1, "bad", "anything");
  s.say(1, "held", "anything");          // by the actor, until its logic is well
  s.queue(publish_op(1, "queued", "1")); // in its mailbox
  s.queue(update_op(1, "update", "1"));
  s.queue(std::move(list));
  s.queue(leave(2, "leave"));
  s.queue(publish_op(1, "", "nobody waits for this"));
  caf::anon_send_exit(s.arrivals.back()->home, caf::exit_reason::kill);
  s.still.run();
  s.say(1, "late", "anything"); // to nobody
  auto heard = s.heard(1);
  std::sort(heard.begin(), heard.end());
  BOOST_TEST(heard == (lines{"error bad internal", "error held unavailable", "error late unavailable",
                             "error list unavailable", "error queued unavailable", "error update unavailable"}),
             boost::test_tools::per_element());
  BOOST_TEST(s.heard(2) == (lines{"ack leave"}), boost::test_tools::per_element()); // no new home is told of it
}

BOOST_AUTO_TEST_CASE(a_claim_while_a_room_is_down_is_answered_when_it_is_back) {
  scene s;
  s.claim("r");
  caf::anon_send_exit(s.arrivals.back()->home, caf::exit_reason::kill);
  s.still.run();
  s.claim("r", 1);
  BOOST_TEST(s.arrivals.size() == 1u);
  s.still.pass(100);
  BOOST_TEST(s.arrivals.size() == 3u); // both loops
}

BOOST_AUTO_TEST_CASE(a_room_that_failed_and_was_killed_is_started_once) {
  scene s;
  s.claim("game:1");
  s.send(join_op(1, "a"));
  s.say(1, "", "fail");
  caf::anon_send_exit(s.arrivals.back()->home, caf::exit_reason::kill);
  s.still.pass(150);
  s.send(restore_op(1));
  s.say(1, "", "up");
  s.heard(1);
  s.still.pass(2'000); // the other restart finds it well
  s.say(1, "", "up");
  BOOST_TEST(s.heard(1).back() == "count 2 ? 2");
}

BOOST_AUTO_TEST_CASE(an_idle_room_sleeps_and_wakes_with_its_state) {
  scene s;
  s.claim("game:1");
  s.send(join_op(1, "a"));
  s.say(1, "", "up");
  s.still.pass(5'000); // longer than the timeout, with somebody there
  BOOST_TEST(s.report("game:1")->members.size() == 1u);
  const auto first = s.report("game:1")->epoch;
  s.send(op_of(room_verb::vanish, 1));
  s.detach();
  s.still.pass(1'000);
  BOOST_TEST(s.report("game:1")->epoch == first);
  s.still.pass(5'000);
  BOOST_TEST(s.report("game:1")->epoch.empty()); // nobody is home
  s.heard(1);
  s.claim("game:1");
  BOOST_TEST(!s.arrivals.back()->reborn);
  s.send(join_op(1, "b"));
  s.say(1, "", "up");
  BOOST_TEST(s.report("game:1")->epoch != first);
  BOOST_TEST(s.heard(1) == (lines{"ack b members 1 at 0", "count 1 ? 2"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_claim_that_races_with_the_end_of_a_room_wins) {
  // The room asks to end and the claim comes before the supervisor has read that; and the other way round.
  for (const bool claim_first : {true, false}) {
    scene s;
    s.claim("game:1");
    s.detach();
    s.still.pass(1'999);
    auto again = std::make_shared<room_claim>();
    again->name = "game:1";
    const auto claim = [&] { caf::anon_send(s.node.rooms, std::shared_ptr<const room_claim>{again}, s.fan); };
    if (claim_first)
      claim();
    s.still.pass(1); // here the timeout is over
    if (!claim_first)
      claim();
    s.still.pass(10);
    s.send(join_op(1, "a"));
    s.say(1, "m", "up");
    BOOST_TEST(s.heard(1) == (lines{"ack a members 1 at 0", "count 1 ? 1", "ack m at 1"}),
               boost::test_tools::per_element());
    s.still.pass(5'000);
    BOOST_TEST(s.report("game:1")->members.size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(what_is_said_in_any_interleaving_is_in_one_order_for_all) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    scene s;
    s.claim("r");
    for (member_key who = 1; who <= 3; ++who)
      s.send(join_op(who, "j"));
    for (member_key who = 1; who <= 3; ++who)
      s.heard(who);
    std::mt19937_64 random{seed};
    for (int i = 0; i < 30; ++i)
      s.queue(publish_op(1 + random() % 3, "", std::to_string(i), {.echo = true}));
    while (s.still.jobs.has_job()) {
      std::swap(s.still.jobs.jobs.front(), s.still.jobs.jobs[random() % s.still.jobs.jobs.size()]);
      s.still.jobs.try_run_once();
    }
    const auto first = s.heard(1);
    BOOST_TEST_CONTEXT("seed " << seed) {
      BOOST_TEST(first.size() == 30u);
      BOOST_TEST(first == s.heard(2), boost::test_tools::per_element());
      BOOST_TEST(first == s.heard(3), boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
