// The turn-based game in a whole kernel, with clients through the loopback transport on two loops.

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "apps/examples/turns.hpp"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

namespace {

using namespace std::chrono_literals;

/// What a client has received; shared with its events, of which one may still come when the client is gone.
class inbox {
public:
  void put(std::string_view envelope) {
    auto read = troupe::wire::parse({envelope, troupe::encoding::json}).value_or(troupe::value{});
    std::lock_guard guard{lock_};
    envelopes_.push_back(std::move(read));
    arrived_.notify_all();
  }
  /// The next envelope whose type begins so; others before it are dropped.
  troupe::value next(std::string_view type, std::string_view or_type) {
    std::unique_lock guard{lock_};
    for (;;) {
      while (!envelopes_.empty()) {
        auto envelope = std::move(envelopes_.front());
        envelopes_.pop_front();
        const auto is = envelope["type"].as_string().value_or("");
        if (is.starts_with(type) || is.starts_with(or_type))
          return envelope;
      }
      BOOST_TEST_REQUIRE(arrived_.wait_for(guard, 30s, [&] { return !envelopes_.empty(); }),
                         "nothing of type " << type);
    }
  }

private:
  std::mutex lock_;
  std::condition_variable arrived_;
  std::deque<troupe::value> envelopes_;
};

/// A client whose envelopes are waited for.
class player {
public:
  player(troupe::loopback_transport& by, std::size_t loop, std::optional<std::string> user)
      : client_(by.connect({.user = std::move(user), .loop = loop},
                           {.message = [to = inbox_](std::string_view envelope) { to->put(envelope); }})) {}

  void send(const std::string& envelope) { BOOST_TEST_REQUIRE(client_->send(envelope)); }
  void join(const std::string& room) {
    send(R"({"type":"room:join","id":"join","room":")" + room + R"("})");
    next("ack");
  }
  void move(const std::string& room, int cell, std::uint64_t turn) {
    send(R"({"type":"game:move","id":"move","room":")" + room + R"(","payload":{"cell":)" + std::to_string(cell) +
         R"(,"turn":)" + std::to_string(turn) + "}}");
  }

  troupe::value next(std::string_view type, std::string_view or_type = "-") { return inbox_->next(type, or_type); }
  /// The next `game:state` in this phase.
  troupe::value next_state(std::string_view phase) {
    for (;;) {
      auto envelope = next("game:state");
      if (envelope["payload"]["phase"].as_string() == phase)
        return envelope;
    }
  }

private:
  std::shared_ptr<inbox> inbox_ = std::make_shared<inbox>();
  std::unique_ptr<troupe::loopback_client> client_;
};

/// A kernel with the game on two loops; ends with the test.
struct house {
  explicit house(std::chrono::milliseconds move_time)
      : kernel(two_loops()) {
    kernel.add(loopback);
    kernel.add_room("game:*", [move_time] { return std::make_unique<examples::game_room>(move_time); });
    kernel.start();
  }
  ~house() {
    kernel.drain();
    kernel.wait();
  }
  static troupe::config two_loops() {
    troupe::config settings;
    settings.loops = 2;
    return settings;
  }

  troupe::kernel kernel;
  troupe::loopback_transport loopback;
};

} // namespace

BOOST_AUTO_TEST_SUITE(turns_kernel)

BOOST_AUTO_TEST_CASE(of_two_moves_at_once_exactly_one_wins_and_everybody_sees_which) {
  house at{30s};
  for (int round = 0; round < 50; ++round) {
    const auto room = "game:" + std::to_string(round);
    player ann{at.loopback, 0, "ann"}, ann_too{at.loopback, 1, "ann"}, bob{at.loopback, 0, "bob"},
        bob_too{at.loopback, 1, "bob"}, watcher{at.loopback, 1, {}};
    for (auto* who : {&ann, &ann_too, &bob, &bob_too, &watcher})
      who->join(room);
    const auto begin = watcher.next_state("playing")["payload"];
    const auto turn = begin["turn"].as_uint().value();
    const bool anns = begin["next"].as_string() == "X";
    auto& one = anns ? ann : bob;
    auto& other = anns ? ann_too : bob_too;
    one.move(room, 2, turn);
    other.move(room, 6, turn);
    const auto first = one.next("ack", "error"), second = other.next("ack", "error");
    const bool one_won = first["type"].as_string() == "ack";
    BOOST_TEST(one_won != (second["type"].as_string() == "ack"));
    BOOST_TEST((one_won ? second : first)["payload"]["code"].as_string().value() == "conflict");

    const auto seen = watcher.next_state("playing");
    const std::string expected = std::string(one_won ? 2 : 6, '.') + (anns ? "X" : "O");
    BOOST_TEST(seen["payload"]["board"].as_string().value().starts_with(expected));
    const auto others = (anns ? bob : ann).next_state("playing");
    auto state = others;
    while (state["payload"]["turn"] != seen["payload"]["turn"])
      state = (anns ? bob : ann).next_state("playing");
    BOOST_TEST((state["payload"] == seen["payload"]));
    BOOST_TEST((state["seq"] == seen["seq"]));
  }
}

BOOST_AUTO_TEST_CASE(the_move_timer_and_an_abrupt_end_decide_the_game) {
  house at{50ms};
  auto ann = std::make_unique<player>(at.loopback, 0, std::nullopt);
  player bob{at.loopback, 1, std::nullopt};
  ann->join("game:short");
  bob.join("game:short");
  const auto over = bob.next_state("over");
  BOOST_TEST(over["payload"]["by"].as_string().value() == "time");
  BOOST_TEST(over["payload"]["winner"].as_string().has_value());
  bob.send(R"({"type":"game:again","room":"game:short"})");
  bob.next_state("playing");
  ann.reset();
  BOOST_TEST(bob.next_state("over")["payload"]["by"].as_string().has_value());
}

BOOST_AUTO_TEST_SUITE_END()
