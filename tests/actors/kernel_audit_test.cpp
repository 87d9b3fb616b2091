// What a node with a log records of rooms, connections and itself.

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "runtime/log/segment.hpp"
#include "runtime/log/verify.hpp"
#include "tests/actors/audit_bench.hpp"
#include "tests/actors/kernel_world.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <sys/resource.h>
#include <thread>

using namespace troupe;
using namespace troupe::testing;
using boost::test_tools::per_element;

namespace {

using lines = std::vector<std::string>;

config audited(const std::string& level = "metadata") {
  auto c = world::defaults();
  c.rooms.audit = level;
  return c;
}

room_pattern pattern(std::string name, std::string level) {
  room_pattern p;
  p.name = std::move(name);
  p.audit = std::move(level);
  return p;
}

/// A node that keeps its log in a folder.
std::unique_ptr<world> start(const data_scratch& where, config settings, std::function<void(kernel&)> more = {}) {
  return std::make_unique<world>(std::move(settings), [&](kernel& k) {
    k.keep_log(where.path());
    if (more)
      more(k);
  });
}

/// No file of this process may grow: a disk that is full.
class full_disk {
public:
  full_disk() {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    auto none = before_;
    none.rlim_cur = 1;
    setrlimit(RLIMIT_FSIZE, &none);
  }
  ~full_disk() { end(); }
  void end() { setrlimit(RLIMIT_FSIZE, &before_); }

private:
  rlimit before_{};
};

void check_intact(const data_scratch& where) {
  const auto report = log::verify(where.audit());
  BOOST_REQUIRE(report);
  BOOST_TEST(report->intact());
  BOOST_TEST(report->checkpoints > 0u);
}

/// How many records the log says that it has lost.
std::uint64_t confessed(const std::vector<log::record>& all) {
  std::uint64_t lost = 0;
  for (const auto& r : all)
    if (r.kind == log::record_kind::backpressure && r.detail == "audit_dropped")
      lost += r.code.value_or(0);
  return lost;
}

/// How many activations have ended in order.
std::size_t ends(const std::vector<log::record>& all) {
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const auto& r) {
    return r.kind == log::record_kind::state_snapshot && r.detail == "end";
  }));
}

/// Adds up what it is told.
struct adder final : room {
  explicit adder(std::int64_t step = 1)
      : step_(step) {}
  void on_join(const room_member& who, room_context& ctx) override {
    ctx.broadcast({.type = "came", .payload = value::array({value(who.connection), ctx.random(), ctx.now()})});
  }
  void on_message(const message& m, room_context& ctx) override {
    if (m.type() == "fail")
      throw std::runtime_error{"on purpose"};
    if (m.type() == "later")
      ctx.after(std::chrono::milliseconds{1}, 3);
    if (m.type() == "outside")
      ctx.broadcast({.type = "outside", .payload = value(++asked_for)});
    sum_ += step_;
    ctx.forward(m);
    ctx.reply(value(sum_));
  }
  void on_timer(std::uint64_t token, room_context& ctx) override {
    ctx.broadcast({.type = "timer", .payload = value(token)});
  }
  value snapshot() const override { return {{"sum", sum_}}; }
  void restore(const value& kept) override { sum_ = kept["sum"].as_int().value_or(-1); }

  static std::atomic<int> asked_for;
  std::int64_t sum_ = 0;
  std::int64_t step_;
};
std::atomic<int> adder::asked_for{0};

std::function<void(kernel&)> adders(std::int64_t step = 1, bool off_loop = false) {
  return [=](kernel& k) {
    k.add_room("sum:*", [step] { return std::make_unique<adder>(step); },
               {.off_loop = off_loop, .code_version = "v" + std::to_string(step)});
  };
}

replay_report check(const data_scratch& where, std::int64_t step = 1) {
  kernel k;
  adders(step)(k);
  return k.check_log(where.path());
}

} // namespace

BOOST_AUTO_TEST_SUITE(kernel_audit)

BOOST_AUTO_TEST_CASE(each_room_is_recorded_at_the_level_of_its_pattern) {
  data_scratch where;
  auto settings = audited();
  settings.rooms.patterns = {pattern("quiet:*", "off"), pattern("open:*", "full")};
  {
    const auto w = start(where, settings);
    auto ann = w->connect("ann");
    for (const std::string room : {"quiet:1", "plain:1", "open:1"}) {
      ann.join(room, R"({"state":{"mood":"fine"}})");
      ann.say(room, "\"said\"");
      ann.ask(R"({"type":"presence:update","room":")" + room + R"(","id":"p)" + room + R"(","payload":{"state":7}})");
      ann.ask(R"({"type":"room:leave","room":")" + room + R"(","id":"l)" + room + "\"}");
    }
  }
  const auto all = audit_of(where);
  BOOST_TEST(lines_of(all, "quiet:1").empty());
  BOOST_TEST(lines_of(all, "plain:1") == (lines{"room.activated 0", "room.joined 0 ann", "message.published 1 say ann",
                                                "presence.updated ann", "room.left 1 ann (left)"}),
             per_element());
  BOOST_TEST(lines_of(all, "open:1") ==
                 (lines{"room.activated 0", "room.joined 0 ann {\"mood\":\"fine\"}",
                        "message.published 1 say ann \"said\"", "presence.updated ann 7", "room.left 1 ann (left)"}),
             per_element());
  check_intact(where);
}

BOOST_AUTO_TEST_CASE(two_who_chat_and_an_abrupt_end) {
  data_scratch where;
  auto settings = audited("full");
  settings.session.resume_window = milliseconds{60};
  std::string ann_id, bob_id;
  {
    const auto w = start(where, settings);
    auto ann = w->connect("ann", 0);
    auto bob = w->connect("bob", 1);
    ann_id = ann.id();
    bob_id = bob.id();
    ann.join("lobby");
    bob.join("lobby");
    ann.say("lobby", "1");
    bob.say("lobby", "2");
    bob.drop();
    ann.until("room:left");
    ann.say("lobby", "3");
    ann.close();
    while (w->connections() > 0)
      std::this_thread::yield();
  }
  const auto all = audit_of(where);
  BOOST_TEST(lines_of(all, "lobby") ==
                 (lines{"room.activated 0", "room.joined 0 ann null", "room.joined 0 bob null",
                        "message.published 1 say ann 1", "message.published 2 say bob 2",
                        "room.left 2 bob (grace over)", "message.published 3 say ann 3", "room.left 3 ann (closed)"}),
             per_element());
  // Of two loops the order is that in which they hand over; of one connection it is its own.
  lines of_ann, of_bob, of_node;
  for (const auto& r : all) {
    if (r.kind == log::record_kind::connection_opened || r.kind == log::record_kind::connection_closed)
      (r.connection == ann_id ? of_ann : of_bob).push_back(line_of(r));
    else if (r.room.empty())
      of_node.push_back(log::to_string(r.kind) + ' ' + r.node);
    BOOST_TEST(r.time_us > 0);
  }
  BOOST_TEST(of_ann == (lines{"connection.opened ann (loopback)", "connection.closed ann 1000"}), per_element());
  BOOST_TEST(of_bob == (lines{"connection.opened bob (loopback)", "connection.closed bob 1006"}), per_element());
  BOOST_TEST(of_node == (lines{"node.started node-1", "node.stopped node-1"}), per_element());
  BOOST_TEST((all.front().kind == log::record_kind::node_started));
  BOOST_TEST((all.back().kind == log::record_kind::node_stopped));
  const auto said =
      std::find_if(all.begin(), all.end(), [](const auto& r) { return r.kind == log::record_kind::message_published; });
  BOOST_TEST(said->connection == ann_id);
  BOOST_TEST(!said->epoch.empty());
  BOOST_TEST(said->id == "say-2");
  check_intact(where);
}

BOOST_AUTO_TEST_CASE(who_comes_back_goes_on_under_the_old_name) {
  data_scratch where;
  std::string first, second;
  {
    const auto w = start(where, audited());
    auto ann = w->connect("ann", 0);
    first = ann.id();
    ann.join("lobby");
    ann.drop();
    auto again = w->connect("ann", 1);
    second = again.id();
    again.ask(R"({"type":"session:resume","id":"r","payload":{"session":")" + ann.session() + "\"}}");
    again.say("lobby", "1");
    again.close();
    while (w->connections() > 0)
      std::this_thread::yield();
  }
  const auto all = audit_of(where);
  BOOST_TEST(lines_of(all, "lobby") == (lines{"room.activated 0", "room.joined 0 ann", "message.published 1 say ann",
                                              "room.left 1 ann (closed)"}),
             per_element());
  lines old_name, new_name;
  for (const auto& r : all) {
    if (r.connection == first && r.room.empty())
      old_name.push_back(line_of(r));
    if (r.connection == second)
      new_name.push_back(line_of(r));
  }
  BOOST_TEST(old_name.size() == 4u);
  BOOST_TEST(new_name ==
                 (lines{"connection.opened ann (loopback)", "connection.closed ann 1000 (goes on as " + first + ")"}),
             per_element());
}

BOOST_AUTO_TEST_CASE(a_message_may_ask_for_less_but_for_no_less_than_the_floor) {
  data_scratch where;
  auto settings = audited("full");
  auto floored = pattern("floor:*", "full");
  floored.audit_floor = "metadata";
  settings.rooms.patterns = {floored};
  {
    const auto w = start(where, settings);
    auto ann = w->connect("ann");
    for (const std::string room : {"free:1", "floor:1"}) {
      ann.join(room);
      ann.say(room, "1", R"(,"privacy":{"log":"none"})");
      ann.say(room, "2", R"(,"privacy":{"log":"metadata"})");
      ann.say(room, "3", R"(,"privacy":{"audience":"all"})");
    }
  }
  const auto all = audit_of(where);
  const auto said = [&](const std::string& room) {
    auto found = lines_of(all, room);
    std::erase_if(found, [](const std::string& l) { return !l.starts_with("message"); });
    return found;
  };
  BOOST_TEST(said("free:1") == (lines{"message.published 2 say ann", "message.published 3 say ann 3"}), per_element());
  BOOST_TEST(said("floor:1") ==
                 (lines{"message.published 1 say ann", "message.published 2 say ann", "message.published 3 say ann 3"}),
             per_element());
}

BOOST_AUTO_TEST_CASE(at_metadata_a_full_disk_drops_and_counts_and_nobody_waits) {
  data_scratch where;
  auto settings = audited();
  settings.journal.audit_buffer_bytes = 2000;
  std::size_t sent = 0;
  {
    const auto w = start(where, settings);
    auto ann = w->connect("ann");
    ann.join("lobby");
    full_disk disk;
    while (w->count_events("backpressure", "audit_dropped") == 0) {
      ann.say("lobby", "1"); // acknowledged as ever
      ++sent;
    }
    for (int i = 0; i < 10; ++i, ++sent)
      ann.say("lobby", "2");
    BOOST_TEST(w->count_events("backpressure", "audit_dropped") == 1u);
    disk.end();
    for (; confessed(audit_of(where)) == 0; ++sent)
      ann.say("lobby", "3");
  }
  const auto all = audit_of(where);
  const auto lost = confessed(all);
  const auto found = static_cast<std::uint64_t>(std::count_if(
      all.begin(), all.end(), [](const auto& r) { return r.kind == log::record_kind::message_published; }));
  BOOST_TEST(lost >= 10u);
  BOOST_TEST(found + lost == sent);
  check_intact(where);
}

BOOST_AUTO_TEST_CASE(at_full_a_full_disk_makes_the_room_wait_and_nothing_is_lost) {
  data_scratch where;
  auto settings = audited("full");
  settings.journal.audit_buffer_bytes = 2000;
  settings.rooms.credit_messages = 4;
  settings.limits.park_wait = milliseconds{60'000};
  settings.limits.park_messages = 1000;
  constexpr std::size_t count = 200;
  {
    const auto w = start(where, settings);
    auto ann = w->connect("ann");
    auto bob = w->connect("bob");
    ann.join("lobby");
    bob.join("other");
    full_disk disk;
    for (std::size_t i = 0; i < count; ++i)
      ann.send(R"({"type":"say","room":"lobby","id":"m)" + std::to_string(i) + R"(","payload":)" + std::to_string(i) +
               "}");
    w->wait_event("backpressure", "audit_behind");
    ann.ask(R"({"type":"ping","id":"still-here"})");
    BOOST_TEST(ann.all("ack").size() < count); // the room takes no more
    disk.end();
    ann.answer("m" + std::to_string(count - 1));
  }
  std::vector<std::string> payloads;
  for (const auto& r : audit_of(where))
    if (r.kind == log::record_kind::message_published)
      payloads.push_back(r.payload);
  BOOST_REQUIRE(payloads.size() == count);
  for (std::size_t i = 0; i < count; ++i)
    BOOST_TEST(payloads[i] == std::to_string(i));
  check_intact(where);
}

BOOST_AUTO_TEST_CASE(a_node_that_starts_again_goes_on_in_the_same_log) {
  data_scratch where;
  for (const char* said : {"1", "2"}) {
    const auto w = start(where, audited("full"));
    auto ann = w->connect("ann");
    ann.join("lobby");
    ann.say("lobby", said);
  }
  lines node;
  for (const auto& r : audit_of(where))
    if (r.kind == log::record_kind::node_started || r.kind == log::record_kind::node_stopped ||
        r.kind == log::record_kind::message_published)
      node.push_back(log::to_string(r.kind) + ' ' + r.payload);
  BOOST_TEST(node == (lines{"node.started ", "message.published 1", "node.stopped ", "node.started ",
                            "message.published 2", "node.stopped "}),
             per_element());
  check_intact(where);
}

BOOST_AUTO_TEST_CASE(old_files_are_dropped_and_the_rest_is_proven) {
  data_scratch where;
  auto settings = audited("full");
  settings.journal.segment_bytes = 4096;
  {
    const auto w = start(where, settings);
    auto ann = w->connect("ann");
    ann.join("lobby");
    for (int i = 0; i < 50; ++i)
      ann.say("lobby", '"' + std::string(500, 'x') + '"');
  }
  const auto segments = [&] { return log::list_segments(where.audit())->size(); };
  BOOST_TEST(segments() > 3u);
  settings.journal.audit_retention_bytes = 1;
  {
    const auto w = start(where, settings);
    while (segments() > 1)
      std::this_thread::yield();
  }
  BOOST_TEST((audit_of(where).back().kind == log::record_kind::node_stopped));
  const auto report = log::verify(where.audit());
  BOOST_REQUIRE(report);
  BOOST_TEST(report->intact());
  BOOST_TEST(report->first > 0u);
}

BOOST_AUTO_TEST_CASE(without_a_log_nothing_is_recorded) {
  data_scratch where;
  world w{audited("full")};
  auto ann = w.connect("ann");
  ann.join("lobby");
  ann.say("lobby", "1");
  BOOST_TEST(!std::filesystem::exists(where.audit()));
}

BOOST_AUTO_TEST_CASE(a_recorded_room_runs_again_with_all_that_happened_to_it) {
  for (const bool off_loop : {false, true}) {
    data_scratch where;
    auto settings = audited("full");
    settings.rooms.idle_timeout = milliseconds{50};
    settings.supervision.backoff_min = settings.supervision.backoff_max = milliseconds{1};
    {
      const auto w = start(where, settings, adders(1, off_loop));
      auto ann = w->connect("ann", 0);
      auto bob = w->connect("bob", 1);
      ann.join("sum:1");
      bob.join("sum:1", R"({"state":{"seat":2}})");
      for (int i = 0; i < 30; ++i) {
        ann.say("sum:1", std::to_string(i));
        bob.say("sum:1", "{\"by\":\"bob\"}", R"(,"headers":{"echo":"true"})");
      }
      bob.ask(R"({"type":"presence:update","room":"sum:1","id":"p","payload":{"state":7}})");
      ann.ask(R"({"type":"later","room":"sum:1","id":"later"})");
      bob.until("timer");
      BOOST_TEST(ann.ask(R"({"type":"fail","room":"sum:1","id":"f"})").code() == "internal");
      ann.say("sum:1", "\"after the restart\"");
      ann.close();
    }
    const auto report = check(where);
    BOOST_TEST_INFO(text_of(report));
    BOOST_TEST(report.exit_code() == 0);
    BOOST_TEST(report.activations == 2u);
    BOOST_TEST(report.matched >= 66u);
    BOOST_TEST(report.not_replayable == 0u);
    BOOST_TEST(report.notes.empty());
    const auto changed = check(where, 2);
    BOOST_TEST(changed.exit_code() == 1);
    BOOST_TEST(changed.first->input.find("message say of ") == 0u);
    BOOST_TEST(changed.notes.at(0).find("\"v1\"") != std::string::npos);
    check_intact(where);
  }
}

BOOST_AUTO_TEST_CASE(a_member_that_comes_back_and_a_room_that_sleeps_run_again) {
  data_scratch where;
  auto settings = audited("full");
  settings.rooms.idle_timeout = milliseconds{1};
  {
    const auto w = start(where, settings, adders());
    auto ann = w->connect("ann", 0);
    ann.join("sum:1", R"({"state":1})");
    ann.say("sum:1", "1");
    ann.drop();
    auto again = w->connect("ann", 1);
    again.ask(R"({"type":"session:resume","id":"r","payload":{"session":")" + ann.session() + "\"}}");
    again.ask(R"({"type":"presence:update","room":"sum:1","id":"p","payload":{"state":2}})");
    again.join("sum:1", R"({"state":3})"); // once more: another state, and no hook
    again.say("sum:1", "2");
    again.close();
    while (ends(audit_of(where)) == 0) // it sleeps
      std::this_thread::yield();
    auto bob = w->connect("bob");
    bob.join("sum:1");
    BOOST_TEST(bob.say("sum:1", "3").payload().as_int().value_or(0) == 3);
  }
  const auto report = check(where);
  BOOST_TEST_INFO(text_of(report));
  BOOST_TEST(report.activations == 2u);
  BOOST_TEST(report.matched == 8u); // two starts, two joins, three messages, a leave
  BOOST_TEST(report.exit_code() == 0);
  BOOST_TEST(ends(audit_of(where)) == 2u);
}

BOOST_AUTO_TEST_CASE(a_room_that_asks_what_is_not_recorded_is_named) {
  data_scratch where;
  {
    const auto w = start(where, audited("full"), adders());
    auto ann = w->connect("ann");
    ann.join("sum:1");
    ann.say("sum:1", "1");
    ann.ask(R"({"type":"outside","room":"sum:1","id":"o"})");
    ann.say("sum:1", "1");
  }
  const auto report = check(where);
  BOOST_TEST(report.exit_code() == 1);
  BOOST_REQUIRE(report.first.has_value());
  BOOST_TEST(report.first->room == "sum:1");
  BOOST_TEST(report.first->what == "output");
  BOOST_TEST(report.first->input.find("message outside of ") == 0u);
  const auto all = audit_of(where);
  BOOST_TEST((all.at(report.first->index).kind == log::record_kind::room_output));
  BOOST_TEST(all.at(report.first->index).payload.find("\"outside\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(at_metadata_a_room_with_logic_has_no_steps) {
  data_scratch where;
  {
    const auto w = start(where, audited(), adders());
    auto ann = w->connect("ann");
    ann.join("sum:1");
    ann.say("sum:1", "\"hidden\"");
  }
  for (const auto& r : audit_of(where)) {
    BOOST_TEST(r.payload.empty());
    BOOST_TEST((r.kind != log::record_kind::room_step));
    if (r.kind == log::record_kind::room_activated)
      BOOST_TEST(r.code_version == "v1");
  }
  BOOST_TEST(check(where).matched == 0u);
  BOOST_TEST(check(where).exit_code() == 0);
}

BOOST_AUTO_TEST_CASE(events_of_the_node_are_recorded) {
  data_scratch where;
  auto settings = audited();
  settings.supervision.backoff_min = settings.supervision.backoff_max = milliseconds{1};
  {
    const auto w = start(where, settings, adders());
    auto ann = w->connect("ann");
    ann.join("sum:1");
    ann.ask(R"({"type":"fail","room":"sum:1","id":"f"})");
    w->wait_event("supervisor.restarted", "on purpose");
    ann.say("sum:1", "1");
  }
  const auto all = audit_of(where);
  BOOST_TEST(std::any_of(all.begin(), all.end(), [](const auto& r) {
    return r.kind == log::record_kind::supervisor_restarted && r.subject == "sum:1" && r.detail == "on purpose";
  }));
}

BOOST_AUTO_TEST_SUITE_END()
