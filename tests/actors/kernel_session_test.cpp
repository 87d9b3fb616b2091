#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "tests/actors/kernel_world.hpp"

#include <memory>
#include <thread>

using namespace troupe;
using namespace troupe::testing;

namespace {

/// What a client would say that has seen everything up to a place in one room.
std::string resume(const std::string& session, const std::string& room = {}, const std::string& epoch = {},
                   std::uint64_t seq = 0) {
  auto out = R"({"type":"session:resume","id":"resume","payload":{"session":")" + session + R"(","rooms":{)";
  if (!room.empty())
    out += '"' + room + R"(":{"epoch":")" + epoch + R"(","seq":)" + std::to_string(seq) + "}";
  return out + "}}}";
}

std::vector<std::string> said(client& c) {
  std::vector<std::string> result;
  for (const auto& e : c.all("say"))
    result.push_back(to_json(e.payload()));
  return result;
}

using texts = std::vector<std::string>;

} // namespace

BOOST_AUTO_TEST_SUITE(kernel_session)

BOOST_AUTO_TEST_CASE(a_session_goes_on_with_what_was_missed_and_nobody_saw_it_leave) {
  world w;
  auto a = w.connect("ann", 0);
  auto b = w.connect("bob", 1);
  const auto joined = a.join("r");
  b.join("r");
  b.say("r", "1");
  a.until("say");
  const auto epoch = *joined.payload()["epoch"].as_string();
  a.drop();
  b.say("r", "2");
  b.say("r", "3");
  auto again = w.connect("ann", 2);
  const auto ack = again.ask(resume(a.session(), "r", std::string{epoch}, 1));
  BOOST_TEST(*ack.payload()["resumed"].as_bool());
  BOOST_TEST(*ack.payload()["connection"].as_string() == a.id());
  BOOST_TEST(*ack.payload()["session"].as_string() != a.session());
  BOOST_TEST(to_json(ack.payload()["rooms"]) == R"({"r":{"recovered":true}})");
  b.say("r", "4");
  again.settle("r");
  BOOST_TEST(said(again) == (texts{"2", "3", "4"}), boost::test_tools::per_element());
  BOOST_TEST(again.say("r", "5").type() == "ack");
  BOOST_TEST(b.until("say").from() == a.id());
  BOOST_TEST(b.all("room:left").empty());
  BOOST_TEST(b.all("room:joined").empty());
  // Its answers come behind the ack: hello, ack, then what was missed.
  std::string order;
  for (const auto& e : again.all())
    order += e.type() + " ";
  BOOST_TEST(order.starts_with("hello ack say say presence:state"));
}

BOOST_AUTO_TEST_CASE(a_client_that_does_not_wait_for_hello_still_gets_it_first) {
  world w;
  auto a = w.connect("ann", 0);
  a.join("r");
  a.drop();
  auto again = w.connect("ann", 0);
  again.send(resume(a.session()));
  BOOST_TEST(*again.answer("resume").payload()["resumed"].as_bool());
  BOOST_TEST(again.all().front().type() == "hello");
}

BOOST_AUTO_TEST_CASE(a_session_that_is_still_attached_moves_and_the_old_link_is_replaced) {
  world w;
  auto a = w.connect("ann", 0);
  auto b = w.connect("bob", 1);
  a.join("r");
  b.join("r");
  auto again = w.connect("ann", 2);
  BOOST_TEST(*again.ask(resume(a.session())).payload()["resumed"].as_bool());
  BOOST_TEST(a.closed() == 3502);
  b.say("r", "1");
  BOOST_TEST(to_json(again.until("say").payload()) == "1");
  BOOST_TEST(b.all("room:left").empty());
  BOOST_TEST(b.join("r").payload()["members"].as_uint().value() == 2u);
}

BOOST_AUTO_TEST_CASE(a_session_is_granted_once_and_to_its_own_user_only) {
  world w;
  auto a = w.connect("ann");
  a.join("r");
  const auto secret = a.session();
  a.drop();
  auto thief = w.connect("bob");
  const auto refused = thief.ask(resume(secret));
  BOOST_TEST(!*refused.payload()["resumed"].as_bool());
  BOOST_TEST(*refused.payload()["connection"].as_string() == thief.id());
  auto back = w.connect("ann");
  BOOST_TEST(*back.ask(resume(secret)).payload()["resumed"].as_bool());
  auto twin = w.connect("ann");
  BOOST_TEST(!*twin.ask(resume(secret)).payload()["resumed"].as_bool());
  BOOST_TEST(twin.ask(R"({"type":"session:resume","id":"2","payload":{"session":"x"}})").code() == "bad_message");
  BOOST_TEST(back.say("r", "1").type() == "ack");
}

BOOST_AUTO_TEST_CASE(a_session_can_be_resumed_again_and_again) {
  world w;
  auto b = w.connect("bob", 0);
  b.join("r");
  auto a = w.connect("ann", 0);
  const auto id = a.id();
  auto secret = a.session();
  const auto epoch = std::string{*a.join("r").payload()["epoch"].as_string()};
  std::uint64_t seen = 0;
  for (std::size_t round = 0; round < 30; ++round) {
    a.drop();
    b.say("r", std::to_string(round));
    a = w.connect("ann", round % 3);
    const auto ack = a.ask(resume(secret, "r", epoch, seen));
    BOOST_REQUIRE(*ack.payload()["resumed"].as_bool());
    BOOST_TEST(*ack.payload()["connection"].as_string() == id);
    secret = *ack.payload()["session"].as_string();
    const auto e = a.until("say");
    BOOST_TEST(to_json(e.payload()) == std::to_string(round));
    seen = e.seq();
  }
  BOOST_TEST(b.all("room:left").empty());
  BOOST_TEST(b.all("room:joined").size() == 1u);
}

BOOST_AUTO_TEST_CASE(when_the_window_is_over_the_leave_is_told_once) {
  auto c = world::defaults();
  c.session.resume_window = milliseconds{100};
  world w{c};
  auto a = w.connect("ann", 0);
  auto b = w.connect("bob", 1);
  b.join("r");
  a.join("r");
  a.drop();
  BOOST_TEST(b.until("room:left").from() == a.id());
  auto again = w.connect("ann");
  BOOST_TEST(!*again.ask(resume(a.session())).payload()["resumed"].as_bool());
  b.settle("r");
  BOOST_TEST(b.all("room:left").size() == 1u);
  BOOST_TEST(b.join("r").payload()["members"].as_uint().value() == 1u);
}

BOOST_AUTO_TEST_CASE(who_closes_with_1000_leaves_at_once) {
  world w;
  auto a = w.connect("ann", 0);
  auto b = w.connect("bob", 1);
  b.join("r");
  a.join("r");
  a.close();
  BOOST_TEST(b.until("room:left").from() == a.id());
  auto again = w.connect("ann");
  BOOST_TEST(!*again.ask(resume(a.session())).payload()["resumed"].as_bool());
}

BOOST_AUTO_TEST_CASE(what_the_ring_has_lost_is_not_claimed) {
  auto c = world::defaults();
  c.rooms.ring_messages = 4;
  world w{c};
  auto a = w.connect("ann", 0);
  auto b = w.connect("bob", 1);
  const auto epoch = std::string{*a.join("r").payload()["epoch"].as_string()};
  b.join("r");
  a.drop();
  for (int i = 1; i <= 10; ++i)
    b.say("r", std::to_string(i));
  auto again = w.connect("ann");
  const auto ack = again.ask(resume(a.session(), "r", epoch, 0));
  BOOST_TEST(*ack.payload()["resumed"].as_bool());
  BOOST_TEST(to_json(ack.payload()["rooms"]) == R"({"r":{"recovered":false}})");
  b.say("r", "11");
  BOOST_TEST(to_json(again.until("say").payload()) == "11");
}

BOOST_AUTO_TEST_CASE(a_client_that_comes_back_and_goes_at_once_leaves_no_ghost) {
  auto c = world::defaults();
  c.session.resume_window = milliseconds{200};
  world w{c};
  auto b = w.connect("bob", 1);
  b.join("r");
  for (int round = 0; round < 20; ++round) {
    auto a = w.connect("ann", 0);
    a.join("r");
    const auto secret = a.session();
    a.drop();
    auto again = w.connect("ann", 2);
    again.send(resume(secret));
    again.drop();
  }
  for (int round = 0; round < 20; ++round)
    b.until("room:left");
  BOOST_TEST(b.join("r").payload()["members"].as_uint().value() == 1u);
  BOOST_TEST(b.all("room:left").size() == 20u);
}

BOOST_AUTO_TEST_CASE(a_resumed_connection_is_reached_by_its_id_and_keeps_its_subscription) {
  world w;
  auto a = w.connect("ann", 0);
  auto b = w.connect("bob", 1);
  a.ask(R"({"type":"subscribe","id":"1","payload":{"types":["wanted"]}})");
  a.drop();
  auto again = w.connect("ann", 2);
  again.ask(resume(a.session()));
  again.settle();
  const auto to = [&](std::string type) {
    return b.ask(R"({"type":")" + type + R"(","to":{"connection":")" + a.id() + R"("},"id":")" + type + "\"}");
  };
  to("unwanted");
  BOOST_TEST(to("wanted").type() == "ack");
  again.until("wanted");
  BOOST_TEST(again.all("unwanted").empty());
  BOOST_TEST(w.node.hub().get_connected_clients("ann").size() == 1u);
}

BOOST_AUTO_TEST_CASE(what_a_session_missed_passes_its_subscription) {
  world w;
  auto a = w.connect("ann", 0);
  auto b = w.connect("bob", 1);
  const auto epoch = std::string{*a.join("r").payload()["epoch"].as_string()};
  b.join("r");
  a.ask(R"({"type":"subscribe","id":"1","payload":{"types":["wanted"]}})");
  a.drop();
  b.say("r", "1");
  b.ask(R"({"type":"wanted","room":"r","id":"2","payload":2})");
  auto again = w.connect("ann", 2);
  const auto ack = again.ask(resume(a.session(), "r", epoch, 0));
  BOOST_TEST(to_json(ack.payload()["rooms"]) == R"({"r":{"recovered":true}})");
  BOOST_TEST(to_json(again.until("wanted").payload()) == "2");
  again.settle("r");
  BOOST_TEST(said(again).empty());
}

BOOST_AUTO_TEST_CASE(a_drain_waits_for_no_session_that_nobody_will_take) {
  auto c = world::defaults();
  c.shutdown.drain = milliseconds{4'000}; // less than a connection waits for a session that it was promised
  auto gate = std::make_shared<latch>();
  world w{c, [gate](kernel& k) {
            k.on("work", [gate](const message&, context&, toolkit&) { gate->wait(); }, {.off_loop = true});
          }};
  auto a = w.connect("ann", 0);
  auto b = w.connect("bob", 0);
  a.join("r");
  a.send(R"({"type":"work","id":"1"})"); // keeps the session from being handed over
  a.settle();
  auto again = w.connect("ann", 0);
  again.send(resume(a.session()));
  again.drop();
  b.settle();
  std::thread drain{[&] { w.node.drain(); }};
  a.closed();
  gate->open();
  drain.join();
  BOOST_TEST(w.connections() == 0);
}

BOOST_AUTO_TEST_CASE(sessions_that_wait_are_bounded_for_a_user) {
  auto c = world::defaults();
  c.limits.detached_sessions_per_user = 2;
  world w{c};
  auto b = w.connect("bob", 0);
  b.join("r");
  std::vector<client> tabs;
  for (int i = 0; i < 4; ++i) {
    tabs.push_back(w.connect("ann", 1));
    tabs.back().join("r");
  }
  for (auto& t : tabs) {
    t.id();
    t.drop();
  }
  for (int i = 0; i < 2; ++i)
    b.until("room:left");
  BOOST_TEST(b.join("r").payload()["members"].as_uint().value() == 3u);
}

BOOST_AUTO_TEST_SUITE_END()
