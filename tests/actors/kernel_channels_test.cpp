// Channels of a whole node: who may read and write them, what is recorded of it, what a program can say in them.

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "tests/actors/audit_bench.hpp"
#include "tests/actors/kernel_world.hpp"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

using namespace troupe;
using namespace troupe::testing;
using boost::test_tools::per_element;

namespace {

using lines = std::vector<std::string>;
using users = std::vector<std::string>;

/// A request about a channel, with an id of its own.
envelope ask(client& c, const std::string& type, const std::string& channel, const std::string& payload = "null") {
  static int asked = 0;
  return c.ask(R"({"type":")" + type + R"(","channel":")" + channel + R"(","id":"q)" + std::to_string(++asked) +
               R"(","payload":)" + payload + "}");
}

envelope subscribe(client& c, const std::string& channel, const std::string& payload = "null") {
  return ask(c, "channel:subscribe", channel, payload);
}

envelope forget(client& c, const std::string& channel) {
  return ask(c, "channel:unsubscribe", channel, R"({"forget":true})");
}

/// The payloads in an answer to `channel:history`.
std::string history(client& c, const std::string& channel) {
  std::string out;
  const auto answer = ask(c, "channel:history", channel);
  for (const auto& m : answer.payload()["messages"].elements())
    out += to_json(m["payload"]) + " ";
  return out;
}

/// What the audit log has of a channel.
lines channel_lines(const std::vector<log::record>& all, const std::string& channel) {
  lines out;
  for (const auto& r : all)
    if (r.channel == channel)
      out.push_back(log::to_string(r.kind) + " " + r.user + " " + std::to_string(r.offset.value_or(99)) +
                    (r.durable.empty() ? "" : " " + r.durable) + (r.detail.empty() ? "" : " (" + r.detail + ")"));
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(kernel_channels)

BOOST_AUTO_TEST_CASE(readers_and_writers_narrow_what_a_token_allows) {
  const data_scratch where;
  auto settings = world::defaults();
  settings.channels.writers = {"ann"};
  settings.channels.patterns = {{.name = "team:*", .readers = users{"ann", "team-*"}, .writers = users{}},
                                {.name = "members", .readers = users{"*"}}};
  const auto w = start(where, settings, [](kernel& k) {
    k.on("tell", [](const message&, context&, toolkit& kit) { kit.channels.publish({.type = "told"}, "news"); });
  });
  auto ann = w->connect("ann");
  auto bob = w->connect("bob");
  auto one = w->connect("team-1");
  auto nobody = w->connect();
  for (auto* c : {&ann, &one})
    BOOST_TEST(subscribe(*c, "team:1").type() == "ack");
  for (auto* c : {&bob, &nobody}) {
    BOOST_TEST(subscribe(*c, "team:1").code() == "forbidden");
    BOOST_TEST(ask(*c, "channel:history", "team:1").code() == "forbidden");
    BOOST_TEST(ask(*c, "say", "team:1", "1").type() == "ack"); // an empty list of its own
    BOOST_TEST(ask(*c, "say", "news", "1").code() == "forbidden");
    BOOST_TEST(subscribe(*c, "news").type() == "ack");
  }
  BOOST_TEST(ask(ann, "say", "news", "1").type() == "ack");
  BOOST_TEST(subscribe(bob, "members").type() == "ack");
  BOOST_TEST(subscribe(nobody, "members").code() == "forbidden");
  BOOST_TEST(bob.ask(R"({"type":"tell","id":"t"})").code() == "forbidden");
  BOOST_TEST(ann.ask(R"({"type":"tell","id":"t"})").type() == "ack");
}

BOOST_AUTO_TEST_CASE(who_reads_a_channel_is_recorded) {
  const data_scratch where;
  auto settings = world::defaults();
  settings.channels.patterns = {{.name = "quiet", .audit = audit_level::off}};
  settings.session.resume_window = milliseconds{0};
  {
    const auto w = start(where, settings);
    auto ann = w->connect("ann");
    for (const std::string channel : {"news", "quiet"}) {
      for (int i = 1; i <= 3; ++i)
        ask(ann, "say", channel, std::to_string(i));
      subscribe(ann, channel, R"({"from":"earliest","durable":"d"})");
      ask(ann, "channel:history", channel, R"({"limit":2,"reverse":true})");
      ann.until([](const envelope& e) { return e.all["offset"].as_uint() == 3; });
      ask(ann, "channel:unsubscribe", channel);
    }
    auto bob = w->connect("bob");
    subscribe(bob, "news");
    bob.close();
    while (w->connections() != 1)
      ann.settle();
    ask(ann, "channel:history", "news"); // what the channel was told before is recorded before
  }
  const auto all = audit_of(where);
  BOOST_TEST(channel_lines(all, "quiet").empty());
  BOOST_TEST(
      channel_lines(all, "news") ==
          (lines{"channel.subscribed ann 0 d", R"(channel.read ann 3 ({"limit":2,"reverse":true}))",
                 "channel.unsubscribed ann 3 d (left)", "channel.subscribed bob 3",
                 "channel.unsubscribed bob 3 (closed)", R"(channel.read ann 3 ({"limit":100,"reverse":false}))"}),
      per_element());
  for (const auto& r : all)
    if (r.channel == "news")
      BOOST_TEST((!r.epoch.empty() && !r.connection.empty()));
  check_intact(where);
}

BOOST_AUTO_TEST_CASE(a_durable_subscription_can_be_forgotten) {
  const data_scratch where;
  auto settings = world::defaults();
  settings.channels.durables_per_user = 1;
  const std::string a = R"({"durable":"a","from":"earliest"})";
  const std::string b = R"({"durable":"b","from":"earliest"})";
  {
    const auto w = start(where, settings);
    auto ann = w->connect("ann");
    for (int i = 1; i <= 2; ++i)
      ask(ann, "say", "c", std::to_string(i));
    BOOST_TEST(subscribe(ann, "c", a).type() == "ack");
    ann.send(R"({"type":"ack","payload":{"channel":"c","offset":2}})");
    ask(ann, "channel:unsubscribe", "c");
    BOOST_TEST(subscribe(ann, "c", b).code() == "rate_limited");
    BOOST_TEST(*subscribe(ann, "c", a).payload()["offset"].as_uint() == 2u);
    BOOST_TEST(ask(ann, "channel:unsubscribe", "c", R"({"forget":"a"})").code() == "bad_message");
    BOOST_TEST(forget(ann, "c").type() == "ack");
    BOOST_TEST(subscribe(ann, "c", b).type() == "ack");
    BOOST_TEST(forget(ann, "c").type() == "ack");
    BOOST_TEST(subscribe(ann, "c").type() == "ack");
    BOOST_TEST(forget(ann, "c").type() == "ack"); // it has nothing to forget
    BOOST_TEST(forget(ann, "c").code() == "not_a_member");
  }
  {
    const auto w = start(where, settings);
    auto ann = w->connect("ann");
    BOOST_TEST(*subscribe(ann, "c", b).payload()["offset"].as_uint() == 0u); // it begins anew
    BOOST_TEST(ask(ann, "channel:unsubscribe", "c").type() == "ack");
    BOOST_TEST(subscribe(ann, "c", a).code() == "rate_limited");
    BOOST_TEST(subscribe(ann, "c", b).type() == "ack");
    BOOST_TEST(forget(ann, "c").type() == "ack");
  }
  std::filesystem::remove_all(std::filesystem::path{where.path()} / "store"); // made again from the log
  const auto w = start(where, settings);
  auto ann = w->connect("ann");
  BOOST_TEST(*subscribe(ann, "c", a).payload()["offset"].as_uint() == 0u);
}

BOOST_AUTO_TEST_CASE(a_program_says_for_whom_a_message_is) {
  const data_scratch where;
  const auto program = [](kernel& k) {
    k.on("whisper", [](const message& m, context&, toolkit& kit) {
      kit.channels.publish({.type = "told", .payload = m.payload(), .subject = "cy", .audience = {"dan", "bob"}}, "c");
      kit.rooms.broadcast({.type = "said", .payload = m.payload(), .audience = {"bob"}}, "r");
      kit.send({.type = "sent", .audience = {"bob"}});
    });
    k.on("secret", [](const message&, context&, toolkit& kit) {
      kit.channels.publish({.type = "told", .log = privacy_log::none}, "c");
    });
    k.on("crowd", [](const message&, context&, toolkit& kit) {
      kit.channels.publish({.type = "told", .audience = std::vector<std::string>(101, "x")}, "c");
    });
  };
  {
    const auto w = start(where, world::defaults(), program);
    auto ann = w->connect("ann");
    auto bob = w->connect("bob");
    auto eve = w->connect("eve");
    for (auto* c : {&bob, &eve}) {
      subscribe(*c, "c");
      c->join("r");
    }
    BOOST_TEST(ann.ask(R"({"type":"whisper","id":"1","payload":7})").type() == "ack");
    for (const auto* type : {"told", "said"}) { // a room is faster than a disk
      while (bob.all(type).empty())
        bob.settle();
      BOOST_TEST(to_json(bob.all(type).front().payload()) == "7");
    }
    ask(ann, "say", "c", "8");
    eve.until("say");
    eve.settle("r");
    BOOST_TEST(eve.all("told").empty());
    BOOST_TEST(eve.all("said").empty());
    ann.settle();
    BOOST_TEST(ann.all("sent").empty());
    BOOST_TEST(ann.ask(R"({"type":"secret","id":"2"})").code() == "forbidden");
    BOOST_TEST(ann.ask(R"({"type":"crowd","id":"3"})").code() == "bad_message");
  }
  const auto w = start(where, world::defaults());
  auto bob = w->connect("bob");
  auto eve = w->connect("eve");
  BOOST_TEST(history(bob, "c") == "7 8 ");
  BOOST_TEST(history(eve, "c") == "8 ");
}

BOOST_AUTO_TEST_CASE(what_an_inbox_dropped_and_gave_out_is_recorded) {
  const data_scratch where;
  auto settings = world::defaults();
  settings.offline.queue_messages = 2;
  std::string bob_id;
  {
    const auto w = start(where, settings);
    auto ann = w->connect("ann");
    for (int i = 1; i <= 5; ++i)
      ann.ask(R"({"type":"note","to":{"user":"bob"},"offline":"queue","id":"n)" + std::to_string(i) + "\"}");
    auto bob = w->connect("bob");
    bob.until("offline.queue.flushed");
    bob_id = bob.id();
  }
  std::uint64_t dropped = 0;
  lines flushed;
  for (const auto& r : audit_of(where)) {
    if (r.kind == log::record_kind::inbox_dropped) {
      BOOST_TEST(r.target == "bob");
      BOOST_TEST(r.detail == "offline_limit");
      dropped += r.code.value_or(0);
    }
    if (r.kind == log::record_kind::offline_queue_flushed)
      flushed.push_back(r.target + " " + r.connection + " " + std::to_string(r.code.value_or(99)));
  }
  BOOST_TEST(dropped == 3u);
  BOOST_TEST(flushed == (lines{"bob " + bob_id + " 2"}), per_element());
}

BOOST_AUTO_TEST_CASE(an_off_loop_handler_is_not_given_what_is_over) {
  const auto gate = std::make_shared<latch>();
  const auto run = std::make_shared<std::atomic<int>>(0);
  world w{world::defaults(), [&](kernel& k) {
            const auto work = [gate, run](const message&, context&, toolkit&) {
              ++*run;
              gate->wait();
            };
            k.on("work", work, {.off_loop = true});
          }};
  auto ann = w.connect("ann");
  ann.send(R"({"type":"work","id":"1","ttl_ms":60000})");
  ann.send(R"({"type":"work","id":"2","ttl_ms":1})");
  ann.settle();
  const auto begun = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begun < std::chrono::milliseconds{5})
    ann.settle();
  gate->open();
  BOOST_TEST(ann.answer("1").type() == "ack");
  BOOST_TEST(ann.answer("2").code() == "expired");
  BOOST_TEST(*run == 1);
}

BOOST_AUTO_TEST_CASE(the_channels_that_a_user_wakes_are_bounded) {
  const data_scratch where;
  auto settings = world::defaults();
  settings.limits.channels_per_user = 3;
  settings.limits.channels_per_address = 5;
  settings.channels.idle_timeout = milliseconds{100};
  const auto w = start(where, settings);
  auto ann = w->connect("ann");
  auto too = w->connect("ann", 1); // on another loop
  auto bob = w->connect("bob");
  auto nobody = w->connect();
  BOOST_TEST(subscribe(ann, "1").type() == "ack");
  BOOST_TEST(subscribe(too, "2").type() == "ack");
  BOOST_TEST(subscribe(ann, "3").type() == "ack");
  for (auto* c : {&ann, &too}) { // by whatever way
    BOOST_TEST(subscribe(*c, "4").code() == "unavailable");
    BOOST_TEST(ask(*c, "say", "4").code() == "unavailable");
    BOOST_TEST(ask(*c, "channel:history", "4").code() == "unavailable");
    BOOST_TEST(ask(*c, "say", "1").type() == "ack"); // it is awake
  }
  w->wait_event("backpressure", "channels_per_user_limit");
  BOOST_TEST(subscribe(bob, "4").type() == "ack");
  BOOST_TEST(subscribe(ann, "4").type() == "ack"); // it is bob's
  BOOST_TEST(subscribe(nobody, "5").type() == "ack");
  BOOST_TEST(subscribe(nobody, "6").code() == "unavailable");
  BOOST_TEST(subscribe(bob, "6").code() == "unavailable");
  w->wait_event("backpressure", "channels_per_address_limit");
  BOOST_TEST(ask(ann, "channel:unsubscribe", "1").type() == "ack");
  while (subscribe(bob, "6").code() == "unavailable") // until it sleeps
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  BOOST_TEST(subscribe(nobody, "7").code() == "unavailable");
}

BOOST_AUTO_TEST_SUITE_END()
