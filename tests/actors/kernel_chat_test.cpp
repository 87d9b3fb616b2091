#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "tests/actors/kernel_world.hpp"

using namespace troupe;
using namespace troupe::testing;

BOOST_AUTO_TEST_SUITE(kernel_chat)

BOOST_AUTO_TEST_CASE(members_on_several_loops_hear_each_other) {
  world w;
  auto a = w.connect("ann", 0);
  auto b = w.connect("bob", 1);
  auto c = w.connect({}, 2);
  BOOST_TEST(a.join("r").payload()["members"].as_uint().value() == 1u);
  BOOST_TEST(b.join("r").payload()["members"].as_uint().value() == 2u);
  BOOST_TEST(c.join("r", R"({"state":{"mood":"good"}})").payload()["members"].as_uint().value() == 3u);
  BOOST_TEST(a.until("room:joined").all["from"]["user"].as_string().value() == "bob");
  const auto joined = a.until("room:joined");
  BOOST_TEST(joined.from() == c.id());
  BOOST_TEST(to_json(joined.payload()["state"]) == R"({"mood":"good"})");
  const auto ack = b.say("r", R"({"n":1e400})");
  BOOST_TEST(ack.payload()["seq"].as_uint().value() == 1u);
  for (auto* who : {&a, &c}) {
    const auto said = who->until("say");
    BOOST_TEST(said.seq() == 1u);
    BOOST_TEST(said.epoch() == *ack.payload()["epoch"].as_string());
    BOOST_TEST(said.from() == b.id());
    BOOST_TEST(said.text.find(R"("payload":{"n":1e400})") != std::string::npos);
  }
  b.settle("r");
  BOOST_TEST(b.all("say").empty());
  b.say("r", "2", R"(,"headers":{"echo":"true"})");
  BOOST_TEST(b.until("say").seq() == 2u);
}

BOOST_AUTO_TEST_CASE(the_order_of_a_room_is_the_same_for_all) {
  world w;
  std::vector<client> all;
  for (std::size_t i = 0; i < 6; ++i) {
    all.push_back(w.connect("u" + std::to_string(i), i % 3));
    all.back().join("r");
  }
  for (int n = 0; n < 200; ++n)
    for (std::size_t i = 0; i < all.size(); ++i)
      all[i].send(R"({"type":"say","room":"r","headers":{"echo":"true"},"payload":[)" + std::to_string(i) + "," +
                  std::to_string(n) + "]}");
  std::vector<std::string> first;
  for (auto& c : all) {
    std::vector<std::string> heard;
    std::vector<std::uint64_t> last(all.size(), 0);
    for (std::uint64_t seq = 1; seq <= 1200; ++seq) {
      const auto e = c.until("say");
      BOOST_REQUIRE(e.seq() == seq);
      const auto who = *e.payload()[0].as_uint();
      BOOST_REQUIRE(*e.payload()[1].as_uint() == last[who]++);
      heard.push_back(to_json(e.payload()));
    }
    if (first.empty())
      first = heard;
    BOOST_TEST((heard == first));
  }
}

BOOST_AUTO_TEST_CASE(every_request_with_an_id_is_answered_and_bad_ones_say_why) {
  world w;
  auto a = w.connect();
  BOOST_TEST(a.ask(R"({"type":"say","room":"r","id":"1"})").code() == "not_a_member");
  BOOST_TEST(a.ask(R"({"type":"say","id":"2"})").code() == "no_handler");
  BOOST_TEST(a.ask(R"({"type":"say","channel":"c","id":"3"})").code() == "no_handler");
  BOOST_TEST(a.ask(R"({"type":"room:leave","room":"r","id":"4"})").code() == "not_a_member");
  BOOST_TEST(a.ask(R"({"type":"presence:get","room":"r","id":"5"})").code() == "not_a_member");
  BOOST_TEST(a.ask(R"({"type":"room:join","id":"6"})").code() == "bad_message");
  BOOST_TEST(a.ask(R"({"type":"room:join","room":"r","payload":{"since":7},"id":"7"})").code() == "bad_message");
  const auto pong = a.ask(R"({"type":"ping","id":"8","payload":{"t":1}})");
  BOOST_TEST(pong.type() == "pong");
  BOOST_TEST(to_json(pong.payload()) == R"({"t":1})");
  for (const auto* type : {"hello", "error", "pong", "gap", "offline.x", "room:joined", "presence:state", "session:x",
                           "sync:force", "mesh:x", "signal:other"})
    BOOST_TEST(a.ask(R"({"type":")" + std::string{type} + R"(","room":"r","id":")" + type + "\"}").code() ==
               "forbidden");
  for (const auto& id : {"1", "2", "3", "4", "5", "6", "7", "8"}) {
    std::size_t answers = 0;
    for (const auto& e : a.all())
      answers += e.id() == id ? 1 : 0;
    BOOST_TEST(answers == 1u);
  }
}

BOOST_AUTO_TEST_CASE(nothing_of_a_room_comes_after_the_ack_of_a_leave) {
  world w;
  auto a = w.connect({}, 0);
  auto b = w.connect({}, 1);
  a.join("r");
  b.join("r");
  for (int i = 0; i < 200; ++i)
    b.send(R"({"type":"say","room":"r","payload":1})");
  a.send(R"({"type":"say","room":"r","payload":1,"id":"mine"})");
  a.ask(R"({"type":"room:leave","room":"r","id":"leave"})");
  b.say("r", "2");
  a.settle();
  bool left = false;
  for (const auto& e : a.all()) {
    BOOST_TEST(!(left && e.room() == "r"));
    BOOST_TEST(!(left && e.id() == "mine"));
    left |= e.id() == "leave";
  }
  BOOST_TEST(b.until("room:left").from() == a.id());
}

BOOST_AUTO_TEST_CASE(join_leave_and_join_in_one_breath_ends_as_a_member) {
  world w;
  auto a = w.connect({}, 0);
  auto b = w.connect({}, 1);
  b.join("r");
  for (int round = 0; round < 20; ++round) {
    const auto n = std::to_string(round);
    a.send(R"({"type":"room:join","room":"r","id":"j)" + n + "\"}");
    a.send(R"({"type":"room:leave","room":"r","id":"l)" + n + "\"}");
    a.send(R"({"type":"room:join","room":"r","id":"k)" + n + "\"}");
    BOOST_TEST(a.answer("k" + n).type() == "ack");
    b.say("r", n);
    BOOST_TEST(to_json(a.until("say").payload()) == n);
    a.ask(R"({"type":"room:leave","room":"r","id":"m)" + n + "\"}");
  }
}

BOOST_AUTO_TEST_CASE(who_leaves_and_goes_at_once_troubles_nobody) {
  world w;
  auto b = w.connect({}, 1);
  b.join("r");
  for (int round = 0; round < 100; ++round) {
    auto a = w.connect({}, 0);
    if (round % 2 == 0)
      a.join("r");
    else
      a.send(R"({"type":"room:join","room":"r"})");
    a.send(R"({"type":"room:leave","room":"r"})");
    a.close();
    b.send(R"({"type":"say","room":"r","headers":{"echo":"true"},"payload":1})");
  }
  b.say("r", "2");
  BOOST_TEST(b.all("say").size() == 100u);
  auto c = w.connect({}, 0); // behind them all
  BOOST_TEST(c.join("r").payload()["members"].as_uint().value() == 2u);
}

BOOST_AUTO_TEST_CASE(a_subscription_narrows_application_messages_only) {
  world w;
  auto a = w.connect();
  auto b = w.connect();
  a.join("r");
  b.join("r");
  const auto all = [&] {
    for (const auto* type : {"chat:a", "chat:b", "other"})
      b.ask(R"({"type":")" + std::string{type} + R"(","room":"r","id":")" + type + "\"}");
    a.settle("r");
    std::string types;
    for (const auto& e : a.all())
      if (e.seq() != 0)
        types += e.type() + " ";
    return types;
  };
  a.ask(R"({"type":"subscribe","id":"1","payload":{"types":["chat:a"]}})");
  BOOST_TEST(all() == "chat:a ");
  a.ask(R"({"type":"subscribe","id":"2","payload":{"types":["oth*"]}})");
  auto c = w.connect();
  c.join("r"); // presence passes
  BOOST_TEST(a.until([&](const envelope& e) { return e.type() == "room:joined" && e.from() == c.id(); }).room() == "r");
  a.ask(R"({"type":"unsubscribe","id":"3","payload":{"types":["chat:a","oth*"]}})");
  BOOST_TEST(a.ask(R"({"type":"subscribe","id":"4","payload":{"types":[7]}})").code() == "bad_message");
  b.ask(R"({"type":"chat:c","room":"r","id":"c"})");
  BOOST_TEST(a.until("chat:c").from() == b.id());
}

BOOST_AUTO_TEST_CASE(what_joining_with_since_brings_passes_the_subscription) {
  world w;
  auto a = w.connect({}, 0);
  auto b = w.connect({}, 1);
  const auto epoch = std::string{*b.join("r").payload()["epoch"].as_string()};
  for (const auto* type : {"chat:a", "chat:b", "chat:a"})
    b.ask(R"({"type":")" + std::string{type} + R"(","room":"r","id":"x"})");
  a.ask(R"({"type":"subscribe","id":"1","payload":{"types":["chat:b"]}})");
  const auto ack = a.join("r", R"({"since":{"epoch":")" + epoch + R"(","seq":0}})");
  BOOST_TEST(*ack.payload()["recovered"].as_bool());
  a.settle("r");
  BOOST_TEST(a.all("chat:a").empty());
  BOOST_TEST(a.all("chat:b").size() == 1u);
  a.ask(R"({"type":"unsubscribe","id":"2","payload":{"types":["chat:b"]}})");
  a.join("r", R"({"since":{"epoch":")" + epoch + R"(","seq":1}})");
  a.settle("r");
  BOOST_TEST(a.all("chat:a").size() == 1u);
  BOOST_TEST(a.all("chat:b").size() == 2u);
}

BOOST_AUTO_TEST_CASE(the_rooms_of_a_connection_are_bounded) {
  auto c = world::defaults();
  c.limits.rooms_per_connection = 2;
  world w{c};
  auto a = w.connect();
  a.join("1");
  a.join("2");
  BOOST_TEST(a.join("3").code() == "unavailable");
  BOOST_TEST(a.join("1").type() == "ack");
  a.ask(R"({"type":"room:leave","room":"1","id":"l"})");
  BOOST_TEST(a.join("3").type() == "ack");
}

BOOST_AUTO_TEST_CASE(the_rooms_of_a_user_and_of_a_node_are_bounded) {
  auto c = world::defaults();
  c.limits.rooms_per_user = 2;
  c.limits.rooms = 3;
  world w{c};
  auto a = w.connect("ann");
  auto b = w.connect("ann");
  a.join("1");
  b.join("2");
  BOOST_TEST(a.join("3").code() == "unavailable");
  b.close();
  auto other = w.connect("bob");
  other.join("1");
  BOOST_TEST(other.join("3").type() == "ack");
  auto third = w.connect("carl");
  BOOST_TEST(third.join("4").code() == "unavailable");
  BOOST_TEST(third.ask(R"({"type":"say","room":"4","id":"x"})").code() == "not_a_member");
  third.join("1");
  BOOST_TEST(third.join("3").type() == "ack"); // the refused one takes no place of the user's
  w.wait_event("backpressure", "rooms_limit");
}

BOOST_AUTO_TEST_CASE(the_program_itself_speaks_to_a_room) {
  world w;
  auto a = w.connect();
  a.join("r");
  w.node.broadcast({.type = "news", .payload = 7}, "r");
  const auto e = a.until("news");
  BOOST_TEST(e.seq() == 1u);
  BOOST_TEST(e.from().empty());
}

BOOST_AUTO_TEST_CASE(a_drain_tells_everybody_and_ends_with_0) {
  world w;
  std::vector<client> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(w.connect());
    all.back().join("r");
  }
  auto away = w.connect();
  away.join("r");
  away.drop(); // waits for its client: nothing to wait for any more
  all[0].say("r", "1");
  w.node.drain();
  BOOST_TEST(w.node.wait() == 0);
  for (auto& c : all) {
    BOOST_TEST(c.closed() == 1001);
    BOOST_TEST(c.close_reason().starts_with("going away: reconnect in "));
  }
  BOOST_TEST(all[1].all("say").size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
