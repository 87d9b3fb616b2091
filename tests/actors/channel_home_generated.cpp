// A channel with publishers, subscribers that come, go, resume and read slowly, a fan-out that is late and a log that
// is late as well, in any order. Each subscriber checks what it is sent against what the log has.

#include "tests/model/seeded.hpp"

#include "tests/actors/subscription_check.hpp"

#include <algorithm>
#include <optional>
#include <set>

using namespace troupe;
using namespace troupe::testing;

namespace {

constexpr member_key subscribers_max = 4;
constexpr member_key publisher = 100;

/// What the home said in a turn, and what was true then.
struct said {
  room_news_ptr news;
  std::uint64_t synced = 0;
};

struct world {
  explicit world(dice& d)
      : random(d) {
    channel_settings settings;
    settings.window = 1 + random.below(12);
    settings.ring_messages = 1 + random.below(24);
    settings.redeliver_after = milliseconds{20 + static_cast<std::int64_t>(random.below(200))};
    settings.dedupe_messages = random.below(20);
    settings.qos_floor = random.once_in(4) ? 1 : 0;
    if (random.once_in(2))
      settings.history_messages = 5 + random.below(60);
    listener.room = 1 + random.below(12);
    listener.once_drained = random.once_in(2);
    home.emplace(channel_home::setup{.id = 1, .name = "c", .epoch = "e", .settings = settings});
    home->now_is(1);
    listener.on_event = [this](member_key who, room_event::kind what, bool recovered) {
      happened(who, what, recovered);
    };
    hasty = random.once_in(3);
  }

  // -- what clients do

  void publish() {
    const bool again = random.once_in(6) && !asked.empty();
    asking what{"m" + std::to_string(++ids), std::to_string(ids), static_cast<qos>(random.below(3))};
    if (again) {
      what = asked[asked.size() - 1 - random.below(std::min<std::size_t>(asked.size(), 8))];
      if (random.once_in(5))
        what.payload = "0";
    }
    to_home.push_back(say_op(publisher, what.id, what.payload, {.qos = what.kind}));
    asked.push_back(std::move(what));
    ++unanswered;
  }

  room_op request(room_verb verb, subscription_check& c, std::string id = {}) {
    return request_op(verb, c.info, std::move(id));
  }

  std::shared_ptr<const member_info> fresh(member_key who) {
    auto& c = clients[who];
    const auto incarnation = c.info == nullptr ? 1 : c.info->incarnation + 1;
    listener.incarnations[who] = incarnation;
    return subscriber_of(who, incarnation);
  }

  void join(member_key who) {
    auto& c = clients[who];
    c.info = c.info == nullptr ? fresh(who) : subscriber_of(who, c.info->incarnation);
    auto op = request(room_verb::join, c, "j");
    switch (random.below(4)) {
    case 0:
      op.more->earliest = true;
      break;
    case 1:
      op.more->since = position{random.once_in(8) ? "other" : "e", random.below(home->last() + 3)};
      break;
    case 2:
      op.more->durable = "d";
      break;
    default:
      break;
    }
    listener.expect(c.info);
    c.wanted = true;
    ++c.joins;
    to_home.push_back(std::move(op));
  }
  void leave(member_key who) {
    auto& c = clients[who];
    if (!c.wanted)
      return;
    c.wanted = false;
    ++c.joins;
    to_home.push_back(request(room_verb::leave, c, "l"));
  }
  // Its connection goes; what waited for it is lost.
  void vanish(member_key who) {
    auto& c = clients[who];
    if (c.info == nullptr)
      return;
    listener.drop(who);
    to_home.push_back(request(room_verb::vanish, c));
    auto next = fresh(who);
    c = {};
    c.info = std::move(next);
    rebinding.erase(who);
  }
  void rebind(member_key who) {
    auto& c = clients[who];
    if (!c.subscribed || !c.wanted || c.joins != 0)
      return;
    listener.drop(who);
    c.info = fresh(who);
    auto op = request(room_verb::rebind, c);
    op.answer = false;
    if (random.once_in(2))
      op.more->since = position{"e", c.seen};
    rebinding[who] = op.more->since.has_value();
    listener.expect(c.info);
    c.subscribed = false;
    to_home.push_back(std::move(op));
  }
  void acknowledge(member_key who) {
    auto& c = clients[who];
    if (!c.subscribed || !c.wanted || c.joins != 0 || c.seen == 0 || c.anywhere)
      return;
    auto op = request(room_verb::acknowledge, c);
    op.more->offset = c.seen - random.below(std::min<std::uint64_t>(c.seen, 3));
    c.acknowledged = std::max(c.acknowledged, op.more->offset);
    to_home.push_back(std::move(op));
  }

  // -- what clients are told

  void happened(member_key who, room_event::kind what, bool recovered) {
    auto& c = clients[who];
    const auto asked_rebind = rebinding.find(who);
    if (what != room_event::kind::rebound || asked_rebind == rebinding.end())
      return;
    c.subscribed = true;
    if (asked_rebind->second)
      c.anywhere |= !recovered;
    else
      c.lenient = current->synced;
    c.anywhere |= ended.erase(who) != 0;
    c.last = c.seen;
    rebinding.erase(asked_rebind);
  }

  void told(member_key who, const told_message& e) {
    if (who == publisher)
      return answered(e);
    auto& c = clients[who];
    if (e.type == "ack" || (e.type == "error" && !e.id.empty())) {
      BOOST_REQUIRE_GT(c.joins, 0u);
      --c.joins;
      c.subscribed = e.type == "ack" && e.id == "j";
      if (c.subscribed) {
        c.seen = c.last = e.offset;
        c.acknowledged = c.lenient = 0;
        c.anywhere = false;
      } else if (e.type == "error" && e.id == "j" && c.joins == 0) {
        c.wanted = false;
      }
      return;
    }
    if (e.type == "error") { // the log could not be read
      c.subscribed = false;
      c.wanted = c.joins != 0 && c.wanted;
      return;
    }
    BOOST_TEST_REQUIRE(c.subscribed, who << " is no subscriber and was sent " << e.line());
    BOOST_TEST_CONTEXT("subscriber " << who) { c.told(e, log, *home); }
  }

  void answered(const told_message& e) {
    BOOST_REQUIRE_GT(unanswered, 0u);
    --unanswered;
    if (e.type == "error")
      return;
    BOOST_REQUIRE_EQUAL(e.type, "ack");
    BOOST_TEST_REQUIRE(log.records.contains(e.offset), e.line() << " is not in the log");
    BOOST_REQUIRE_EQUAL(log.records.at(e.offset)->id(), e.id);
  }

  // -- the machinery

  void home_turn(std::size_t ops) {
    begin_turn();
    for (; ops > 0 && !to_home.empty(); --ops) {
      const auto op = std::move(to_home.front());
      to_home.pop_front();
      apply(op);
    }
    if (random.once_in(3)) {
      if (const auto at = home->next_time(); at && *at <= now)
        home->pass_time(now);
    }
    end_turn();
  }

  void begin_turn() {
    acknowledged_before = acknowledged;
    began_anew.clear();
  }

  void end_turn() {
    for (auto& m : home->take_appends()) {
      BOOST_REQUIRE_EQUAL(m.offset, log.written + 1);
      log.written = m.offset;
      log.records[m.offset] = m.what;
    }
    for (const auto& r : home->take_reads())
      reads.push_back(r);
    auto news = home->seal(false);
    if (news == nullptr)
      return;
    for (const auto& event : news->events)
      if (event.batch != nullptr)
        look_at(*event.batch);
    to_fans.push_back({std::move(news), log.synced});
  }

  void look_at(const room_batch& batch) {
    for (const auto& f : batch.frames)
      BOOST_TEST_REQUIRE(f.seq <= log.synced, f.seq << " is delivered and not stored");
    for (const auto& f : batch.singles)
      for (const auto& e : channel_audience::read(*f.bytes)) {
        if (e.type == "error" && e.id.empty())
          ended.insert(f.to);
        if (e.type != "say")
          continue;
        BOOST_TEST_REQUIRE(e.offset <= log.synced, e.line() << " is given and not stored");
        if (!began_anew.contains(f.to))
          BOOST_TEST_REQUIRE(e.offset > acknowledged_before[f.to], f.to << " had acknowledged " << e.line());
      }
  }

  void apply(const room_op& op) {
    switch (op.verb) {
    case room_verb::publish:
      return home->publish(op, now);
    case room_verb::join:
      acknowledged[op.who] = 0;
      began_anew.insert(op.who);
      ended.erase(op.who);
      return home->join(op, now);
    case room_verb::leave:
      return home->leave(op);
    case room_verb::vanish:
      return home->vanish(op.who);
    case room_verb::rebind:
      return home->rebind(op, now);
    case room_verb::acknowledge:
      acknowledged[op.who] = std::max(acknowledged[op.who], op.more->offset);
      return home->acknowledge(op, now);
    case room_verb::spilled:
      ++spills;
      return home->spilled(op, now);
    case room_verb::drained:
      return home->drained(op, now);
    default:
      BOOST_REQUIRE(false);
    }
  }

  void store() {
    if (log.synced == log.written)
      return;
    begin_turn();
    if (random.once_in(25)) { // what is under way is refused, and what the home has not sent yet as well
      const auto from = log.synced + 1 + random.below(log.written - log.synced);
      log.synced = from - 1;
      home->stored(log.synced, now);
      log.records.erase(log.records.lower_bound(from), log.records.end());
      log.written = log.synced;
      home->not_stored(from, {error_code::unavailable, "the disk is full", 1000});
    } else {
      log.synced += 1 + random.below(log.written - log.synced);
      home->stored(log.synced, now);
    }
    if (random.once_in(50) && log.synced > 0)
      home->dropped_before(1 + random.below(log.synced), now);
    end_turn();
  }

  void answer_a_read() {
    if (reads.empty())
      return;
    begin_turn();
    const auto at = reads.begin() + static_cast<std::ptrdiff_t>(random.below(reads.size()));
    const auto wanted = *at;
    reads.erase(at);
    BOOST_TEST_REQUIRE(wanted.to <= log.synced, "a reading of what is not stored");
    std::vector<stored_message> found;
    if (random.once_in(20))
      for (auto many = random.below(5); many > 0; --many)
        log.damaged.insert(wanted.from + random.below(wanted.to - wanted.from + 1));
    offset_ranges damaged;
    const auto most = std::min<std::size_t>(wanted.messages_max, 1 + random.below(30));
    auto m = log.records.lower_bound(wanted.from);
    for (; m != log.records.end() && m->first <= wanted.to && found.size() + damaged.size() < most; ++m)
      if (!log.damaged.contains(m->first))
        found.push_back({m->first, m->second});
      else if (!damaged.empty() && damaged.back().last + 1 == m->first)
        ++damaged.back().last;
      else
        damaged.push_back({m->first, m->first});
    const failure why{error_code::unavailable, "the disk failed", {}};
    home->read_done(wanted.ticket, found, random.once_in(60) ? &why : nullptr, now, damaged);
    end_turn();
  }

  void fan_out_turn() {
    if (to_fans.empty())
      return;
    const auto turn = std::move(to_fans.front());
    to_fans.pop_front();
    current = &turn;
    listener.apply(*turn.news);
    current = nullptr;
    take_ops();
  }
  void take_ops() {
    for (; !listener.ops.empty(); listener.ops.pop_front())
      to_home.push_back(std::move(listener.ops.front()));
  }
  void client_turn(member_key who) {
    for (const auto& e : listener.send_one(who))
      told(who, e);
    take_ops();
  }

  void step() {
    const member_key who = 1 + random.below(subscribers_max);
    now += static_cast<mono_ms>(random.below(4));
    const auto what = random.below(hasty ? 40 : 24);
    if (what == 0)
      join(who);
    else if (what == 1)
      random.once_in(2) ? leave(who) : void();
    else if (what == 2)
      random.once_in(3) ? vanish(who) : rebind(who);
    else if (what <= 4)
      acknowledge(who);
    else if (what <= 7)
      store();
    else if (what <= 9)
      answer_a_read();
    else if (what <= 12)
      fan_out_turn();
    else if (what <= 15)
      client_turn(who);
    else if (what == 16)
      client_turn(publisher);
    else if (what <= 19)
      home_turn(1 + random.below(12));
    else
      publish();
  }

  bool behind(const subscription_check& c) const {
    return c.wanted && c.subscribed && !c.anywhere && !c.explained(c.seen, home->last() + 1, log, *home);
  }

  /// Everything gets done, nothing new is begun.
  void settle() {
    for (int round = 0; round < 4000; ++round) {
      const bool idle = to_home.empty() && to_fans.empty() && reads.empty() && log.synced == log.written;
      now += 10;
      home_turn(1000);
      store();
      answer_a_read();
      fan_out_turn();
      client_turn(publisher);
      bool done = idle && unanswered == 0;
      for (member_key who = 1; who <= subscribers_max; ++who) {
        client_turn(who);
        auto& c = clients[who];
        if (behind(c)) {
          done = false;
          if (idle && c.joins == 0) {
            auto op = request(room_verb::acknowledge, c);
            op.more->offset = c.acknowledged = c.seen;
            to_home.push_back(std::move(op));
          }
        }
      }
      if (done && listener.idle())
        return;
    }
  }

  void check_the_end() {
    settle();
    BOOST_TEST(unanswered == 0u);
    BOOST_TEST(!home->pending());
    for (member_key who = 1; who <= subscribers_max; ++who) {
      const auto& c = clients[who];
      BOOST_TEST(c.joins == 0u);
      if (c.wanted)
        BOOST_TEST(c.subscribed, who << " is not subscribed");
      BOOST_TEST(!behind(c), who << " has seen " << c.seen << " of " << home->last());
      if (c.wanted && c.subscribed)
        BOOST_TEST(listener.is_member(who));
    }
  }

  struct asking {
    std::string id;
    std::string payload;
    qos kind;
  };

  dice& random;
  std::optional<channel_home> home;
  channel_audience listener;
  naive_log log;
  std::map<member_key, subscription_check> clients;
  std::map<member_key, bool> rebinding; ///< Who waits for `rebound`, and whether it said what it had seen.
  std::deque<room_op> to_home;
  std::deque<said> to_fans;
  std::vector<channel_home::read> reads;
  const said* current = nullptr;
  std::map<member_key, std::uint64_t> acknowledged; ///< As the home knows it; `before`: when its turn began.
  std::map<member_key, std::uint64_t> acknowledged_before;
  std::set<member_key> began_anew; ///< In this turn.
  std::set<member_key> ended;      ///< Since the log could not be read for them.
  std::vector<asking> asked;
  std::size_t ids = 0;
  std::size_t unanswered = 0;
  std::size_t spills = 0;
  bool hasty = false; ///< Publishers flat out.
  mono_ms now = 1000;
};

} // namespace

BOOST_AUTO_TEST_SUITE(channel_home_generated)

BOOST_AUTO_TEST_CASE(everybody_is_given_all_in_order_and_only_what_is_stored) {
  std::size_t spills = 0;
  std::size_t damage_told = 0;
  std::uint64_t stored = 0;
  for_seeds(200, [&](dice& random) {
    world w{random};
    for (int step = 0; step < 1500; ++step)
      w.step();
    w.check_the_end();
    spills += w.spills;
    for (const auto& [who, c] : w.clients)
      damage_told += c.damage_told;
    stored += w.home->last();
  });
  BOOST_TEST_MESSAGE(stored << " messages, " << spills << " spills, " << damage_told << " gaps of what is damaged");
  BOOST_TEST(damage_told > 0u);
  BOOST_TEST(spills > 0u);
  BOOST_TEST(stored > 0u);
}

BOOST_AUTO_TEST_SUITE_END()
