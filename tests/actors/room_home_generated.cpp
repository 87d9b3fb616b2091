// Many members do anything in any order; what each is told is compared with a model that has no cleverness at all.

#include "tests/model/seeded.hpp"

#include "tests/actors/home_audience.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::testing;

namespace {

constexpr std::size_t ring_max = 8;

/// What a room is, as one would write it on a napkin.
struct naive_room {
  struct one {
    std::string state;
    bool presence;
  };
  struct said {
    std::uint64_t seq;
    std::string line;
  };

  std::map<member_key, one> members;
  std::vector<said> all;
  std::map<std::string, std::pair<std::string, std::uint64_t>> once; ///< User and id to payload and seq.
  std::map<member_key, lines> told;

  static std::string name(member_key who) { return "c" + std::to_string(who); }

  void others(member_key but, const std::string& line) {
    for (const auto& [who, m] : members)
      if (who != but && m.presence)
        told[who].push_back(line);
  }
  bool recovers(std::uint64_t since) const {
    const std::uint64_t lost = all.size() > ring_max ? all.size() - ring_max : 0;
    return since >= lost && since <= all.size();
  }
  void replay(member_key who, std::uint64_t since) {
    if (recovers(since))
      for (const auto& s : all)
        if (s.seq > since)
          told[who].push_back(s.line);
  }
  std::string list() const {
    std::map<std::string, std::string> sorted;
    for (const auto& [who, m] : members)
      sorted[name(who)] = m.state;
    std::string out = "state";
    for (const auto& [who, state] : sorted)
      out += " " + who + "=" + state;
    return out;
  }

  void join(member_key who, const std::string& id, const std::string& state, bool presence,
            std::optional<std::uint64_t> since) {
    const bool again = members.contains(who);
    members[who] = {state, presence};
    auto ack = "ack " + id + " members " + std::to_string(members.size()) + " at " + std::to_string(all.size());
    if (since)
      ack += recovers(*since) ? " recovered" : " lost";
    told[who].push_back(ack);
    if (since)
      replay(who, *since);
    if (!again)
      others(who, "joined " + name(who));
  }
  void leave(member_key who, const std::string& id) {
    if (!members.contains(who)) {
      if (!id.empty())
        told[who].push_back("error " + id + " not_a_member");
      return;
    }
    if (!id.empty())
      told[who].push_back("ack " + id);
    members.erase(who);
    others(who, "left " + name(who));
  }
  void update(member_key who, const std::string& id, const std::string& state) {
    if (!members.contains(who))
      return told[who].push_back("error " + id + " not_a_member");
    members[who].state = state;
    told[who].push_back("ack " + id);
    others(who, "diff ~" + name(who) + "=" + state);
  }
  void publish(member_key who, const std::string& id, const std::string& payload, bool echo, bool unique) {
    const auto key = name(who) + " " + id;
    if (unique && once.contains(key)) {
      const auto& [before, seq] = once[key];
      return told[who].push_back(before == payload ? "ack " + id + " at " + std::to_string(seq)
                                                   : "error " + id + " conflict");
    }
    const auto seq = all.size() + 1;
    all.push_back({seq, "say " + std::to_string(seq) + " " + name(who) + " " + payload});
    if (unique)
      once[key] = {payload, seq};
    for (const auto& [other, m] : members)
      if (echo || other != who)
        told[other].push_back(all.back().line);
    if (!id.empty())
      told[who].push_back("ack " + id + " at " + std::to_string(seq));
  }
  void rebind(member_key who, std::optional<std::uint64_t> since) {
    members[who].presence = true;
    if (since)
      replay(who, *since);
    told[who].push_back(list());
  }
};

struct walk {
  explicit walk(dice& d)
      : random(d) {
    room_settings settings;
    settings.ring_messages = ring_max;
    settings.presence_immediate_members_max = 1000;
    home.emplace(room_home::setup{.id = 1, .name = "r", .epoch = "e", .settings = settings});
  }

  std::optional<position> since() {
    if (random.once_in(2))
      return std::nullopt;
    return position{"e", random.below(model.all.size() + 2)};
  }

  void step() {
    const member_key who = 1 + random.below(12);
    const auto id = "i" + std::to_string(random.below(6));
    const auto payload = std::to_string(random.below(3));
    switch (random.below(8)) {
    case 0: {
      const bool presence = !random.once_in(4);
      const auto from = since();
      flush(); // the listener of the test learns of the wish only here
      home->join(join_op(who, id, payload, presence, from), 0);
      listener.presence[who] = presence;
      model.join(who, id, payload, presence, from ? std::optional{from->seq} : std::nullopt);
      break;
    }
    case 1:
      home->leave(op_of(room_verb::leave, who, id), 0);
      model.leave(who, id);
      break;
    case 2:
      if (random.once_in(2)) {
        home->vanish(who, 0);
        model.leave(who, {});
      }
      break;
    case 3:
      home->update(update_op(who, id, payload), 0);
      model.update(who, id, payload);
      break;
    case 4:
      home->list(op_of(room_verb::list, who, id));
      model.told[who].push_back(model.list());
      break;
    case 5:
      if (model.members.contains(who)) {
        const auto from = since();
        flush();
        home->rebind(rebind_op(who, from), 0);
        listener.presence[who] = true;
        model.rebind(who, from ? std::optional{from->seq} : std::nullopt);
      }
      break;
    default: {
      const bool unique = random.once_in(2);
      const bool echo = random.once_in(4);
      const auto with_id = unique || random.once_in(2) ? id : std::string{};
      home->publish(publish_op(who, with_id, payload, {.echo = echo, .qos = unique ? qos::once : qos::at_most_once}),
                    0);
      model.publish(who, with_id, payload, echo, unique);
    }
    }
  }

  void flush() {
    listener.apply(home->seal(false));
    for (member_key who = 1; who <= 12; ++who) {
      const auto heard = listener.take(who);
      const auto expected = std::exchange(model.told[who], {});
      BOOST_TEST_CONTEXT("member " << who) { BOOST_TEST(heard == expected, boost::test_tools::per_element()); }
    }
    BOOST_TEST(listener.members().size() == model.members.size());
  }

  dice& random;
  naive_room model;
  audience listener;
  std::optional<room_home> home;
};

} // namespace

BOOST_AUTO_TEST_SUITE(room_home_generated)

BOOST_AUTO_TEST_CASE(each_member_is_told_what_the_model_says) {
  for_seeds(150, [](dice& random) {
    walk w{random};
    for (int turn = 0; turn < 40; ++turn) {
      for (auto ops = random.below(8); ops > 0; --ops)
        w.step();
      w.flush();
    }
  });
}

BOOST_AUTO_TEST_SUITE_END()
