// Slow readers, loud senders, bad messages.

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "tests/actors/kernel_world.hpp"

#include <algorithm>
#include <atomic>

using namespace troupe;
using namespace troupe::testing;

namespace {

loopback_client_options narrow(std::size_t loop) {
  loopback_client_options o;
  o.capacity_bytes = 2048;
  o.loop = loop;
  return o;
}

config with_policy(overflow policy) {
  auto c = world::defaults();
  c.limits.outbox_messages = 20;
  c.rooms.patterns.push_back({.name = "r", .overflow = policy});
  return c;
}

/// One writes, one does not read until the end. What the slow one gets of the room: numbers, and gaps as -1.
std::vector<int> through_a_slow_reader(overflow policy, const std::string& extra = {}) {
  world w{with_policy(policy)};
  auto slow = w.connect(narrow(0));
  auto fast = w.connect({}, 1);
  auto writer = w.connect({}, 2);
  for (auto* c : {&slow, &fast, &writer})
    c->join("r");
  slow.settle("r");
  slow.read(false);
  for (int i = 1; i <= 200; ++i)
    writer.say("r", std::to_string(i), extra); // one after the other: a turn each
  for (int i = 1; i <= 200; ++i)
    BOOST_REQUIRE(to_json(fast.until("say").payload()) == std::to_string(i));
  auto beside = w.connect({}, 0);
  beside.settle(); // the loop of the slow one has handed out everything
  w.wait_event("backpressure", to_string(policy));
  slow.read(true);
  writer.say("r", "1000");
  std::vector<int> result;
  while (result.empty() || result.back() != 1000) {
    const auto e = slow.next();
    if (e.type() == "say")
      result.push_back(static_cast<int>(*e.payload().as_int()));
    if (e.type() == "gap")
      result.push_back(-1);
  }
  return result;
}

/// Hits a limit of its own a thousand times when it starts.
class crowded_door final : public edge::transport {
public:
  explicit crowded_door(std::string& numbers)
      : numbers_(numbers) {}
  std::string_view name() const noexcept override { return "crowded"; }
  void start(edge::host& on) override {
    for (int i = 0; i < 1000; ++i)
      on.pressure("crowded", "192.0.2.1");
    numbers_ = on.render_metrics();
  }
  void stop() noexcept override {}

private:
  std::string& numbers_;
};

/// Whether what is missing is marked, and the rest in order.
void check_gaps(const std::vector<int>& heard) {
  int last = 0;
  bool gap = false;
  for (const auto n : heard) {
    if (n > 0) {
      BOOST_TEST(n > last);
      BOOST_TEST((gap || n == last + 1 || n == 1000));
      last = n;
    }
    gap = n < 0;
  }
  BOOST_TEST((std::count(heard.begin(), heard.end(), -1) >= 1));
}

} // namespace

BOOST_AUTO_TEST_SUITE(kernel_flow)

BOOST_AUTO_TEST_CASE(one_slow_reader_is_closed_and_costs_the_others_nothing) {
  auto c = world::defaults();
  c.limits.outbox_messages = 50;
  world w{c};
  std::vector<client> all;
  for (std::size_t i = 0; i < 200; ++i) {
    all.push_back(w.connect({}, i % 3));
    all.back().join("r", R"({"presence":false})");
  }
  auto slow = w.connect(narrow(0));
  slow.join("r", R"({"presence":false})");
  slow.read(false);
  auto writer = w.connect({}, 1);
  writer.join("r", R"({"presence":false})");
  for (int i = 1; i <= 300; ++i)
    writer.say("r", std::to_string(i));
  w.wait_event("backpressure", "slow_consumer");
  slow.read(true); // before its time to linger is over
  BOOST_TEST(slow.closed() == 3008);
  for (auto& one : all)
    for (std::uint64_t i = 1; i <= 300; ++i)
      BOOST_REQUIRE(one.until("say").seq() == i);
  std::uint64_t last = 0;
  for (const auto& e : slow.all("say")) // what it got is whole and in order
    BOOST_TEST(e.seq() == ++last);
  BOOST_TEST(last < 300u);
  for (auto& one : all)
    BOOST_TEST(!one.is_closed());
}

BOOST_AUTO_TEST_CASE(a_slow_reader_comes_back_to_what_it_missed) {
  auto c = world::defaults();
  c.limits.outbox_messages = 20;
  world w{c};
  auto slow = w.connect(narrow(0));
  auto writer = w.connect({}, 1);
  const auto epoch = std::string{*slow.join("r").payload()["epoch"].as_string()};
  writer.join("r");
  const auto session = slow.session();
  slow.read(false);
  for (int i = 1; i <= 200; ++i)
    writer.say("r", std::to_string(i));
  slow.read(true);
  BOOST_TEST(slow.closed() == 3008);
  const auto seen = slow.all("say").empty() ? 0 : slow.all("say").back().seq();
  auto again = w.connect({}, 2);
  const auto ack = again.ask(R"({"type":"session:resume","id":"x","payload":{"session":")" + session +
                             R"(","rooms":{"r":{"epoch":")" + epoch + R"(","seq":)" + std::to_string(seen) + "}}}}");
  BOOST_TEST(*ack.payload()["resumed"].as_bool());
  BOOST_TEST(to_json(ack.payload()["rooms"]) == R"({"r":{"recovered":true}})");
  for (auto seq = seen + 1; seq <= 200; ++seq)
    BOOST_TEST(again.until("say").seq() == seq);
}

BOOST_AUTO_TEST_CASE(drop_oldest_keeps_the_newest_behind_a_gap) {
  const auto heard = through_a_slow_reader(overflow::drop_oldest);
  check_gaps(heard);
  BOOST_TEST((std::find(heard.begin(), heard.end(), 200) != heard.end()));
  BOOST_TEST(heard.size() < 200u);
}

BOOST_AUTO_TEST_CASE(drop_newest_keeps_the_oldest_before_a_gap) {
  const auto heard = through_a_slow_reader(overflow::drop_newest);
  check_gaps(heard);
  BOOST_TEST(heard.front() == 1);
  BOOST_TEST((std::find(heard.begin(), heard.end(), 200) == heard.end()));
}

BOOST_AUTO_TEST_CASE(conflate_keeps_the_newest_of_each_key) {
  const auto heard = through_a_slow_reader(overflow::conflate, R"(,"headers":{"conflate":"price"})");
  BOOST_TEST((std::find(heard.begin(), heard.end(), 200) != heard.end()));
  BOOST_TEST(heard.size() < 100u);
  int last = 0;
  for (const auto n : heard) {
    BOOST_TEST((n < 0 || n > last));
    last = std::max(last, n);
  }
}

BOOST_AUTO_TEST_CASE(too_many_messages_are_refused) {
  auto c = world::defaults();
  c.limits.message_rate = {5, milliseconds{1000}};
  world w{c};
  auto a = w.connect();
  int refused = 0;
  for (int i = 0; i < 50; ++i) {
    const auto e = a.ask(R"({"type":"ping","id":")" + std::to_string(i) + "\"}");
    refused += e.code() == "rate_limited" ? 1 : 0;
    if (e.type() == "error")
      BOOST_TEST(*e.payload()["temporary"].as_bool());
  }
  BOOST_TEST(refused >= 40);
  w.wait_event("backpressure", "rate_limited");
  BOOST_TEST(!a.is_closed());
}

BOOST_AUTO_TEST_CASE(too_many_messages_second_after_second_close_the_connection) {
  auto c = world::defaults();
  c.limits.message_rate = {5, milliseconds{1000}};
  c.limits.rate_limited_seconds = 1;
  world w{c};
  auto a = w.connect();
  std::string refusal;
  try {
    for (;;) { // one message after the other, each answered, until the second such second closes it
      a.send(R"({"type":"ping","id":"again"})");
      const auto answer = a.next();
      if (answer.type() == "error")
        refusal = answer.code();
    }
  } catch (const std::runtime_error&) {
    BOOST_TEST(a.closed() == 3029);
  }
  BOOST_TEST(a.close_reason() == "rate limited: send less, come back later");
  BOOST_TEST(refusal == "rate_limited");
  w.wait_event("backpressure", "rate_limited_close");
}

BOOST_AUTO_TEST_CASE(bad_messages_are_answered_and_more_than_ten_close) {
  world w;
  auto a = w.connect();
  const auto errors = [&] { return a.all("error").size(); };
  for (int i = 0; i < 10; ++i)
    a.send("this is no JSON");
  a.settle();
  BOOST_TEST(errors() == 10u);
  for (int i = 0; i < 20; ++i)
    a.ask(R"({"type":"hello","id":"f)" + std::to_string(i) + "\"}"); // other errors do not count
  a.send(R"({"type":7})");
  BOOST_TEST(a.closed() == 3503);
  w.wait_event("backpressure", "bad_messages_close");
}

BOOST_AUTO_TEST_CASE(requests_that_make_no_sense_count_as_bad_messages) {
  world w;
  auto a = w.connect();
  for (int i = 0; i < 10; ++i)
    BOOST_TEST(a.ask(R"({"type":"room:join","id":"j)" + std::to_string(i) + "\"}").code() == "bad_message");
  BOOST_TEST(!a.is_closed());
  a.send(R"({"type":"subscribe"})");
  BOOST_TEST(a.closed() == 3503);
}

BOOST_AUTO_TEST_CASE(what_is_too_large_closes_with_1009) {
  world w;
  auto a = w.connect();
  a.send(R"({"type":"x","payload":")" + std::string(70'000, 'x') + "\"}");
  BOOST_TEST(a.closed() == 1009);
  w.wait_event("backpressure", "too_large");
}

BOOST_AUTO_TEST_CASE(a_presence_state_that_is_too_large_is_told) {
  world w;
  auto a = w.connect();
  BOOST_TEST(a.join("r", R"({"state":")" + std::string(5000, 'x') + "\"}").code() == "too_large");
  w.wait_event("backpressure", "too_large");
}

BOOST_AUTO_TEST_CASE(what_a_client_hits_again_and_again_is_told_now_and_then) {
  auto c = world::defaults();
  c.limits.message_rate = {};
  world w{c};
  auto a = w.connect();
  auto b = w.connect();
  const auto big = R"({"state":")" + std::string(5000, 'x') + "\"}";
  constexpr std::size_t many = 500;
  for (std::size_t i = 0; i < many; ++i)
    BOOST_REQUIRE(a.join("r", big).code() == "too_large");
  BOOST_TEST(w.count_events("backpressure", "too_large") < many);
  BOOST_REQUIRE(b.join("r", big).code() == "too_large");
  BOOST_TEST(w.count_events("backpressure", "too_large") >= 2u); // each of them
}

BOOST_AUTO_TEST_CASE(what_strangers_hit_at_the_door_is_counted_each_time_and_told_now_and_then) {
  std::string numbers;
  std::atomic<int> told = 0;
  world w{world::defaults(), [&](kernel& k) {
            k.add_transport(std::make_unique<crowded_door>(numbers));
            k.on_event([&](const event& e) {
              told += e.kind == "backpressure" && e.detail == "crowded" && e.subject == "192.0.2.1" ? 1 : 0;
            });
          }};
  BOOST_TEST(numbers.find("troupe_backpressure_total{reason=\"crowded\"} 1000\n") != std::string::npos);
  BOOST_TEST(told >= 1);
  BOOST_TEST(told < 1000);
}

BOOST_AUTO_TEST_CASE(presence_over_abrupt_ends_leaves_no_ghosts) {
  auto c = world::defaults();
  c.session.resume_window = milliseconds{100};
  world w{c};
  auto b = w.connect("bob", 1);
  b.join("r");
  {
    std::vector<client> all;
    for (std::size_t i = 0; i < 30; ++i) {
      all.push_back(w.connect({}, i % 3));
      all.back().join("r");
    }
    for (std::size_t i = 0; i < all.size(); i += 2)
      all[i].drop();
  } // the rest is destroyed: dropped as well
  for (int i = 0; i < 30; ++i)
    b.until("room:left");
  const auto state = b.ask(R"({"type":"presence:get","room":"r","id":"who"})");
  BOOST_TEST(state.payload()["members"].size() == 1u);
  BOOST_TEST(b.all("room:joined").size() == 30u);
}

BOOST_AUTO_TEST_SUITE_END()
