// Messages to users and connections, and the hub.

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "actors/signaling.hpp"
#include "tests/actors/kernel_world.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace troupe;
using namespace troupe::testing;

BOOST_AUTO_TEST_SUITE(kernel_to)

BOOST_AUTO_TEST_CASE(a_user_is_reached_in_all_tabs_but_the_senders_own) {
  world w;
  auto first = w.connect("ann", 0);
  auto second = w.connect("ann", 1);
  auto third = w.connect("ann", 2);
  for (auto* c : {&first, &second, &third})
    c->settle();
  const auto ack = first.ask(R"({"type":"note","to":{"user":"ann"},"id":"1","payload":7})");
  BOOST_TEST(to_json(ack.payload()) == R"({"connections":2})");
  for (auto* c : {&second, &third}) {
    const auto e = c->until("note");
    BOOST_TEST(e.from() == first.id());
    BOOST_TEST(to_json(e.all["to"]) == R"({"user":"ann"})");
  }
  first.settle();
  BOOST_TEST(first.all("note").empty());
}

BOOST_AUTO_TEST_CASE(several_users_are_reached_once_each) {
  world w;
  auto a = w.connect("ann", 0);
  auto b = w.connect("bob", 1);
  auto c = w.connect("carl", 2);
  for (auto* who : {&a, &b, &c})
    who->settle();
  const auto ack = a.ask(R"({"type":"note","to":{"users":["bob","carl","bob","nobody"]},"id":"1"})");
  BOOST_TEST(to_json(ack.payload()) == R"({"connections":2})");
  b.until("note");
  c.until("note");
  a.ask(R"({"type":"last","to":{"user":"bob"},"id":"2"})");
  b.until("last");
  BOOST_TEST(b.all("note").size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_user_who_is_away_is_no_error_but_an_unknown_connection_is) {
  world w;
  auto a = w.connect("ann");
  BOOST_TEST(to_json(a.ask(R"({"type":"note","to":{"user":"nobody"},"id":"1"})").payload()) == R"({"connections":0})");
  BOOST_TEST(a.ask(R"({"type":"note","to":{"connection":"nobody"},"id":"2"})").code() == "unknown_target");
  BOOST_TEST(to_json(a.ask(R"({"type":"note","to":{"connection":")" + a.id() + R"("},"id":"3"})").payload()) ==
             R"({"connections":0})");
  BOOST_TEST(to_json(a.ask(R"({"type":"note","to":{"user":"nobody"},"offline":"queue","id":"4"})").payload()) ==
             R"({"connections":0})");
  // Without a log nothing can be kept for sure.
  BOOST_TEST(a.ask(R"({"type":"note","to":{"user":"nobody"},"offline":"queue","qos":1,"id":"5"})").code() ==
             "unavailable");
}

BOOST_AUTO_TEST_CASE(a_connection_is_reached_by_its_id_in_the_order_of_the_sender) {
  world w;
  auto a = w.connect("ann", 0);
  auto b = w.connect({}, 1);
  b.settle();
  for (int i = 0; i < 200; ++i)
    a.send(R"({"type":"n","to":{"connection":")" + b.id() + R"("},"payload":)" + std::to_string(i) + "}");
  for (int i = 0; i < 200; ++i)
    BOOST_TEST(to_json(b.until("n").payload()) == std::to_string(i));
}

BOOST_AUTO_TEST_CASE(with_keys_the_first_message_must_be_auth) {
  const auto key = std::filesystem::temp_directory_path() / ("troupe-actors-" + std::to_string(::getpid()) + ".key");
  std::ofstream{key} << std::string(48, 'k');
  std::filesystem::permissions(key, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  auto c = world::defaults();
  c.auth.keys = {key.string()};
  c.auth.default_caps = {{"room:open", "rwp"}, {"room:seen", "r"}, {"user:bob", "w"}};
  world w{c, [](kernel& k) { k.accept_admin_token("of-the-house"); }};
  std::filesystem::remove(key);
  auto b = w.connect(loopback_client_options{.bearer = "of-the-house"});
  b.settle();
  auto stranger = w.connect(loopback_client_options{});
  BOOST_TEST(stranger.ask(R"({"type":"ping","id":"1"})").code() == "unauthorized");
  BOOST_TEST(stranger.closed() == 3500);
  auto late = w.connect(loopback_client_options{});
  BOOST_TEST(late.ask(R"({"type":"auth","id":"1","payload":{"token":"of-the-house"}})").type() == "ack");
  BOOST_TEST(late.all().front().type() == "hello");
  BOOST_TEST(late.ask(R"({"type":"auth","id":"2","payload":{"token":"wrong"}})").code() == "unauthorized");
  BOOST_TEST(late.ask(R"({"type":"ping","id":"3"})").type() == "pong");
  auto wrong = w.connect(loopback_client_options{.bearer = "wrong"});
  BOOST_TEST(wrong.closed() == 3500);
}

BOOST_AUTO_TEST_CASE(signals_pass_between_two_and_the_end_of_one_is_told) {
  world w;
  auto a = w.connect("ann", 0);
  auto b = w.connect("bob", 1);
  const auto signal = [](client& from, std::string kind, const std::string& to, std::string id) {
    return from.ask(R"({"type":"signal:)" + kind + R"(","to":{"connection":")" + to + R"("},"id":")" + id +
                    R"(","payload":{"sdp":"v=0\r\n"}})");
  };
  b.settle();
  BOOST_TEST(signal(a, "offer", b.id(), "1").type() == "ack");
  const auto offer = b.until("signal:offer");
  BOOST_TEST(offer.from() == a.id());
  BOOST_TEST(offer.text.find(R"({"sdp":"v=0\r\n"})") != std::string::npos);
  BOOST_TEST(signal(b, "answer", a.id(), "2").type() == "ack");
  a.until("signal:answer");
  BOOST_TEST(a.ask(R"({"type":"signal:offer","to":{"user":"bob"},"id":"3"})").code() == "bad_message");
  b.close();
  const auto bye = a.until("signal:bye");
  BOOST_TEST(bye.from() == b.id());
}

BOOST_AUTO_TEST_CASE(past_a_bound_further_contacts_of_a_signaling_connection_are_counted_and_not_remembered) {
  world w;
  auto a = w.connect("ann");
  std::vector<client> peers;
  for (std::size_t i = 0; i < signaling::peers_max + 2; ++i)
    peers.push_back(w.connect());
  const auto signal = [&](client& to) {
    to.settle();
    BOOST_TEST(a.ask(R"({"type":"signal:offer","to":{"connection":")" + to.id() + R"("},"id":"o)" + to.id() + R"("})")
                   .type() == "ack");
  };
  for (auto& peer : peers)
    signal(peer);
  peers.back().close(); // it was not remembered
  peers.front().close();
  BOOST_TEST(a.until("signal:bye").from() == peers.front().id());
  w.wait_event("backpressure", "signaling_peers_limit");
}

BOOST_AUTO_TEST_CASE(the_hub_knows_users_and_their_connections) {
  world w;
  auto hub = w.node.hub();
  auto a = w.connect("ann", 0);
  auto b = w.connect("ann", 1);
  auto c = w.connect({}, 2);
  std::vector<std::string> ids{a.id(), b.id()};
  std::sort(ids.begin(), ids.end());
  // The hub is told behind hello; what it answers, it has read.
  a.ask(R"({"type":"n","to":{"connection":")" + b.id() + R"("},"id":"1"})");
  b.ask(R"({"type":"n","to":{"connection":")" + a.id() + R"("},"id":"1"})");
  c.ask(R"({"type":"n","to":{"connection":")" + a.id() + R"("},"id":"1"})");
  BOOST_TEST(hub.get_connected_clients("ann") == ids, boost::test_tools::per_element());
  BOOST_TEST(hub.is_user_connected("ann"));
  BOOST_TEST(!hub.is_user_connected("bob"));

  hub.send_event_to_user("ann", "tick", {{"n", 1}});
  for (auto* who : {&a, &b}) {
    const auto e = who->until("tick");
    BOOST_TEST(to_json(e.payload()) == R"({"n":1})");
    BOOST_TEST(to_json(e.all["to"]) == R"({"user":"ann"})");
    BOOST_TEST(e.all["ts"].is_number());
  }
  BOOST_TEST(hub.register_client(c.id(), "ann"));
  BOOST_TEST(!hub.register_client("nobody", "ann"));
  BOOST_TEST(hub.get_connected_clients("ann").size() == 3u);
  hub.send_event_to_users({"ann", "bob"}, "tock", 2);
  for (auto* who : {&a, &b, &c})
    who->until("tock");
  BOOST_TEST(hub.unregister_client(c.id(), "ann"));
  BOOST_TEST(!hub.unregister_client(c.id(), "ann"));
  hub.send_event_to_user("ann", "after", 3);
  a.until("after");
  hub.broadcast_event("all", 4);
  for (auto* who : {&a, &b, &c})
    BOOST_TEST(to_json(who->until("all").payload()) == "4");
  BOOST_TEST(c.all("after").empty());
  BOOST_TEST(c.all("tick").empty());
}

BOOST_AUTO_TEST_CASE(a_broadcast_follows_each_connections_subscription) {
  world w;
  auto a = w.connect();
  auto b = w.connect();
  b.settle();
  a.ask(R"({"type":"subscribe","id":"1","payload":{"types":["wanted"]}})");
  w.node.hub().broadcast_event("unwanted", 1);
  w.node.hub().broadcast_event("wanted", 2);
  a.until("wanted");
  BOOST_TEST(a.all("unwanted").empty());
  b.until("unwanted");
}

BOOST_AUTO_TEST_SUITE_END()
