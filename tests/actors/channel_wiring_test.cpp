// Channels between clients and their home: what homes are asked, what members are given while they catch up. The homes
// are scripted; what a channel makes of it is tested with channel_home.

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "tests/actors/channel_stage.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::testing;
using boost::test_tools::per_element;

namespace {

std::string ask_for(const std::string& type, const std::string& channel, const std::string& id,
                    const std::string& payload = "null") {
  return R"({"type":")" + type + R"(","channel":")" + channel + R"(","id":")" + id + R"(","payload":)" + payload + "}";
}

std::string subscribe(const std::string& channel, const std::string& payload = "null", const std::string& id = "s") {
  return ask_for("channel:subscribe", channel, id, payload);
}

/// Subscribes as live, and waits for the answer. @returns what the home was asked
room_op enter(channel_stage& stage, client& c, const std::string& channel, const std::string& payload = "null") {
  static std::size_t asked = 0;
  const auto id = "enter-" + std::to_string(++asked);
  c.send(subscribe(channel, payload, id));
  auto op = stage.channel(channel).let_in();
  BOOST_REQUIRE(c.answer(id).type() == "ack");
  return op;
}

void await_offset(client& c, std::uint64_t offset) {
  c.until([offset](const envelope& e) { return e.all["offset"].as_uint() == offset; });
}

/// Two frames fill the outbox of a client that does not read.
config narrow() {
  auto c = world::defaults();
  c.limits.outbox_messages = 2;
  return c;
}

constexpr std::size_t narrow_capacity = 300; // of a client's socket, in bytes: some frames

} // namespace

BOOST_AUTO_TEST_SUITE(channel_wiring)

BOOST_AUTO_TEST_CASE(a_room_and_a_channel_of_one_name_are_two) {
  channel_stage stage;
  auto a = stage.connect("ann");
  a.send(R"({"type":"room:join","room":"x","id":"j"})");
  a.send(subscribe("x"));
  const auto join = stage.room("x").let_in();
  const auto sub = stage.channel("x").let_in();
  BOOST_TEST(join.id == "j");
  BOOST_TEST(sub.id == "s");
  BOOST_TEST(a.answer("j").room() == "x");
  BOOST_TEST(*a.answer("s").all["channel"].as_string() == "x");
  a.send(R"({"type":"say","room":"x","id":"1"})");
  a.send(R"({"type":"say","channel":"x","id":"2"})");
  BOOST_TEST(stage.room("x").next(room_verb::publish).message->id() == "1");
  BOOST_TEST(stage.channel("x").next(room_verb::publish).message->id() == "2");
  a.send(ask_for("channel:unsubscribe", "x", "u"));
  stage.channel("x").next(room_verb::leave);
  a.send(R"({"type":"say","room":"x","id":"3"})");
  BOOST_TEST(stage.room("x").next(room_verb::publish).message->id() == "3");
}

BOOST_AUTO_TEST_CASE(a_subscription_says_where_it_begins) {
  channel_stage stage;
  auto a = stage.connect("ann");
  auto op = enter(stage, a, "c");
  BOOST_TEST(op.answer);
  BOOST_TEST(!op.more->earliest);
  BOOST_TEST(!op.more->since.has_value());
  BOOST_TEST(op.more->durable.empty());
  BOOST_TEST(!op.more->member->presence);
  BOOST_TEST(enter(stage, a, "c", R"({"from":"earliest"})").more->earliest);
  op = enter(stage, a, "c", R"({"from":{"epoch":"E","offset":7},"durable":"d"})");
  BOOST_TEST((op.more->since == position{"E", 7}));
  BOOST_TEST(op.more->durable == "d");
  op = enter(stage, a, "c", R"({"from":"latest"})");
  BOOST_TEST((!op.more->earliest && !op.more->since));
  int bad = 0;
  for (const char* payload : {R"({"from":"first"})", R"({"from":7})", R"({"from":{"epoch":"E"}})",
                              R"({"from":{"epoch":"E","seq":1}})", R"({"durable":""})", R"({"durable":7})"})
    BOOST_TEST(a.ask(subscribe("c", payload, "bad-" + std::to_string(++bad))).code() == "bad_message");
  BOOST_TEST(a.ask(subscribe("c", "{\"durable\":\"" + std::string(129, 'x') + "\"}", "long")).code() == "bad_message");
  BOOST_TEST(a.ask(R"({"type":"channel:subscribe","room":"c","id":"r"})").code() == "bad_message");
  auto nobody = stage.connect();
  BOOST_TEST(nobody.ask(subscribe("c", R"({"durable":"d"})")).code() == "bad_message");
}

BOOST_AUTO_TEST_CASE(publishing_needs_the_right_to_and_no_subscription) {
  channel_stage stage;
  auto a = stage.connect("writer");
  a.send(R"({"type":"say","channel":"c","id":"1","payload":1})");
  auto& c = stage.channel("c");
  const auto op = c.next(room_verb::publish);
  BOOST_TEST(op.answer);
  BOOST_TEST(!op.members_only);
  c.answer(op, "ack", "{\"offset\":1}");
  c.say();
  BOOST_TEST(a.answer("1").type() == "ack");
  a.send(R"({"type":"say","channel":"c"})");
  BOOST_TEST(!c.next(room_verb::publish).answer);
  BOOST_TEST(a.ask(R"({"type":"say","channel":"c","id":"2","privacy":{"log":"none"}})").code() == "forbidden");
  BOOST_TEST(a.ask(subscribe("c")).code() == "forbidden");
  BOOST_TEST(a.ask(ask_for("channel:history", "c", "h")).code() == "forbidden");
  a.send(R"({"type":"say","channel":"c","qos":1,"payload":1})");
  a.until([](const envelope& e) { return e.code() == "bad_message"; }); // who wants an answer says for what
  a.send(R"({"type":"say","channel":"c","id":"3","privacy":{"log":"metadata"}})");
  BOOST_TEST(c.next(room_verb::publish).message->id() == "3");
  auto r = stage.connect("reader");
  BOOST_TEST(r.ask(R"({"type":"say","channel":"c","id":"1"})").code() == "forbidden");
  enter(stage, r, "c");
}

BOOST_AUTO_TEST_CASE(a_subject_is_oneself_unless_granted) {
  channel_stage stage;
  const auto about = [](const std::string& subject, const std::string& id) {
    return R"({"type":"say","channel":"c","id":")" + id + R"(","privacy":{"subject":")" + subject + R"("}})";
  };
  auto writer = stage.connect("writer");
  BOOST_TEST(writer.ask(about("bob", "1")).code() == "forbidden");
  writer.send(about("writer", "2"));
  auto& c = stage.channel("c");
  BOOST_TEST(c.next(room_verb::publish).message->fields().subject == "writer");
  auto ann = stage.connect("ann"); // who may do everything
  ann.send(about("bob", "3"));
  BOOST_TEST(c.next(room_verb::publish).message->id() == "3");
}

BOOST_AUTO_TEST_CASE(what_is_published_waits_for_credit_in_its_order) {
  auto settings = world::defaults();
  settings.limits.park_wait = milliseconds{60'000};
  channel_stage stage{settings};
  auto a = stage.connect("ann");
  for (int i = 1; i <= 200; ++i) // the stand-in's window is 64
    a.send(R"({"type":"say","channel":"c","id":")" + std::to_string(i) + "\"}");
  auto& c = stage.channel("c");
  for (int i = 1; i <= 200; ++i) {
    const auto op = c.next(room_verb::publish);
    BOOST_REQUIRE(op.message->id() == std::to_string(i));
    c.answer(op, "ack", "{}");
    c.wake();
  }
  a.answer("200");
}

BOOST_AUTO_TEST_CASE(history_is_for_everybody_who_may_read) {
  channel_stage stage;
  auto a = stage.connect("reader");
  a.send(ask_for("channel:history", "c", "1"));
  auto& c = stage.channel("c");
  auto op = c.next(room_verb::history);
  BOOST_TEST(op.answer);
  BOOST_TEST(op.more->limit == 100u);
  BOOST_TEST(!op.more->reverse);
  BOOST_TEST(!op.more->since.has_value());
  c.answer(op, "channel:history", "{\"messages\":[]}");
  c.say();
  BOOST_TEST(a.answer("1").type() == "channel:history");
  a.send(ask_for("channel:history", "c", "2", R"({"since":{"epoch":"E","offset":3},"limit":1000,"reverse":true})"));
  op = c.next(room_verb::history);
  BOOST_TEST((op.more->since == position{"E", 3}));
  BOOST_TEST(op.more->limit == 1000u);
  BOOST_TEST(op.more->reverse);
  int id = 2;
  for (const char* payload : {R"({"limit":0})", R"({"limit":1001})", R"({"limit":"1"})", R"({"since":3})",
                              R"({"since":{"epoch":"E"}})", R"({"reverse":1})"})
    BOOST_TEST(a.ask(ask_for("channel:history", "c", std::to_string(++id), payload)).code() == "bad_message");
}

BOOST_AUTO_TEST_CASE(acknowledgements_reach_the_channels_that_one_is_subscribed_to) {
  channel_stage stage;
  auto a = stage.connect("ann");
  enter(stage, a, "c");
  auto& c = stage.channel("c");
  a.send(R"({"type":"ack","payload":{"channel":"c","offset":5}})");
  auto op = c.next(room_verb::acknowledge);
  BOOST_TEST(op.more->offset == 5u);
  BOOST_TEST(!op.answer);
  a.send(R"({"type":"ack","channel":"c","payload":{"offset":6}})");
  BOOST_TEST(c.next(room_verb::acknowledge).more->offset == 6u);
  for (const char* ignored : {R"({"channel":"other","offset":5})", R"({"channel":"c"})", R"({"offset":5})",
                              R"({"channel":"c","offset":"5"})", R"({"inbox":5})", "null"})
    a.send(std::string{R"({"type":"ack","id":"never","payload":)"} + ignored + "}");
  a.send(ask_for("channel:unsubscribe", "c", "u"));
  op = c.next(room_verb::leave);
  BOOST_TEST(op.answer);
  a.send(R"({"type":"ack","payload":{"channel":"c","offset":7}})");
  BOOST_TEST(a.ask(ask_for("channel:unsubscribe", "c", "again")).code() == "not_a_member");
  a.send(R"({"type":"say","channel":"c","id":"last"})");
  BOOST_TEST(c.next(room_verb::publish).message->id() == "last");
  for (const auto& e : a.all())
    BOOST_TEST(e.id() != "never");
}

BOOST_AUTO_TEST_CASE(who_is_paused_is_given_pieces_and_no_frames) {
  channel_stage stage;
  auto a = stage.connect("ann");
  auto b = stage.connect("bob");
  const auto in_a = enter(stage, a, "c");
  enter(stage, b, "c");
  auto& c = stage.channel("c");
  c.tell(room_event::kind::paused, in_a);
  c.frames(4, 6);
  c.say();
  c.piece(in_a, 1, 3); // alone in its batch
  c.say();
  const auto op = c.next(room_verb::drained);
  BOOST_TEST(op.who == in_a.who);
  BOOST_TEST((op.more->member == in_a.more->member));
  c.frame(7);
  c.piece(in_a, 4, 7); // among frames
  c.tell(room_event::kind::live, in_a);
  c.frame(8);
  c.say();
  c.next(room_verb::drained);
  await_offset(a, 8);
  await_offset(b, 8);
  BOOST_TEST(offsets(a) == numbers(1, 8), per_element());
  BOOST_TEST(offsets(b) == numbers(4, 8), per_element());
}

BOOST_AUTO_TEST_CASE(more_comes_only_when_the_outbox_has_sent_all) {
  channel_stage stage;
  auto a = stage.connect("ann", 0, narrow_capacity);
  auto b = stage.connect("bob");
  const auto in_a = enter(stage, a, "c");
  enter(stage, b, "c");
  auto& c = stage.channel("c");
  a.read(false);
  stage.settle();
  c.tell(room_event::kind::paused, in_a);
  for (std::uint64_t n = 1; n <= 9; ++n) // each counts as one, and two on their way are owed one `drained`
    c.piece(in_a, n, n);
  c.say();
  stage.settle();
  b.send(R"({"type":"ack","channel":"c","payload":{"offset":1}})");
  c.next(room_verb::acknowledge); // and no `drained` before it
  a.read(true);
  c.next(room_verb::drained);
  b.send(R"({"type":"ack","channel":"c","payload":{"offset":2}})");
  c.next(room_verb::acknowledge);
  await_offset(a, 9);
  BOOST_TEST(offsets(a) == numbers(1, 9), per_element());
}

BOOST_AUTO_TEST_CASE(pieces_are_not_bounded_by_the_outbox_and_take_no_place_of_others) {
  auto settings = narrow();
  settings.limits.outbox_bytes = 1000;
  channel_stage stage{settings};
  auto a = stage.connect("ann", 0, narrow_capacity);
  std::vector<room_op> in;
  for (int i = 0; i < 10; ++i) {
    const auto name = std::to_string(i);
    a.send(subscribe(name, "null", name));
    in.push_back(stage.channel(name).let_in());
    a.answer(name);
  }
  a.read(false);
  stage.settle();
  for (int i = 0; i < 10; ++i) {
    auto& c = stage.channel(std::to_string(i));
    c.tell(room_event::kind::paused, in[static_cast<std::size_t>(i)]);
    c.piece(in[static_cast<std::size_t>(i)], 1, 100);
    c.say();
  }
  stage.settle();
  a.read(true);
  for (int i = 0; i < 10; ++i)
    stage.channel(std::to_string(i)).next(room_verb::drained);
  const auto all = offsets(a);
  BOOST_TEST(all.size() == 1000u);
  BOOST_TEST(!a.is_closed());
}

BOOST_AUTO_TEST_CASE(who_cannot_take_more_spills_and_is_given_it_later_in_order) {
  channel_stage stage{narrow()};
  auto a = stage.connect("ann", 0, narrow_capacity);
  auto b = stage.connect("bob");
  const auto in = enter(stage, a, "c");
  enter(stage, b, "c");
  auto& c = stage.channel("c");
  a.read(false);
  stage.settle();
  for (std::uint64_t n = 1; n <= 39; n += 2) {
    c.frames(n, n + 1);
    c.say();
  }
  const auto spilled = c.next(room_verb::spilled);
  const auto from = spilled.more->offset;
  BOOST_TEST(spilled.who == in.who);
  BOOST_TEST((spilled.more->member == in.more->member));
  BOOST_TEST(from > 1u);
  BOOST_TEST(from % 2 == 1u); // a whole batch, or nothing of it
  // What its home said before it knew would overtake what it is owed.
  c.tell(room_event::kind::paused, in);
  c.piece(in, 41, 42);
  c.tell(room_event::kind::live, in);
  c.frames(43, 44);
  c.say();
  stage.settle();
  a.read(true);
  c.next(room_verb::drained);
  c.frame(45);
  c.tell(room_event::kind::paused, in, true);
  c.frame(46);
  c.piece(in, from, 46);
  c.tell(room_event::kind::live, in);
  c.frame(47);
  c.say();
  c.next(room_verb::drained);
  await_offset(a, 47);
  BOOST_TEST(offsets(a) == numbers(1, 47), per_element());
  await_offset(b, 47);
}

BOOST_AUTO_TEST_CASE(who_wants_only_some_types_spills_at_the_first_of_them_that_it_cannot_take) {
  channel_stage stage{narrow()};
  auto a = stage.connect("ann", 0, narrow_capacity);
  a.ask(R"({"type":"subscribe","id":"f","payload":{"types":["long"]}})");
  const auto in = enter(stage, a, "c");
  auto& c = stage.channel("c");
  a.read(false);
  stage.settle();
  const std::string fill(narrow_capacity, 'x');
  c.frame(1, fill); // into the socket
  c.say();
  stage.settle();
  c.frame(2, fill); // not taken by it any more
  c.say();
  stage.settle();
  c.frame(3);
  c.frame(4, fill); // into the outbox, a run of one
  c.frame(5);
  c.frames(6, 7, fill); // no place for two
  c.frame(8);
  c.frame(9, fill);
  c.say();
  BOOST_TEST(c.next(room_verb::spilled).more->offset == 6u);
  a.read(true);
  c.next(room_verb::drained);
  c.tell(room_event::kind::paused, in, true);
  c.tell(room_event::kind::live, in);
  c.frame(10, fill);
  c.say();
  await_offset(a, 10);
  BOOST_TEST(offsets(a) == (std::vector<std::uint64_t>{1, 2, 4, 10}), per_element());
}

BOOST_AUTO_TEST_CASE(what_is_dropped_of_a_channel_is_named_in_a_gap) {
  channel_stage stage{narrow(), {}, overflow::drop_newest};
  auto a = stage.connect("ann", 0, narrow_capacity);
  enter(stage, a, "c");
  auto& c = stage.channel("c");
  a.read(false);
  stage.settle();
  const std::string fill(narrow_capacity, 'x');
  for (std::uint64_t n = 1; n <= 6; ++n) {
    c.frame(n, fill);
    c.say();
    stage.settle();
  }
  a.read(true);
  const auto gap = a.until("gap");
  BOOST_TEST(*gap.all["channel"].as_string() == "c");
  BOOST_TEST(*gap.payload()["from"].as_uint() == 5u);
  BOOST_TEST(*gap.payload()["to"].as_uint() == 6u);
}

BOOST_AUTO_TEST_CASE(a_home_that_cannot_go_on_lets_a_subscriber_go) {
  channel_stage stage;
  auto a = stage.connect("ann");
  const auto in = enter(stage, a, "c");
  auto& c = stage.channel("c");
  c.answer(in, "error", "{\"code\":\"unavailable\"}");
  c.tell(room_event::kind::refused, in);
  c.tell(room_event::kind::removed, in);
  c.say();
  a.until("error");
  BOOST_TEST(a.ask(ask_for("channel:unsubscribe", "c", "u")).code() == "not_a_member");
  enter(stage, a, "c");
}

BOOST_AUTO_TEST_CASE(a_new_home_is_told_what_its_subscribers_have) {
  channel_stage stage{narrow()};
  auto a = stage.connect("ann", 0, narrow_capacity);
  auto b = stage.connect("bob");
  auto d = stage.connect("dee");
  enter(stage, a, "c", R"({"durable":"mine"})");
  auto& c = stage.channel("c");
  const auto in_b = enter(stage, b, "c");
  c.frames(1, 2);
  c.say();
  const auto in_d = enter(stage, d, "c");
  c.tell(room_event::kind::paused, in_b);
  c.tell(room_event::kind::paused, in_d);
  c.tell(room_event::kind::live, in_d);
  c.say();
  await_offset(a, 2);
  stage.settle();
  c.rebirth();
  std::map<std::string, room_op> told;
  for (int i = 0; i < 3; ++i) {
    auto op = c.let_in(room_verb::restore);
    const auto user = *op.more->member->who->user;
    told.emplace(user, std::move(op));
  }
  BOOST_TEST(told.at("ann").more->offset == 2u);
  BOOST_TEST(told.at("ann").more->durable == "mine");
  BOOST_TEST(told.at("bob").more->offset == 0u); // it was catching up
  BOOST_TEST(told.at("dee").more->offset == 0u); // nothing has come since it went live
  c.frame(3);
  c.say();
  await_offset(a, 3);
  await_offset(b, 3);
}

BOOST_AUTO_TEST_SUITE_END()
