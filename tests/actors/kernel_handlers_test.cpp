#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "tests/actors/kernel_world.hpp"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

using namespace troupe;
using namespace troupe::testing;

namespace {

std::string plain(std::string_view type, std::string_view id) {
  return R"({"type":")" + std::string{type} + R"(","id":")" + std::string{id} + "\"}";
}

/// A room whose logic waits for the test.
struct stuck_room final : room {
  explicit stuck_room(std::shared_ptr<latch> until)
      : gate(std::move(until)) {}
  void on_message(const message& m, room_context& ctx) override {
    gate->wait();
    ctx.forward(m);
  }
  std::shared_ptr<latch> gate;
};

struct whispering_room final : room {
  void on_message(const message& m, room_context& ctx) override {
    for (const auto* type : {"unwanted", "wanted"})
      ctx.send(m.from()->connection, {.type = type, .payload = "room"});
  }
};

struct moody_room final : room {
  void on_join(const room_member& who, room_context& ctx) override {
    if (who.user == "mallory")
      ctx.reject({error_code::forbidden, "not you", {}});
  }
  void on_message(const message& m, room_context& ctx) override {
    if (m.type() == "fail")
      throw std::runtime_error{"on purpose"};
    ctx.forward(m);
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(kernel_handlers)

BOOST_AUTO_TEST_CASE(a_chat_in_a_handler) {
  world w{world::defaults(), [](kernel& k) {
            k.on("chat:message", [](const message& m, context& ctx, toolkit& kit) {
              const auto room = m.room_or("lobby");
              kit.rooms.join(room, {.keep = true});
              kit.rooms.broadcast({.type = "chat:message", .payload = {{"from", ctx.id()}, {"body", m.payload()}}},
                                  room, {.except_self = true});
            });
          }};
  auto a = w.connect({}, 0);
  auto b = w.connect({}, 1);
  BOOST_TEST(a.ask(R"({"type":"chat:message","id":"1","payload":"hi"})").type() == "ack");
  a.settle("lobby");
  b.ask(R"({"type":"chat:message","id":"2","payload":[1e400]})");
  const auto e = a.until("chat:message");
  BOOST_TEST(to_json(e.payload()["body"]) == "[1e400]");
  BOOST_TEST(*e.payload()["from"].as_string() == b.id());
  b.settle("lobby");
  BOOST_TEST(b.all("chat:message").empty());
}

BOOST_AUTO_TEST_CASE(a_payload_can_be_read_or_says_why_not) {
  world w{world::defaults(), [](kernel& k) {
            k.on("sum", [](const message& m, context&, toolkit& kit) {
              const auto numbers = parse_payload(m);
              if (!numbers)
                return kit.reject(numbers.error());
              std::int64_t sum = 0;
              for (const auto& n : numbers->elements())
                sum += n.as_int().value_or(0);
              kit.reply(value(sum));
            });
          }};
  auto a = w.connect();
  BOOST_TEST(to_json(a.ask(R"({"type":"sum","id":"1","payload":[1,2,"x",4]})").payload()) == "7");
  BOOST_TEST(to_json(a.ask(R"({"type":"sum","id":"2"})").payload()) == "0");
  a.send(R"({"type":"sum","id":"3","payload":["\ud800"]})");
  const auto refused = a.answer("3");
  BOOST_TEST(refused.code() == "bad_message");
  BOOST_TEST(*refused.payload()["message"].as_string() == "payload: a string has a lone surrogate");
}

BOOST_AUTO_TEST_CASE(middleware_runs_in_order_and_may_stop_a_message) {
  auto order = std::make_shared<std::vector<std::string>>();
  world w{world::defaults(), [&](kernel& k) {
            k.on("*", [order](const message&, context&, toolkit&) { order->push_back("first"); });
            k.on("*", [order](const message& m, context&, toolkit& kit) {
              order->push_back("second");
              if (m.type() == "answered")
                kit.reply({{"by", "middleware"}});
              if (m.type() == "refused")
                kit.reject({error_code::conflict, "no", {}});
              return m.type() == "free" ? verdict::pass : verdict::stop;
            });
            k.on("free*", [order](const message&, context&, toolkit&) { order->push_back("prefix"); });
            k.on("free", [order](const message&, context&, toolkit&) { order->push_back("handler"); });
          }};
  auto a = w.connect();
  BOOST_TEST(a.ask(plain("free", "1")).type() == "ack");
  BOOST_TEST(a.ask(plain("stopped", "2")).code() == "forbidden");
  BOOST_TEST(to_json(a.ask(plain("answered", "3")).payload()) == R"({"by":"middleware"})");
  BOOST_TEST(a.ask(plain("refused", "4")).code() == "conflict");
  const std::vector<std::string> expected{"first", "second", "handler", "first", "second",
                                          "first", "second", "first",   "second"};
  BOOST_TEST(*order == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_handler_answers_once_whatever_it_does) {
  world w{world::defaults(), [](kernel& k) {
            k.on("twice", [](const message&, context&, toolkit& kit) {
              kit.reply(1);
              kit.reply(2);
              kit.reject({error_code::conflict, "", {}});
            });
            k.on("throws", [](const message&, context&, toolkit&) { throw std::runtime_error{"on purpose"}; });
            k.on("throws:late", [](const message&, context&, toolkit& kit) {
              kit.reply(1);
              throw std::runtime_error{"on purpose"};
            });
            k.on("throws:int", [](const message&, context&, toolkit&) { throw 7; });
            k.on("throws:later", [](const message&, context&, toolkit& kit) {
              kit.after(std::chrono::milliseconds{1}, [](toolkit&) { throw std::runtime_error{"later"}; });
              kit.after(std::chrono::milliseconds{2}, [](toolkit& k2) { k2.send({.type = "still:here"}); });
            });
            k.on("off:throws", [](const message&, context&, toolkit&) { throw 7; }, {.off_loop = true});
          }};
  auto a = w.connect({}, 0);
  auto b = w.connect({}, 0);
  BOOST_TEST(to_json(a.ask(plain("twice", "1")).payload()) == "1");
  BOOST_TEST(a.ask(plain("throws", "2")).code() == "internal");
  BOOST_TEST(to_json(a.ask(plain("throws:late", "3")).payload()) == "1");
  BOOST_TEST(a.ask(plain("throws:int", "4")).code() == "internal");
  BOOST_TEST(a.ask(plain("off:throws", "5")).code() == "internal");
  BOOST_TEST(a.ask(plain("off:throws", "6")).code() == "internal");
  BOOST_TEST(a.ask(plain("throws:later", "7")).type() == "ack");
  a.until("still:here");
  BOOST_TEST(b.ask(plain("ping", "1")).type() == "pong");
  a.settle();
  std::size_t answers = 0;
  for (const auto& e : a.all())
    answers += e.id().size() == 1 ? 1 : 0;
  BOOST_TEST(answers == 7u);
}

BOOST_AUTO_TEST_CASE(what_blocks_off_the_loop_delays_nobody_else) {
  auto gate = std::make_shared<latch>();
  world w{world::defaults(), [gate](kernel& k) {
            k.on("work", [gate](const message&, context&, toolkit& kit) { kit.reply(value(gate->wait())); },
                 {.off_loop = true});
          }};
  auto a = w.connect({}, 0);
  auto b = w.connect({}, 0); // the same loop
  a.send(plain("work", "slow"));
  BOOST_TEST(a.ask(plain("ping", "mine")).type() == "pong");
  b.join("r");
  BOOST_TEST(b.say("r", "1").type() == "ack"); // all while the handler blocks
  BOOST_TEST(!gate->is_open());
  gate->open();
  BOOST_TEST(to_json(a.answer("slow").payload()) == "true");
}

BOOST_AUTO_TEST_CASE(off_loop_handlers_keep_the_order_of_a_connection_and_their_effects_theirs) {
  world w{world::defaults(), [](kernel& k) {
            k.on("step",
                 [](const message& m, context&, toolkit& kit) {
                   kit.rooms.join("r", {.keep = true});
                   kit.rooms.broadcast({.type = "step", .payload = value(m.payload())}, "r");
                   kit.reply(value(m.payload()));
                 },
                 {.off_loop = true});
          }};
  auto a = w.connect();
  for (int i = 0; i < 100; ++i)
    a.send(R"({"type":"step","id":"s)" + std::to_string(i) + R"(","payload":)" + std::to_string(i) + "}");
  for (int i = 0; i < 100; ++i)
    BOOST_TEST(to_json(a.until("step").payload()) == std::to_string(i));
  const auto acks = a.all("ack");
  BOOST_REQUIRE(acks.size() == 100u);
  for (int i = 0; i < 100; ++i)
    BOOST_TEST(to_json(acks[static_cast<std::size_t>(i)].payload()) == std::to_string(i));
}

BOOST_AUTO_TEST_CASE(a_full_queue_of_handlers_stops_the_reading) {
  auto gate = std::make_shared<latch>();
  auto c = world::defaults();
  c.handlers.queue_max = 4;
  world w{c, [gate](kernel& k) {
            k.on("work", [gate](const message&, context&, toolkit&) { gate->wait(); }, {.off_loop = true});
          }};
  auto a = w.connect({}, 0);
  for (int i = 0; i < 10; ++i)
    a.send(plain("work", "w" + std::to_string(i)));
  a.send(plain("ping", "behind"));
  w.wait_event("backpressure", "handler_queue_full");
  auto b = w.connect({}, 0);
  b.settle(); // the loop has had its chance to read on
  BOOST_TEST(a.all("pong").empty());
  gate->open();
  a.answer("behind");
  for (int i = 0; i < 10; ++i)
    BOOST_TEST(a.answer("w" + std::to_string(i)).type() == "ack");
}

BOOST_AUTO_TEST_CASE(a_burst_of_a_handler_keeps_its_order_past_every_bound) {
  auto c = world::defaults();
  c.rooms.credit_messages = 8;
  world w{c, [](kernel& k) {
            k.on("burst", [](const message&, context&, toolkit& kit) {
              kit.rooms.join("r");
              for (int i = 0; i < 300; ++i)
                kit.rooms.broadcast({.type = "n", .payload = i}, "r");
            });
          }};
  auto a = w.connect();
  a.ask(plain("burst", "1"));
  for (int i = 0; i < 300; ++i)
    BOOST_TEST(to_json(a.until("n").payload()) == std::to_string(i));
}

BOOST_AUTO_TEST_CASE(members_presence_and_time_are_within_reach) {
  world w{
      world::defaults(), [](kernel& k) {
        k.on("track", [](const message& m, context&, toolkit& kit) { kit.presence.track("r", value(m.payload())); });
        k.on("mood", [](const message& m, context&, toolkit& kit) { kit.presence.update("r", value(m.payload())); });
        k.on("who", [](const message&, context&, toolkit& kit) {
          kit.presence.list("r", [](const std::vector<room_member>&) { throw std::runtime_error{"on purpose"}; });
          kit.rooms.members("r", [](const std::vector<room_member>& members) {
            if (members.empty())
              throw 1;
          });
        });
        k.on("away", [](const message&, context&, toolkit& kit) { kit.rooms.leave("r"); });
        k.on("bye", [](const message&, context&, toolkit& kit) { kit.close(close_code{4001}, "asked for"); });
      }};
  auto a = w.connect("ann");
  auto b = w.connect("bob");
  b.join("r");
  a.ask(R"({"type":"track","id":"1","payload":{"x":1}})");
  BOOST_TEST(to_json(b.until("room:joined").payload()["state"]) == R"({"x":1})");
  a.ask(R"({"type":"mood","id":"2","payload":{"x":2}})");
  BOOST_TEST(to_json(b.until("presence:diff").payload()["updates"][0]["state"]) == R"({"x":2})");
  a.ask(plain("who", "3"));
  const auto state = b.ask(R"({"type":"presence:get","room":"r","id":"4"})");
  BOOST_TEST(state.payload()["members"].size() == 2u);
  a.ask(plain("away", "5"));
  BOOST_TEST(b.until("room:left").from() == a.id());
  a.send(plain("bye", "6"));
  BOOST_TEST(a.closed() == 4001);
  BOOST_TEST(b.ask(plain("ping", "7")).type() == "pong");
}

BOOST_AUTO_TEST_CASE(who_is_refused_by_a_room_gets_nothing_in) {
  world w{world::defaults(), [](kernel& k) { k.add_room<moody_room>("club:*"); }};
  auto a = w.connect("ann", 0);
  auto m = w.connect("mallory", 1);
  a.join("club:1");
  m.send(R"({"type":"room:join","room":"club:1","id":"j"})");
  m.send(R"({"type":"say","room":"club:1","id":"s","payload":"let me in"})");
  m.send(R"({"type":"presence:get","room":"club:1","id":"p"})");
  BOOST_TEST(m.answer("j").code() == "forbidden");
  BOOST_TEST(m.answer("s").code() == "not_a_member");
  BOOST_TEST(m.answer("p").code() == "not_a_member");
  a.say("club:1", "1");
  BOOST_TEST(a.all("say").empty());
  BOOST_TEST(m.all("say").empty());
}

BOOST_AUTO_TEST_CASE(a_subscription_holds_for_what_rooms_and_handlers_send_to_one) {
  world w{world::defaults(), [](kernel& k) {
            k.add_room<whispering_room>("club:*");
            k.on("tell", [](const message&, context&, toolkit& kit) {
              for (const auto* type : {"unwanted", "wanted"})
                kit.send({.type = type, .payload = "kit"});
            });
          }};
  auto a = w.connect("ann", 0);
  a.join("club:1");
  const auto heard = [&](std::string_view type) {
    a.ask(plain("tell", "t" + std::string{type}));
    a.ask(R"({"type":"whisper","room":"club:1","id":"w)" + std::string{type} + "\"}");
    std::string all;
    for (const auto& e : a.all(type))
      all += to_json(e.payload());
    return all;
  };
  BOOST_TEST(heard("unwanted") == R"("kit""room")");
  a.ask(R"({"type":"subscribe","id":"1","payload":{"types":["wanted"]}})");
  BOOST_TEST(heard("wanted") == R"("kit""room""kit""room")");
  BOOST_TEST(a.all("unwanted").size() == 2u);
  a.ask(R"({"type":"unsubscribe","id":"2","payload":{"types":["wanted"]}})");
  a.ask(plain("tell", "again"));
  a.ask(R"({"type":"whisper","room":"club:1","id":"and again"})");
  BOOST_TEST(a.all("unwanted").size() == 4u);
}

BOOST_AUTO_TEST_CASE(a_room_that_fails_is_restarted_under_its_members) {
  world w{world::defaults(), [](kernel& k) { k.add_room<moody_room>("club:*"); }};
  auto a = w.connect("ann", 0);
  auto b = w.connect("bob", 1);
  a.join("club:1");
  b.join("club:1");
  BOOST_TEST(a.ask(R"({"type":"fail","room":"club:1","id":"f"})").code() == "internal");
  BOOST_TEST(b.say("club:1", "1").type() == "ack"); // held until then
  BOOST_TEST(a.until("say").from() == b.id());
  w.wait_event("supervisor.restarted", "on purpose");
  BOOST_TEST(b.all("room:left").empty());
}

BOOST_AUTO_TEST_CASE(a_room_that_blocks_holds_up_only_itself) {
  auto gate = std::make_shared<latch>();
  auto c = world::defaults();
  c.rooms.credit_messages = 2;
  c.limits.park_messages = 4;
  world w{c, [gate](kernel& k) {
            k.add_room("stuck", [gate] { return std::make_unique<stuck_room>(gate); }, {.off_loop = true});
          }};
  auto a = w.connect({}, 0);
  auto b = w.connect({}, 1);
  a.join("stuck");
  a.join("free");
  b.join("stuck");
  b.join("free");
  a.settle("stuck");
  const auto send = [&](int i) {
    a.send(R"({"type":"say","room":"stuck","id":"s)" + std::to_string(i) + R"(","payload":)" + std::to_string(i) + "}");
  };
  for (int i = 0; i < 4; ++i) // two have credit, two wait here
    send(i);
  BOOST_TEST(a.say("free", "1").type() == "ack");
  BOOST_TEST(b.until("say").room() == "free");
  for (int i = 4; i < 30; ++i) // the park is full: what comes now is not read
    send(i);
  a.send(R"({"type":"ping","id":"behind"})");
  w.wait_event("backpressure", "park_full");
  BOOST_TEST(b.say("free", "2").type() == "ack"); // others go on
  BOOST_TEST(a.all("pong").empty());
  gate->open();
  for (int i = 0; i < 30; ++i)
    BOOST_TEST(to_json(b.until([](const envelope& e) { return e.room() == "stuck" && e.type() == "say"; }).payload()) ==
               std::to_string(i));
  a.answer("behind");
  for (int i = 0; i < 30; ++i)
    BOOST_TEST(a.answer("s" + std::to_string(i)).type() == "ack");
}

BOOST_AUTO_TEST_CASE(what_waits_too_long_is_unavailable_and_a_leave_never_waits) {
  auto gate = std::make_shared<latch>();
  auto c = world::defaults();
  c.rooms.credit_messages = 1;
  c.limits.park_wait = milliseconds{100};
  world w{c, [gate](kernel& k) {
            k.add_room("stuck*", [gate] { return std::make_unique<stuck_room>(gate); }, {.off_loop = true});
          }};
  auto a = w.connect({}, 0);
  auto b = w.connect({}, 1);
  auto c1 = w.connect({}, 1); // through it the loop of b knows the room's credit
  a.join("stuck");
  c1.join("stuck");
  a.settle("stuck");
  a.send(R"({"type":"say","room":"stuck","id":"1"})");
  a.send(R"({"type":"say","room":"stuck","id":"2"})");
  BOOST_TEST(a.answer("2").code() == "unavailable");
  w.wait_event("backpressure", "park_expired");
  b.send(R"({"type":"room:join","room":"stuck","id":"3"})");
  b.send(R"({"type":"say","room":"stuck","id":"4"})");
  BOOST_TEST(b.answer("3").code() == "unavailable");
  BOOST_TEST(b.answer("4").code() == "unavailable");
  BOOST_TEST(b.ask(R"({"type":"say","room":"stuck","id":"5"})").code() == "not_a_member");
  a.send(R"({"type":"say","room":"stuck","id":"6"})"); // waits; the leave takes it along
  a.send(R"({"type":"room:leave","room":"stuck","id":"7"})");
  gate->open();
  BOOST_TEST(a.answer("7").type() == "ack");
  std::string answers;
  for (const auto& e : a.all())
    if (e.id().size() == 1)
      answers += e.id();
  BOOST_TEST(answers == "2167");
  BOOST_TEST(b.join("stuck").payload()["members"].as_uint().value() == 2u);
}

BOOST_AUTO_TEST_CASE(what_waits_past_its_time_to_live_has_expired) {
  auto gate = std::make_shared<latch>();
  auto c = world::defaults();
  c.rooms.credit_messages = 1;
  world w{c, [gate](kernel& k) {
            k.add_room("stuck", [gate] { return std::make_unique<stuck_room>(gate); }, {.off_loop = true});
          }};
  auto a = w.connect({}, 0);
  a.join("stuck");
  a.settle("stuck");
  a.send(R"({"type":"say","room":"stuck","id":"1"})");
  a.send(R"({"type":"say","room":"stuck","id":"2","ttl_ms":20})"); // waits for the room's credit
  a.send(R"({"type":"say","room":"stuck","id":"3"})");
  a.settle();
  for (const auto begin = std::chrono::system_clock::now();
       std::chrono::system_clock::now() - begin <= std::chrono::milliseconds{21};)
    a.settle();
  gate->open();
  BOOST_TEST(a.answer("1").type() == "ack");
  BOOST_TEST(a.answer("2").code() == "expired");
  BOOST_TEST(a.answer("3").type() == "ack");
}

BOOST_AUTO_TEST_SUITE_END()
