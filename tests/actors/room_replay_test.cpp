// Rooms that are recorded without an actor, and run again.

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "actors/room_audit.hpp"
#include "actors/room_replay.hpp"
#include "tests/actors/home_audience.hpp"
#include "tests/model/seeded.hpp"

#include <optional>
#include <stdexcept>

using namespace troupe;
using namespace troupe::testing;

namespace {

int outside = 0; ///< What no room may ask.

/// Counts, rolls dice, remembers who is in it; the rules can be changed and spoilt.
struct table final : room {
  explicit table(std::int64_t step = 1)
      : step_(step) {}

  void on_start(room_context& ctx) override { ctx.after(std::chrono::milliseconds{50}, 7); }
  void on_join(const room_member& who, room_context& ctx) override {
    if (who.state == "\"no\"")
      return ctx.reject({error_code::forbidden, "not so", {}});
    ctx.broadcast({.type = "came", .payload = value(who.connection)}, {.except_self = true});
    ctx.send(who.connection, {.type = "welcome", .payload = value(count_)});
  }
  void on_leave(const room_member& who, room_context& ctx) override {
    ctx.broadcast({.type = "went", .payload = value(who.connection + who.state)});
  }
  void on_message(const message& m, room_context& ctx) override {
    if (m.type() == "add")
      ctx.reply(value(count_ += step_));
    else if (m.type() == "roll")
      ctx.broadcast({.type = "rolled", .payload = value::array({ctx.random() % 6, value(ctx.next_id()), ctx.now()})});
    else if (m.type() == "who")
      ctx.reply(who(ctx));
    else if (m.type() == "leak")
      count_ += ++outside;
    else if (m.type() == "whisper")
      ctx.broadcast({.type = "heard", .payload = ++outside});
    else if (m.type() == "fail")
      throw std::runtime_error{"on purpose"};
    else
      ctx.forward(m);
  }
  void on_tick(room_context& ctx) override { ctx.broadcast({.type = "tick", .payload = value(ctx.now())}); }
  void on_timer(std::uint64_t token, room_context& ctx) override {
    ctx.broadcast({.type = "timer", .payload = value(token)});
  }
  value snapshot() const override { return {{"count", count_}}; }
  void restore(const value& kept) override { count_ = kept["count"].as_int().value_or(-1); }

  static value who(room_context& ctx) {
    auto list = value::array();
    for (const auto& m : ctx.members())
      list.push_back(value(m.connection + m.state));
    return list;
  }

  std::int64_t count_ = 0;
  std::int64_t step_;
};

using tables = pattern_table<room_type>;

tables types_of(std::int64_t step = 1, std::string version = {}) {
  tables result;
  result.set("t:*", {[step] { return std::make_unique<table>(step); }, {.code_version = std::move(version)}});
  return result;
}

/// A room that is played and recorded; what an actor would do around it.
struct recorder {
  explicit recorder(std::string version = {}, std::string name = "t:1", std::string epoch = "e")
      : gatherer({.bytes_max = 1 << 20, .hand_over = [this](const audit_batch_ptr& b) { keep(*b); }})
      , home({.id = 1, .name = name, .epoch = epoch, .settings = {}})
      , audit({name, epoch, audit_level::full, audit_level::off, true, version}, gatherer)
      , logic(*types.find("t:1"), home, 5) {
    home.record_in(&audit);
    logic.watch(&audit);
    begin(5);
  }

  void begin(std::uint64_t seed) {
    logic.reseed(seed, logic.ids());
    audit.at(wall);
    audit.activated(home, &logic, seed);
    logic.start(wall, 0);
  }
  void join(member_key who, std::string state = "null") {
    logic.joining(join_op(who, "j", std::move(state)), ++wall, 0);
  }
  void send(member_key who, std::string type, std::string payload = "null", publish_options how = {}) {
    how.type = std::move(type);
    logic.received(publish_op(who, "m" + std::to_string(++sent), std::move(payload), how), ++wall, 0);
  }
  void leave(member_key who) {
    const auto gone = describe(*home.find(who));
    home.vanish(who, 0, "closed");
    logic.left(gone, ++wall, 0);
  }
  void end() {
    audit.ended(logic.state(), home.seq());
    gatherer.flush();
  }
  void keep(const audit_batch& b) {
    for (std::size_t i = 0; i < b.ends.size(); ++i)
      bodies.emplace_back(b.body(i));
    b.done();
  }

  tables types = types_of();
  std::vector<std::string> bodies;
  audit_gatherer gatherer;
  room_home home;
  room_audit audit;
  room_logic logic;
  wall_ms wall = 1000;
  int sent = 0;
};

/// Everything that a room can be given.
void play(recorder& r) {
  r.join(1);
  r.join(2, "{\"seat\":2}");
  r.join(3, "\"no\"");
  r.send(1, "add");
  r.send(2, "roll");
  r.send(1, "hello", "{\"deep\":[1,2,1e400]}");
  r.send(1, "echoed", "8", {.echo = true});
  r.send(2, "headed", "1", {.headers = R"({"a":"b"})"});
  r.home.update(update_op(2, "u", "{\"seat\":3}"), 0);
  r.send(1, "who");
  r.logic.ticked(++r.wall, 0);
  r.logic.timed(7, ++r.wall, 0);
  for (int i = 0; i < 120; ++i)
    r.send(2, "roll");
  r.send(1, "once", "1", {.qos = qos::once});
  r.leave(2);
  r.send(1, "who");
}

replay_report replay(const recorder& r, const tables& types, std::size_t from = 0) {
  room_replay again{types};
  for (auto i = from; i < r.bodies.size(); ++i) {
    log::record_view view;
    BOOST_REQUIRE(log::decode(r.bodies[i], view) == log::decode_fault::none);
    again.take(i, view);
  }
  return again.finish();
}

std::uint64_t steps_of(const recorder& r) {
  std::uint64_t n = 0;
  for (const auto& body : r.bodies) {
    log::record_view view;
    log::decode(body, view);
    n += view.kind == log::record_kind::room_step ? 1 : 0;
  }
  return n;
}

log::record record_at(const recorder& r, std::uint64_t index) {
  log::record_view view;
  log::decode(r.bodies.at(index), view);
  return log::copy_of(view);
}

/// How many steps there are before a record.
std::uint64_t steps_before(const recorder& r, std::uint64_t index) {
  std::uint64_t n = 0;
  for (std::uint64_t i = 0; i < index; ++i)
    n += record_at(r, i).kind == log::record_kind::room_step ? 1 : 0;
  return n;
}

void any_step(recorder& r, dice& random, member_key who, bool in) {
  const auto number = std::to_string(random.below(100));
  if (!in)
    return r.join(who, random.once_in(5) ? "\"no\"" : number);
  switch (random.below(12)) {
  case 0:
    return r.leave(who);
  case 1:
    return r.home.update(update_op(who, "u", number), 0);
  case 2:
    return r.logic.joining(rebind_op(who), ++r.wall, 0); // back with the state "null", unseen by the logic
  case 3:
    return r.logic.ticked(++r.wall, 0);
  case 4:
    return r.logic.timed(random.below(9), ++r.wall, 0);
  case 5:
    return r.logic.keep_snapshot();
  case 6:
    BOOST_CHECK_THROW(r.send(who, "fail"), std::runtime_error);
    return r.begin(random.below(1'000'000));
  case 7:
    return r.send(who, "say", number, {.echo = random.once_in(2), .qos = qos::once});
  default:
    return r.send(who, random.once_in(3) ? "who" : random.once_in(2) ? "roll" : "add");
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(room_replay_suite)

BOOST_AUTO_TEST_CASE(the_same_code_matches_every_step) {
  recorder r;
  play(r);
  r.end();
  const auto report = replay(r, types_of());
  BOOST_TEST(text_of(report) == "replay: " + std::to_string(steps_of(r)) + " steps of 1 activation matched\n");
  BOOST_TEST(report.exit_code() == 0);
  BOOST_TEST(report.matched == steps_of(r));
}

BOOST_AUTO_TEST_CASE(a_changed_rule_is_found_where_it_shows_first) {
  recorder r;
  play(r);
  r.end();
  const auto report = replay(r, types_of(2));
  BOOST_TEST(report.exit_code() == 1);
  BOOST_REQUIRE(report.first.has_value());
  BOOST_TEST(report.first->step == 5u); // start and three joins go before
  BOOST_TEST(report.first->input == "message add of c1");
  BOOST_TEST(report.first->what == "output");
  BOOST_TEST(report.first->expected.find("\"reply\":1") != std::string::npos);
  BOOST_TEST(report.first->actual.find("\"reply\":2") != std::string::npos);
  const auto record = record_at(r, report.first->index);
  BOOST_TEST((record.kind == log::record_kind::room_output));
  BOOST_TEST(record.payload == report.first->expected);
  BOOST_TEST(report.matched == 4u);
  BOOST_TEST(report.skipped == steps_of(r) - 5);
}

BOOST_AUTO_TEST_CASE(what_comes_from_outside_is_found_in_the_output_and_in_the_state) {
  for (const auto& [type, what] : {std::pair{"whisper", "output"}, std::pair{"leak", "state"}}) {
    recorder r;
    r.join(1);
    r.send(1, "add");
    r.send(1, type);
    r.end();
    const auto report = replay(r, types_of());
    BOOST_REQUIRE(report.first.has_value());
    BOOST_TEST(report.first->what == what);
    BOOST_TEST(report.first->step == 4u);
    BOOST_TEST(report.matched == 3u);
    BOOST_TEST(json_of(report).find("\"input\":\"message " + std::string{type} + " of c1\"") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_hook_that_threw_throws_again_and_the_logic_begins_anew_with_its_members) {
  recorder r;
  r.join(1);
  r.join(2, "2");
  r.send(1, "add");
  r.logic.keep_snapshot();
  r.send(1, "roll");
  BOOST_CHECK_THROW(r.send(1, "fail"), std::runtime_error);
  r.begin(77); // as the actor does
  r.send(1, "who");
  r.send(1, "roll");
  r.send(1, "add");
  r.end();
  const auto report = replay(r, types_of());
  BOOST_TEST(text_of(report) == "replay: 10 steps of 2 activations matched\n");
  BOOST_TEST(r.logic.snapshot() == "{\"count\":1}");
  // The second beginning stands alone: where the first is gone, nothing of it is missed.
  std::size_t second = 1;
  while (record_at(r, second).kind != log::record_kind::room_activated)
    ++second;
  const auto half = replay(r, types_of(), second);
  BOOST_TEST(text_of(half) == "replay: 4 steps of 1 activation matched\n");
}

// Anything in any order matches; spoilt in one step, exactly that step is named.
BOOST_AUTO_TEST_CASE(generated_runs) {
  for_seeds(60, [](dice& random) {
    recorder r;
    std::optional<std::uint64_t> spoilt; // the step
    const auto length = 20 + random.below(300);
    const auto spoil_at = random.once_in(2) ? random.below(length) : length;
    for (std::uint64_t i = 0; i < length; ++i) {
      const auto who = static_cast<member_key>(1 + random.below(6));
      const bool in = r.home.find(who) != nullptr;
      if (i >= spoil_at && in && !spoilt) {
        r.send(who, random.once_in(2) ? "leak" : "whisper");
        r.gatherer.flush();
        spoilt = steps_of(r);
        continue;
      }
      any_step(r, random, who, in);
    }
    r.end();
    const auto report = replay(r, types_of());
    BOOST_TEST(report.not_replayable + report.unfinished == 0u);
    BOOST_TEST(report.notes.empty());
    BOOST_TEST(report.differing == (spoilt ? 1u : 0u));
    if (spoilt)
      BOOST_TEST(steps_before(r, report.first->index) == *spoilt);
    else
      BOOST_TEST(report.matched == steps_of(r));
  });
}

BOOST_AUTO_TEST_CASE(a_beginning_that_is_gone_is_said_and_no_difference) {
  recorder r;
  play(r);
  r.end();
  const auto report = replay(r, types_of(), 1);
  BOOST_TEST(report.exit_code() == 0);
  BOOST_TEST(report.matched == 0u);
  BOOST_TEST(report.not_replayable == steps_of(r));
  BOOST_REQUIRE(report.notes.size() == 1u);
  BOOST_TEST(report.notes[0].find("the beginning of \"t:1\"") == 0u);
}

BOOST_AUTO_TEST_CASE(another_code_version_is_said_and_run) {
  recorder r{"1.0"};
  play(r);
  r.end();
  const auto report = replay(r, types_of(1, "1.1"));
  BOOST_TEST(report.matched == steps_of(r));
  BOOST_REQUIRE(report.notes.size() == 1u);
  BOOST_TEST(report.notes[0].find("code version \"1.0\" and is run with \"1.1\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_is_not_recorded_for_privacy_cannot_be_run_nor_what_follows) {
  for (const std::string_view level : {"none", "metadata"}) {
    recorder r;
    r.join(1);
    message_fields f;
    f.type = "secret-type";
    f.payload = "\"secret-payload\"";
    const auto privacy = "{\"log\":\"" + std::string{level} + "\"}";
    f.privacy = privacy;
    f.log = level == std::string_view{"none"} ? privacy_log::none : privacy_log::metadata;
    f.target = target_kind::room;
    f.target_name = "t:1";
    auto op = publish_op(1, "x", "1");
    op.message = message::make(f, op.message->from(), 1);
    r.logic.received(op, ++r.wall, 0);
    r.send(1, "add");
    r.end();
    std::string all;
    for (const auto& body : r.bodies)
      all += body;
    BOOST_TEST(all.find("secret-payload") == std::string::npos);
    BOOST_TEST((all.find("secret-type") == std::string::npos) == (level == "none"));
    const auto report = replay(r, types_of());
    BOOST_TEST(report.exit_code() == 0);
    BOOST_TEST(report.matched == 2u);
    BOOST_TEST(report.not_replayable == 2u);
    BOOST_REQUIRE(report.notes.size() == 1u);
    BOOST_TEST(report.notes[0].find("from step 3 on: what it was given is not recorded") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_floor_keeps_what_a_message_would_hide) {
  recorder r;
  room_audit floored{{"t:1", "e", audit_level::full, audit_level::full, true, {}}, r.gatherer};
  r.logic.watch(&floored);
  message_fields f;
  f.type = "hidden";
  f.payload = "9";
  f.privacy = R"({"log":"none"})";
  f.log = privacy_log::none;
  r.join(1);
  auto op = publish_op(1, "x", "1");
  op.message = message::make(f, op.message->from(), 1);
  r.logic.received(op, ++r.wall, 0);
  r.end();
  BOOST_TEST(replay(r, types_of()).matched == 3u);
}

BOOST_AUTO_TEST_CASE(a_program_without_the_room_and_a_step_without_an_outcome_are_said) {
  recorder r;
  r.join(1);
  r.gatherer.flush();
  const auto none = replay(r, {});
  BOOST_TEST(none.not_replayable == 2u);
  BOOST_TEST(none.notes.at(0) == "the program has no room \"t:1\"");
  r.bodies.pop_back(); // the node was killed in the join
  const auto report = replay(r, types_of());
  BOOST_TEST(report.matched == 1u);
  BOOST_TEST(report.unfinished == 1u);
  BOOST_TEST(report.exit_code() == 0);
}

BOOST_AUTO_TEST_CASE(an_empty_log_has_nothing_to_check_and_a_missing_one_cannot_be_read) {
  BOOST_TEST(text_of(replay_report{}).starts_with("replay: no recorded steps"));
  const auto report = replay_log("/nonexistent", types_of());
  BOOST_TEST(report.exit_code() == 2);
  BOOST_TEST(text_of(report).find("the log cannot be read: there is no /nonexistent/log/audit") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
