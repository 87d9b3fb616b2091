// A real channel_home, whose log is a list, behind real fan-outs and connections whose outboxes hold two frames: while
// it publishes flat out, clients stop reading and go on at any time, and acknowledge at any time. Each must hear every
// message once and in order, wherever it changed between stored and live ones. The home takes what it is asked as late
// as it likes, so that its news and what members say of them cross.

#include "tests/model/seeded.hpp"

#include "actors/channel_home.hpp"
#include "runtime/wire/make.hpp"
#include "tests/actors/channel_stage.hpp"

#include <chrono>

using namespace troupe;
using namespace troupe::testing;

namespace {

class channel_in_memory {
public:
  channel_in_memory(scripted_home& at, channel_settings settings)
      : at_(at)
      , home_(setup_for(at, std::move(settings))) {}

  void publish(bool reliable) {
    room_op op;
    outgoing what{.type = "say"};
    what.qos = reliable ? qos::at_least_once : qos::at_most_once;
    what.id = std::to_string(++published_);
    op.message = wire::make_message(what, target_kind::channel, "c");
    home_.publish(op, now_);
    step();
  }

  /// Does what it was asked next, if there is something. @returns whether there was
  bool work() {
    auto asked = at_.poll();
    if (!asked)
      return false;
    const auto& op = *asked;
    switch (op.verb) {
    case room_verb::join:
      home_.join(op, now_);
      break;
    case room_verb::acknowledge:
      home_.acknowledge(op, now_);
      break;
    case room_verb::spilled:
      ++spills;
      home_.spilled(op, now_);
      break;
    case room_verb::drained:
      home_.drained(op, now_);
      break;
    default:
      BOOST_FAIL("an operation that nobody has asked for");
    }
    step();
    return true;
  }

  std::uint64_t published() const { return published_; }
  std::size_t spills = 0;

private:
  static channel_home::setup setup_for(const scripted_home& at, channel_settings settings) {
    channel_home::setup s;
    s.id = at.id();
    s.name = "c";
    s.epoch = "E";
    s.settings = std::move(settings);
    return s;
  }

  void step() {
    for (auto& m : home_.take_appends())
      log_.push_back(std::move(m));
    home_.stored(log_.size(), now_);
    for (auto reads = home_.take_reads(); !reads.empty(); reads = home_.take_reads())
      for (const auto& wanted : reads) {
        std::vector<stored_message> found;
        for (auto n = wanted.from; n <= wanted.to && n <= log_.size() && found.size() < wanted.messages_max; ++n)
          found.push_back(log_[n - 1]);
        home_.read_done(wanted.ticket, found, nullptr, now_);
      }
    at_.pass_on(home_.seal(false));
  }

  scripted_home& at_;
  channel_home home_;
  std::vector<stored_message> log_;
  std::uint64_t published_ = 0;
  mono_ms now_ = 1;
};

struct listener {
  client link;
  bool reads = true;
  std::uint64_t acknowledged = 0;

  void toggle() {
    reads = !reads;
    link.read(reads);
  }
  std::uint64_t acknowledge() {
    const auto heard = offsets(link);
    const auto last = heard.empty() ? 0 : heard.back();
    if (std::exchange(acknowledged, last) != last)
      link.send(R"({"type":"ack","payload":{"channel":"c","offset":)" + std::to_string(last) + "}}");
    return last;
  }
};

std::size_t play(dice& random) {
  auto settings = world::defaults();
  settings.limits.outbox_messages = 2;
  channel_stage stage{settings};
  std::vector<listener> all;
  for (std::size_t i = 0; i < 4; ++i)
    all.push_back({stage.connect("u" + std::to_string(i), i % 3, 100 + random.below(1000))});
  channel_settings bounds;
  bounds.window = 1 + random.below(20);
  bounds.ring_messages = 1 + random.below(40);
  std::optional<channel_in_memory> channel;
  for (auto& l : all) {
    l.link.send(R"({"type":"channel:subscribe","channel":"c","id":"s"})");
    if (!channel)
      channel.emplace(stage.channel("c"), bounds);
    while (!channel->work()) {
    }
    BOOST_TEST(l.link.answer("s").type() == "ack");
  }
  for (int i = 0; i < 300; ++i) {
    auto& l = all[random.below(all.size())];
    switch (random.below(8)) {
    case 0:
      l.toggle();
      break;
    case 1:
      l.acknowledge();
      break;
    case 2:
    case 3:
      channel->work();
      break;
    default:
      channel->publish(random.once_in(3));
    }
  }
  for (auto& l : all)
    if (!l.reads)
      l.toggle();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  for (bool done = false; !done;) {
    while (channel->work()) {
    }
    done = true;
    for (auto& l : all)
      done = l.acknowledge() == channel->published() && done;
    BOOST_REQUIRE(std::chrono::steady_clock::now() < until);
  }
  for (auto& l : all)
    BOOST_TEST(offsets(l.link) == numbers(1, channel->published()), boost::test_tools::per_element());
  return channel->spills;
}

} // namespace

BOOST_AUTO_TEST_SUITE(channel_generated)

BOOST_AUTO_TEST_CASE(every_subscriber_hears_everything_once_and_in_order) {
  std::size_t spills = 0;
  for_seeds(40, [&](dice& random) { spills += play(random); });
  if (std::getenv("TROUPE_TEST_SEED") == nullptr)
    BOOST_TEST(spills > 0u); // or it was too easy
}

BOOST_AUTO_TEST_SUITE_END()
