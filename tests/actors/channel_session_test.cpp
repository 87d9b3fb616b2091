// Channels of a connection beside its rooms: what a session keeps, what rights and bounds say, what handlers can do.

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "tests/actors/channel_stage.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

using namespace troupe;
using namespace troupe::testing;
using boost::test_tools::per_element;

namespace {

std::string subscribe(const std::string& channel, const std::string& payload = "null", const std::string& id = "s") {
  return R"({"type":"channel:subscribe","channel":")" + channel + R"(","id":")" + id + R"(","payload":)" + payload +
         "}";
}

std::string resume(const std::string& session, const std::string& channels) {
  return R"({"type":"session:resume","id":"resume","payload":{"session":")" + session + R"(","channels":)" + channels +
         "}}";
}

std::string base64url(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const auto length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(length));
  for (auto& c : out)
    c = c == '+' ? '-' : c == '/' ? '_' : c;
  while (!out.empty() && out.back() == '=')
    out.pop_back();
  return out;
}

/// A key of its own, and tokens of it.
class key_file {
public:
  key_file() {
    std::ofstream{path_} << secret_;
    std::filesystem::permissions(path_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  ~key_file() { std::remove(path_.c_str()); }
  key_file(const key_file&) = delete;
  key_file& operator=(const key_file&) = delete;

  const std::string& path() const { return path_; }
  std::string token(const std::string& claims) const {
    const auto text = base64url(R"({"alg":"HS256","typ":"JWT"})") + "." + base64url(claims);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
    return text + "." + base64url({reinterpret_cast<const char*>(mac), size});
  }

private:
  std::string secret_ = std::string(40, 'k');
  std::string path_ = (std::filesystem::temp_directory_path() /
                       ("troupe_key_" + std::to_string(reinterpret_cast<std::uintptr_t>(this)) + "_" +
                        std::to_string(local_node::random_bits())))
                          .string();
};

} // namespace

BOOST_AUTO_TEST_SUITE(channel_session)

BOOST_AUTO_TEST_CASE(a_session_keeps_its_channels) {
  channel_stage stage;
  auto a = stage.connect("ann");
  a.send(subscribe("c", R"({"durable":"d"})"));
  auto& c = stage.channel("c");
  const auto before = c.let_in();
  a.answer("s");
  a.send(subscribe("quiet", "null", "q"));
  stage.channel("quiet").let_in();
  a.answer("q");
  a.send(subscribe("late", R"({"from":{"epoch":"E","offset":2},"durable":"l"})", "l"));
  auto& late = stage.channel("late");
  late.next(room_verb::join); // not answered
  const auto session = a.session();
  a.drop();
  auto again = stage.connect("ann", 1);
  again.send(resume(session, R"({"c":{"epoch":"E","offset":9},"late":{"epoch":3},"gone":{"epoch":"E","offset":1}})"));
  const auto op = c.next(room_verb::rebind);
  BOOST_TEST(op.who == before.who);
  BOOST_TEST(op.incarnation == before.incarnation + 1);
  BOOST_TEST((op.more->since == position{"E", 9}));
  BOOST_TEST(op.more->durable == "d");
  c.voice.reader_came(op.encoder);
  c.tell(room_event::kind::rebound, op, true);
  c.tell(room_event::kind::paused, op);
  c.piece(op, 10, 12);
  c.say();
  const auto silent = stage.channel("quiet").let_in(room_verb::rebind, true);
  BOOST_TEST(!silent.more->since.has_value());
  const auto asked = late.let_in();
  BOOST_TEST((asked.more->since == position{"E", 2}));
  BOOST_TEST(asked.more->durable == "l");
  const auto ack = again.answer("resume");
  BOOST_TEST(*ack.payload()["resumed"].as_bool());
  BOOST_TEST(
      to_json(ack.payload()["channels"]) ==
      R"({"c":{"recovered":true},"gone":{"recovered":false},"late":{"recovered":false},"quiet":{"recovered":true}})");
  BOOST_TEST(to_json(ack.payload()["rooms"]) == "{}");
  c.next(room_verb::drained); // what was held back has left
  c.tell(room_event::kind::live, op);
  c.frame(13);
  c.say();
  again.until([](const envelope& e) { return e.all["offset"].as_uint() == 13u; });
  BOOST_TEST(offsets(again) == numbers(10, 13), per_element());
  BOOST_TEST(again.all()[1].id() == "resume"); // before all that was missed
  again.close();
  c.next(room_verb::vanish);
}

BOOST_AUTO_TEST_CASE(who_does_not_come_back_vanishes_from_its_channels) {
  auto settings = world::defaults();
  settings.session.resume_window = milliseconds{1};
  channel_stage stage{settings};
  auto a = stage.connect("ann");
  a.send(subscribe("c"));
  auto& c = stage.channel("c");
  const auto in = c.let_in();
  a.answer("s");
  a.drop();
  BOOST_TEST(c.next(room_verb::vanish).who == in.who);
  auto b = stage.connect("ann");
  const auto ack = b.ask(resume("unknown", R"({"c":{"epoch":"E","offset":9}})"));
  BOOST_TEST(to_json(ack.payload()["channels"]) == R"({"c":{"recovered":false}})");
}

BOOST_AUTO_TEST_CASE(channels_count_among_the_rooms_of_a_connection) {
  auto settings = world::defaults();
  settings.limits.rooms_per_connection = 2;
  channel_stage stage{settings};
  auto a = stage.connect("ann");
  a.send(R"({"type":"room:join","room":"c","id":"1"})");
  stage.room("c").let_in();
  a.send(subscribe("c", "null", "2"));
  stage.channel("c").let_in();
  BOOST_TEST(a.answer("1").type() == "ack");
  BOOST_TEST(a.answer("2").type() == "ack");
  BOOST_TEST(a.ask(subscribe("d", "null", "3")).code() == "unavailable");
  a.send(R"({"type":"channel:unsubscribe","channel":"c","id":"4"})");
  BOOST_TEST((stage.channel("c").next(room_verb::leave).more == nullptr));
  a.send(subscribe("d", "null", "5"));
  stage.channel("d").let_in();
  BOOST_TEST(a.answer("5").type() == "ack");
}

BOOST_AUTO_TEST_CASE(a_token_that_allows_less_ends_subscriptions) {
  const key_file key;
  auto settings = world::defaults();
  settings.auth.keys = {key.path()};
  channel_stage stage{settings};
  auto a = stage.connect("ann");
  for (const auto* name : {"keep", "lose"}) {
    a.send(subscribe(name, "null", name));
    stage.channel(name).let_in();
    a.answer(name);
  }
  const auto token = key.token(R"({"sub":"ann","exp":4102444800,"caps":{"channel:keep":"r"}})");
  const auto answer = a.ask(R"({"type":"auth","id":"t","payload":{"token":")" + token + "\"}}");
  BOOST_TEST(answer.type() == "ack", answer.text);
  stage.channel("lose").next(room_verb::vanish);
  BOOST_TEST(a.until("error").code() == "forbidden");
  BOOST_TEST(a.ask(R"({"type":"say","channel":"keep","id":"w"})").code() == "forbidden");
  stage.channel("keep").frame(1);
  stage.channel("keep").say();
  stage.channel("lose").frame(1);
  stage.channel("lose").say();
  BOOST_TEST(*a.until("say").all["channel"].as_string() == "keep");
  stage.settle();
  BOOST_TEST(a.all("say").size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_handler_can_publish) {
  channel_stage stage{
      world::defaults(), [](local_node& node) {
        node.handlers.add_handler("order", {[](const message&, context&, toolkit& kit) {
                                              kit.channels.publish({.type = "placed", .payload = value(1)}, "orders");
                                            },
                                            {}});
        node.handlers.add_handler("force", {[](const message&, context&, toolkit& kit) {
                                              kit.channels.publish({.type = "forced"}, "orders", {.unchecked = true});
                                              kit.reply("done");
                                            },
                                            {}});
        node.handlers.add_handler("sloppy", {[](const message&, context&, toolkit& kit) {
                                               outgoing what{.type = "placed"};
                                               what.qos = qos::once;
                                               kit.channels.publish(std::move(what), "orders");
                                             },
                                             {}});
      }};
  auto a = stage.connect("ann");
  BOOST_TEST(a.ask(R"({"type":"order","id":"1"})").type() == "ack");
  auto& orders = stage.channel("orders");
  const auto op = orders.next(room_verb::publish);
  BOOST_TEST(op.message->type() == "placed");
  BOOST_TEST(op.message->channel() == "orders");
  BOOST_TEST(!op.answer);
  BOOST_TEST(*op.message->from()->user == "ann");
  BOOST_TEST(a.ask(R"({"type":"sloppy","id":"2"})").code() == "bad_message");
  auto r = stage.connect("reader");
  BOOST_TEST(r.ask(R"({"type":"order","id":"1"})").code() == "forbidden");
  BOOST_TEST(to_json(r.ask(R"({"type":"force","id":"2"})").payload()) == "\"done\"");
  BOOST_TEST(orders.next(room_verb::publish).message->type() == "forced");
}

BOOST_AUTO_TEST_CASE(a_node_without_a_log_has_no_channels) {
  channel_stage stage{world::defaults(), [](local_node& node) { node.journal = nullptr; }};
  auto a = stage.connect("ann");
  BOOST_TEST(a.ask(subscribe("c")).code() == "no_handler");
  BOOST_TEST(a.ask(R"({"type":"say","channel":"c","id":"1"})").code() == "no_handler");
  BOOST_TEST(a.ask(R"({"type":"channel:history","channel":"c","id":"2"})").code() == "no_handler");
  BOOST_TEST(a.ask(R"({"type":"channel:unsubscribe","channel":"c","id":"3"})").code() == "not_a_member");
}

BOOST_AUTO_TEST_SUITE_END()
