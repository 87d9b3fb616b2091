// The actor of a channel between a fan-out and a journal that a test plays.

#include "actors/channel_actor.hpp"

#include "tests/actors/channel_bench.hpp"
#include "tests/actors/silent_journal.hpp"
#include "tests/actors/still_stage.hpp"

using namespace troupe;
using namespace troupe::testing;

namespace {

/// Keeps what channels give to the log, and answers what it is asked to open.
class held_journal final : public silent_journal {
public:
  using entries_list = std::vector<std::shared_ptr<const channel_entries>>;
  held_journal(caf::actor_config& cfg, entries_list& held)
      : silent_journal(cfg)
      , held_(held) {}

private:
  void opening(const channel_opening&, const log_client_handle& from) override {
    channel_opened opened;
    opened.epoch = "e";
    send(from, std::make_shared<const channel_opened>(std::move(opened)));
  }
  void entries(const std::shared_ptr<const channel_entries>& what) override { held_.push_back(what); }

  entries_list& held_;
};

/// Stands where a fan-out would.
class listening_fan final : public fan_out_handle::base {
public:
  listening_fan(caf::actor_config& cfg, channel_audience& listener)
      : fan_out_handle::base(cfg)
      , listener_(listener) {}
  fan_out_handle::behavior_type make_behavior() override {
    return {[this](const room_news_ptr& news) { listener_.apply(*news); },
            [](const std::shared_ptr<const room_arrival>&) {}, [](const message_ptr&) {}, [](sweep_atom) {}};
  }

private:
  channel_audience& listener_;
};

struct channel_scene {
  explicit channel_scene(channel_settings settings = {})
      : identities(config{}.auth)
      , node(config{}, numbers, quiet, identities) {
    node.mono_clock = node.wall_clock = still.clock();
    node.on_event([this](const event& e) { events.push_back(e.kind + " " + e.subject); });
    node.journal = still.system.spawn<held_journal>(std::ref(held));
    fan = still.system.spawn<listening_fan>(std::ref(listener));
    node.fan_handles = {fan};
    channel = spawn_pinned<channel_actor>(still.system, nullptr, node, channel_setup{7, "c", settings, gate});
    caf::anon_send(channel, attach_atom::value, std::uint32_t{0}, fan);
    still.run();
  }
  ~channel_scene() {
    end(channel);
    end(fan);
    end(node.journal);
    node.fan_handles.clear();
    still.settle();
  }

  template <class Handle>
  void end(Handle& whom) {
    caf::anon_send_exit(whom, caf::exit_reason::kill);
    whom = nullptr;
    still.run();
  }
  void send(room_op op) {
    gate->take_anyway(1, op.bytes());
    auto ops = std::make_shared<room_ops>();
    ops->ops.push_back(std::move(op));
    caf::anon_send(channel, std::move(ops));
    still.run();
  }
  void became(std::uint64_t run, std::uint64_t from, std::uint64_t upto, std::optional<failure> why = {}) {
    auto what = std::make_shared<channel_outcome>(channel_outcome{run, from, upto, std::move(why)});
    caf::anon_send(channel, std::shared_ptr<const channel_outcome>{std::move(what)});
    still.run();
  }
  void cut(std::uint64_t first, const std::string& epoch = "e") {
    auto what = std::make_shared<channel_cut>(channel_cut{epoch, first});
    caf::anon_send(channel, std::shared_ptr<const channel_cut>{std::move(what)});
    still.run();
  }

  still_stage still;
  metrics numbers;
  logger quiet{-1};
  authenticator identities;
  local_node node;
  std::shared_ptr<credit_gate> gate = std::make_shared<credit_gate>(64, 1024 * 1024);
  channel_audience listener;
  held_journal::entries_list held;
  std::vector<std::string> events;
  fan_out_handle fan;
  channel_handle channel;
};

} // namespace

BOOST_AUTO_TEST_SUITE(channel_actor_suite)

BOOST_AUTO_TEST_CASE(what_waits_for_the_log_is_answered_when_the_channel_dies) {
  channel_scene s;
  s.send(say_op(1, "stored", "1"));
  s.became(0, 1, 1);
  s.send(say_op(1, "waits", "2"));
  s.send(say_op(2, "waits too", "3", {.qos = qos::once}));
  s.send(say_op(2, "waits too", "3", {.qos = qos::once}));
  check(s.listener.send_all(1), {"ack stored at e:1"});
  s.end(s.channel);
  check(s.listener.send_all(1), {"error waits unavailable"});
  check(s.listener.send_all(2), {"error waits too unavailable", "error waits too unavailable"});
}

BOOST_AUTO_TEST_CASE(after_a_refusal_offsets_are_given_again_in_another_run) {
  channel_scene s;
  for (const char* id : {"a", "b", "c"})
    s.send(say_op(1, id, "1"));
  BOOST_TEST_REQUIRE(s.held.size() == 3u);
  s.became(0, 1, 1);
  s.became(0, 2, 2, failure{error_code::unavailable, "no room", 1000});
  s.became(0, 3, 3, failure{error_code::unavailable, "no room", 1000});
  BOOST_TEST(s.gate->idle());
  s.send(say_op(1, "d", "1"));
  BOOST_TEST(s.held.back()->run == 1u);
  BOOST_TEST(s.held.back()->messages.front().offset == 2u);
  s.became(1, 2, 2);
  check(s.listener.send_all(1), {"ack a at e:1", "error b unavailable", "error c unavailable", "ack d at e:2"});
}

BOOST_AUTO_TEST_CASE(a_channel_hears_what_retention_has_dropped) {
  channel_settings settings;
  settings.window = 1;
  channel_scene s{settings};
  const auto reader = subscriber_of(1);
  s.listener.expect(reader);
  s.send(request_op(room_verb::join, reader, "j"));
  for (std::uint64_t n = 1; n <= 4; ++n) {
    s.send(say_op(2, {}, std::to_string(n), {.qos = qos::at_least_once}));
    s.became(0, n, n);
  }
  check(s.listener.send_all(1), {"ack j at e:0 recovered", "say 1 1"});
  s.cut(4, "another");
  s.cut(4);
  auto acknowledged = request_op(room_verb::acknowledge, reader);
  acknowledged.more->offset = 1;
  s.send(std::move(acknowledged));
  check(s.listener.send_all(1), {"gap retention 2-3", "say 4 4"});
}

BOOST_AUTO_TEST_CASE(bounds_that_are_hit_are_counted) {
  channel_settings settings;
  settings.durables = 0;
  channel_scene s{settings};
  auto op = request_op(room_verb::join, subscriber_of(1), "j");
  op.more->durable = "d";
  s.send(std::move(op));
  check(s.listener.send_all(1), {"error j unavailable"});
  BOOST_TEST(s.events == std::vector<std::string>{"backpressure c"});
}

BOOST_AUTO_TEST_SUITE_END()
