// Inboxes: what is kept for users who are away, and what comes until it is acknowledged.

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "tests/actors/kernel_world.hpp"
#include "tests/actors/log_folder.hpp"

#include <malloc.h>

#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::testing;
using boost::test_tools::per_element;

namespace {

/// A node that keeps a log.
struct logged {
  explicit logged(const log_folder& in, config settings = world::defaults())
      : w(std::move(settings), [&](kernel& k) { k.keep_log(in.path()); }) {}

  world w;
};

/// A message to bob, queued where he is away.
std::string to_bob(int number, int qos, const std::string& extra = {}) {
  const auto n = std::to_string(number);
  return R"({"type":"note","to":{"user":"bob"},"offline":"queue","id":"n)" + n + R"(","qos":)" + std::to_string(qos) +
         R"(,"payload":)" + n + extra + "}";
}

/// The notes, gaps and ends of queues that a client has been sent, for example "1", "2@1" (with an offset), "gap
/// offline_limit 2", "flushed 3 0". Up to the end of a queue, or as many as there are to be.
std::vector<std::string> hear(client& c, std::size_t count = 0) {
  std::vector<std::string> out;
  for (;;) {
    if (count != 0 && out.size() == count)
      return out;
    const auto e = c.next();
    if (e.type() == "note")
      out.push_back(to_json(e.payload()) + (e.all["offset"].as_uint() ? "@" + to_json(e.all["offset"]) : ""));
    if (e.type() == "gap")
      out.push_back("gap " + std::string{*e.payload()["reason"].as_string()} + " " + to_json(e.payload()["count"]));
    if (e.type() != "offline.queue.flushed")
      continue;
    out.push_back("flushed " + to_json(e.payload()["delivered"]) + " " + to_json(e.payload()["dropped"]));
    if (count == 0)
      return out;
  }
}

void check(const std::vector<std::string>& heard, const std::vector<std::string>& expected) {
  BOOST_TEST(heard == expected, per_element());
}

void acknowledge(client& c, int offset) {
  c.send(R"({"type":"ack","payload":{"inbox":)" + std::to_string(offset) + "}}");
  c.settle();
}

} // namespace

BOOST_AUTO_TEST_SUITE(kernel_inbox)

BOOST_AUTO_TEST_CASE(what_was_sent_to_a_user_who_was_away_comes_in_order_on_return) {
  const log_folder folder;
  logged n{folder};
  auto ann = n.w.connect("ann");
  for (int i = 1; i <= 6; ++i)
    BOOST_TEST(to_json(ann.ask(to_bob(i, i % 3)).payload()) == R"({"connections":0})");
  auto bob = n.w.connect("bob", 1);
  check(hear(bob), {"1@1", "2@2", "3", "4@3", "5@4", "6", "flushed 6 0"});
  BOOST_TEST(!bob.all("note").front().epoch().empty());
  BOOST_TEST(to_json(bob.all("note").front().all["to"]) == R"({"user":"bob"})");
  acknowledge(bob, 3);
  ann.ask(to_bob(7, 0));
  check(hear(bob, 1), {"7"});
  // What was not acknowledged comes again, to the next connection as well; what was does not.
  auto tab = n.w.connect("bob", 2);
  check(hear(tab, 1), {"5@4"});
  acknowledge(tab, 4);
  auto third = n.w.connect("bob", 0);
  ann.ask(to_bob(8, 1));
  for (auto* c : {&bob, &tab, &third})
    check(hear(*c, 1), {"8@5"});
}

BOOST_AUTO_TEST_CASE(qos_0_is_queued_in_memory_without_a_log) {
  world w;
  auto ann = w.connect("ann");
  for (int i = 1; i <= 3; ++i)
    ann.ask(to_bob(i, 0));
  BOOST_TEST(ann.ask(to_bob(4, 1)).code() == "unavailable");
  auto bob = w.connect("bob");
  check(hear(bob), {"1", "2", "3", "flushed 3 0"});
}

BOOST_AUTO_TEST_CASE(without_a_log_who_is_there_still_acknowledges_qos_1) {
  auto c = world::defaults();
  c.offline.redeliver_after = milliseconds{100};
  world w{c};
  auto ann = w.connect("ann");
  auto bob = w.connect("bob", 1);
  bob.settle();
  const auto note = [](const char* id) {
    return R"({"type":"note","to":{"user":"bob"},"qos":1,"payload":1,"id":")" + std::string{id} + "\"}";
  };
  BOOST_TEST(to_json(ann.ask(note("a")).payload()) == R"({"connections":1})");
  check(hear(bob, 2), {"1@1", "1@1"});
  acknowledge(bob, 1);
  ann.ask(note("b"));
  bob.until([](const envelope& e) { return e.type() == "note" && e.all["offset"].as_uint() == 2; });
}

BOOST_AUTO_TEST_CASE(what_must_not_be_stored_is_refused_where_it_would_be) {
  const log_folder folder;
  logged n{folder};
  auto ann = n.w.connect("ann");
  constexpr auto none = R"(,"privacy":{"log":"none"})";
  BOOST_TEST(ann.ask(to_bob(1, 1, none)).code() == "forbidden");
  BOOST_TEST(ann.ask(to_bob(2, 0, none)).type() == "ack"); // in memory
  auto bob = n.w.connect("bob");
  check(hear(bob), {"2", "flushed 1 0"});
}

BOOST_AUTO_TEST_CASE(of_more_than_the_limit_the_oldest_go) {
  const log_folder folder;
  auto c = world::defaults();
  c.offline.queue_messages = 4;
  logged n{folder, c};
  auto ann = n.w.connect("ann");
  for (int i = 1; i <= 7; ++i)
    ann.ask(to_bob(i, 1));
  n.w.wait_event("backpressure", "offline_limit");
  auto bob = n.w.connect("bob");
  check(hear(bob), {"gap offline_limit 3", "4@4", "5@5", "6@6", "7@7", "flushed 4 3"});
  const auto gap = bob.all("gap").front();
  BOOST_TEST(to_json(gap.payload()["from"]) == "1");
  BOOST_TEST(to_json(gap.payload()["to"]) == "3");
}

BOOST_AUTO_TEST_CASE(what_waited_for_too_long_is_a_gap) {
  const log_folder folder;
  auto c = world::defaults();
  c.offline.queue_ttl = milliseconds{10'000};
  logged n{folder, c};
  auto ann = n.w.connect("ann");
  ann.ask(to_bob(1, 1, R"(,"ttl_ms":20)"));
  n.w.wait_event("backpressure", "offline_ttl");
  ann.ask(to_bob(2, 0));
  auto bob = n.w.connect("bob");
  check(hear(bob), {"gap offline_ttl 1", "2", "flushed 1 1"});
}

BOOST_AUTO_TEST_CASE(it_waits_over_a_restart_of_the_node) {
  const log_folder folder;
  {
    logged n{folder};
    auto ann = n.w.connect("ann");
    for (int i = 1; i <= 5; ++i)
      ann.ask(to_bob(i, 1));
    auto bob = n.w.connect("bob");
    check(hear(bob), {"1@1", "2@2", "3@3", "4@4", "5@5", "flushed 5 0"});
    acknowledge(bob, 2);
    bob.close();
  }
  {
    logged n{folder};
    auto ann = n.w.connect("ann");
    BOOST_TEST(ann.ask(to_bob(6, 2)).type() == "ack");
    auto bob = n.w.connect("bob");
    check(hear(bob), {"3@3", "4@4", "5@5", "6@6", "flushed 4 0"});
    acknowledge(bob, 6);
  }
  logged n{folder};
  auto ann = n.w.connect("ann");
  BOOST_TEST(ann.ask(to_bob(6, 2)).type() == "ack"); // a resend, known from the log
  auto bob = n.w.connect("bob");
  bob.settle();
  ann.ask(to_bob(7, 1));
  check(hear(bob, 1), {"7@7"});
}

BOOST_AUTO_TEST_CASE(who_is_there_gets_qos_1_until_it_is_acknowledged) {
  const log_folder folder;
  auto c = world::defaults();
  c.offline.redeliver_after = milliseconds{100};
  logged n{folder, c};
  auto ann = n.w.connect("ann");
  auto bob = n.w.connect("bob", 1);
  bob.settle();
  const auto note = R"({"type":"note","to":{"users":["bob","nobody"]},"qos":1,"id":"n","payload":1})";
  BOOST_TEST(to_json(ann.ask(note).payload()) == R"({"connections":1})");
  check(hear(bob, 3), {"1@1", "1@1", "1@1"});
  acknowledge(bob, 1);
  ann.ask(R"({"type":"note","to":{"user":"bob"},"qos":1,"id":"o","payload":2})");
  bob.until([](const envelope& e) { return e.type() == "note" && e.all["offset"].as_uint() == 2; });
}

BOOST_AUTO_TEST_CASE(a_resend_is_known_and_another_content_a_conflict) {
  const log_folder folder;
  logged n{folder};
  auto ann = n.w.connect("ann");
  ann.ask(to_bob(1, 2));
  auto again = n.w.connect("ann");
  BOOST_TEST(again.ask(to_bob(1, 2)).type() == "ack");
  auto other = n.w.connect("ann");
  BOOST_TEST(
      other.ask(R"({"type":"note","to":{"user":"bob"},"offline":"queue","qos":2,"id":"n1","payload":"x"})").code() ==
      "conflict");
  auto bob = n.w.connect("bob");
  check(hear(bob), {"1@1", "flushed 1 0"});
}

BOOST_AUTO_TEST_CASE(what_comes_while_the_queue_is_given_out_comes_behind_it) {
  const log_folder folder;
  logged n{folder};
  auto ann = n.w.connect("ann", 0);
  constexpr int count = 900;
  client* reader = nullptr;
  std::optional<client> bob;
  for (int i = 1; i <= count; ++i) {
    ann.send(to_bob(i, i % 2));
    if (i == 400)
      reader = &bob.emplace(n.w.connect("bob", 1));
  }
  ann.answer("n" + std::to_string(count));
  BOOST_REQUIRE(reader != nullptr);
  reader->until([&](const envelope& e) { return to_json(e.payload()) == std::to_string(count); });
  std::vector<int> heard;
  for (const auto& e : reader->all("note"))
    heard.push_back(std::stoi(to_json(e.payload())));
  BOOST_TEST(heard.size() == static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < heard.size(); ++i)
    BOOST_TEST(heard[i] == static_cast<int>(i) + 1);
}

BOOST_AUTO_TEST_CASE(a_client_that_lost_its_link_is_away_until_it_resumes) {
  const log_folder folder;
  logged n{folder};
  auto ann = n.w.connect("ann");
  auto bob = n.w.connect("bob", 1);
  const auto session = bob.session();
  bob.settle();
  bob.drop();
  // Until the node has noticed, qos 0 may go to nobody.
  int number = 0;
  while (to_json(ann.ask(R"({"type":"n","to":{"user":"bob"},"id":"p)" + std::to_string(++number) + "\"}").payload()) !=
         R"({"connections":0})") {
  }
  ann.ask(to_bob(1, 0));
  ann.ask(to_bob(2, 1));
  auto back = n.w.connect("bob", 2);
  const auto answer = back.ask(R"({"type":"session:resume","id":"r","payload":{"session":")" + session + R"("}})");
  BOOST_TEST(answer.payload()["resumed"].as_bool().value_or(false));
  check(hear(back), {"1", "2@1", "flushed 2 0"});
}

BOOST_AUTO_TEST_CASE(a_program_queues_events_as_well) {
  const log_folder folder;
  logged n{folder};
  n.w.node.hub().send_event_to_user("bob", "note", 1, {.offline = offline_policy::queue, .qos = qos::at_least_once});
  n.w.node.hub().send_event_to_user("bob", "note", 2, {.offline = offline_policy::queue});
  n.w.node.hub().send_event_to_user("bob", "note", 3);
  n.w.node.hub().send_event_to_users({"bob"}, "note", 4, {.offline = offline_policy::queue});
  auto ann = n.w.connect("ann");
  ann.ask(to_bob(5, 1));
  auto bob = n.w.connect("bob");
  check(hear(bob), {"1@1", "2", "4", "5@2", "flushed 4 0"});
}

BOOST_AUTO_TEST_CASE(inboxes_are_bounded_in_number) {
  auto c = world::defaults();
  c.limits.inboxes = 1;
  world w{c};
  auto ann = w.connect("ann");
  ann.ask(to_bob(1, 0));
  const auto to_carl = [](const char* id) {
    return R"({"type":"note","to":{"user":"carl"},"offline":"queue","id":")" + std::string{id} + "\"}";
  };
  BOOST_TEST(ann.ask(to_carl("x")).code() == "unavailable");
  BOOST_TEST(w.count_events("backpressure", "inboxes_limit") == 1u);
  ann.ask(to_bob(2, 0));
  auto bob = w.connect("bob");
  check(hear(bob), {"1", "2", "flushed 2 0"});
}

BOOST_AUTO_TEST_CASE(who_is_away_makes_way_for_who_is_there) {
  const log_folder folder;
  auto c = world::defaults();
  c.limits.inboxes = 2;
  logged n{folder, c};
  auto ann = n.w.connect("ann");
  auto carl = n.w.connect("carl");
  const auto to = [](const std::string& user, const std::string& id, int qos) {
    return R"({"type":"note","to":{"user":")" + user + R"("},"offline":"queue","id":")" + id +
           R"(","payload":9,"qos":)" + std::to_string(qos) + "}";
  };
  ann.ask(to_bob(1, 1));
  ann.ask(to_bob(2, 0));
  ann.ask(to("made-up", "a", 0));
  BOOST_TEST(ann.ask(to("another", "b", 0)).code() == "unavailable");
  BOOST_TEST(ann.ask(to("carl", "c", 1)).type() == "ack"); // instead of "made-up"
  check(hear(carl, 1), {"9@1"});
  BOOST_TEST(ann.ask(to("ann", "d", 1)).type() == "ack"); // nobody but the sender is there
  auto dora = n.w.connect("dora");
  dora.settle();
  BOOST_TEST(ann.ask(to("dora", "e", 1)).type() == "ack"); // instead of bob, whose message the log has
  check(hear(dora, 1), {"9@1"});
  BOOST_TEST(n.w.count_events("backpressure", "inbox_made_way") == 2u);
  auto erik = n.w.connect("erik");
  erik.settle();
  BOOST_TEST(ann.ask(to("erik", "f", 1)).code() == "unavailable"); // all are there
  carl.close();
  for (int i = 0;
       to_json(ann.ask(R"({"type":"n","to":{"user":"carl"},"id":"p)" + std::to_string(i) + "\"}").payload()) !=
       R"({"connections":0})";
       ++i) {
  }
  auto bob = n.w.connect("bob");
  check(hear(bob), {"1@1", "flushed 1 0"});
}

BOOST_AUTO_TEST_CASE(who_is_away_makes_way_in_bytes_too) {
  const log_folder folder;
  auto c = world::defaults();
  c.limits.inbox_bytes = 64 * 1024;
  logged n{folder, c};
  auto ann = n.w.connect("ann");
  auto bob = n.w.connect("bob");
  bob.settle();
  const auto away = [](int i) {
    return R"({"type":"note","to":{"user":"nobody)" + std::to_string(i) + R"("},"offline":"queue","id":"a)" +
           std::to_string(i) + "\"}";
  };
  int refused = 0;
  for (int i = 0; i < 100; ++i)
    refused += ann.ask(away(i)).code() == "unavailable" ? 1 : 0;
  BOOST_TEST(refused > 50);
  const auto large =
      R"({"type":"note","to":{"user":"bob"},"qos":1,"id":"l","payload":")" + std::string(8000, 'x') + "\"}";
  BOOST_TEST(ann.ask(large).type() == "ack");
  BOOST_TEST(hear(bob, 1).front().ends_with("@1"));
}

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
BOOST_AUTO_TEST_CASE(inboxes_are_counted_with_all_that_they_occupy) {
  world w;
  auto ann = w.connect("ann");
  constexpr int users = 20'000;
  const auto send = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      ann.send(R"({"type":"note","to":{"user":"somebody-who-never-comes-)" + std::to_string(i) +
               R"("},"offline":"queue","id":"n)" + std::to_string(i) + "\"}");
      if (i % 100 == 0 || i + 1 == to)
        ann.until([&](const envelope& e) { return e.id() == "n" + std::to_string(i); });
    }
  };
  send(0, 100);
  const auto heap_before = ::mallinfo2().uordblks;
  const auto before = w.number("troupe_inbox_bytes");
  send(100, users);
  // What this program keeps of the answers is not the node's.
  const auto answers = ann.all().size() * 160;
  const auto heap = ::mallinfo2().uordblks - heap_before;
  const auto counted = static_cast<std::size_t>(w.number("troupe_inbox_bytes") - before);
  BOOST_TEST(counted * 3 > (heap - answers) * 2);
  BOOST_TEST(counted * 2 < heap * 3);
}
#endif

BOOST_AUTO_TEST_CASE(nobody_reaches_an_inbox_as_a_channel) {
  const log_folder folder;
  world w{world::defaults(), [&](kernel& k) {
            k.keep_log(folder.path());
            k.on("forge", [](const message&, context&, toolkit& kit) {
              kit.channels.publish({.type = "say"}, "\x01inbox/bob", {.unchecked = true});
            });
          }};
  auto ann = w.connect("ann");
  BOOST_TEST(ann.ask(R"({"type":"forge","id":"f"})").code() == "bad_message");
  ann.ask(to_bob(1, 1));
  for (const auto* type : {"channel:subscribe", "channel:history", "say"})
    BOOST_TEST(
        ann.ask(R"({"type":")" + std::string{type} + R"(","channel":"\u0001inbox/bob","id":")" + type + "\"}").code() ==
        "bad_message");
}

BOOST_AUTO_TEST_SUITE_END()
