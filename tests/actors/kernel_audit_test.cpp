// What a node with a log records of rooms, connections and itself.

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "runtime/log/segment.hpp"
#include "runtime/log/verify.hpp"
#include "tests/actors/audit_bench.hpp"
#include "tests/actors/kernel_world.hpp"

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <sys/resource.h>
#include <thread>

using namespace troupe;
using namespace troupe::testing;
using boost::test_tools::per_element;

namespace {

using lines = std::vector<std::string>;

/// Its messages are more than it can bear.
struct failing_room final : room {
  void on_message(const message&, room_context&) override { throw std::runtime_error{"on purpose"}; }
};

room_pattern pattern(std::string name, audit_level level) {
  room_pattern p;
  p.name = std::move(name);
  p.audit = level;
  return p;
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

/// How many records the log says that it has lost.
std::uint64_t confessed(const std::vector<log::record>& all) {
  std::uint64_t lost = 0;
  for (const auto& r : all)
    if (r.kind == log::record_kind::backpressure && r.detail == "audit_dropped")
      lost += r.code.value_or(0);
  return lost;
}

} // namespace

BOOST_AUTO_TEST_SUITE(kernel_audit)

BOOST_AUTO_TEST_CASE(each_room_is_recorded_at_the_level_of_its_pattern) {
  data_scratch where;
  auto settings = audited();
  settings.rooms.patterns = {pattern("quiet:*", audit_level::off), pattern("open:*", audit_level::full)};
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
  auto settings = audited(audit_level::full);
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
  auto settings = audited(audit_level::full);
  auto floored = pattern("floor:*", audit_level::full);
  floored.audit_floor = audit_level::metadata;
  settings.rooms.patterns = {floored};
  {
    const auto w = start(where, settings);
    auto ann = w->connect("ann");
    for (const std::string room : {"free:1", "floor:1"}) {
      ann.join(room);
      ann.say(room, "1", R"(,"privacy":{"log":"none"})");
      ann.say(room, "2", R"(,"privacy":{"log":"metadata"})");
      ann.say(room, "3", R"(,"privacy":{"audience":["ann"]})");
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
  auto settings = audited(audit_level::full);
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
    const auto w = start(where, audited(audit_level::full));
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
  auto settings = audited(audit_level::full);
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
  world w{audited(audit_level::full)};
  auto ann = w.connect("ann");
  ann.join("lobby");
  ann.say("lobby", "1");
  BOOST_TEST(!std::filesystem::exists(where.audit()));
}

BOOST_AUTO_TEST_CASE(events_of_the_node_are_recorded) {
  data_scratch where;
  auto settings = audited();
  settings.supervision.backoff_min = settings.supervision.backoff_max = milliseconds{1};
  {
    const auto w = start(where, settings, [](kernel& k) { k.add_room<failing_room>("fails:*"); });
    auto ann = w->connect("ann");
    ann.join("fails:1");
    ann.ask(R"({"type":"fail","room":"fails:1","id":"f"})");
    w->wait_event("supervisor.restarted", "on purpose");
  }
  const auto all = audit_of(where);
  BOOST_TEST(std::any_of(all.begin(), all.end(), [](const auto& r) {
    return r.kind == log::record_kind::supervisor_restarted && r.subject == "fails:1" && r.detail == "on purpose";
  }));
}

BOOST_AUTO_TEST_SUITE_END()
