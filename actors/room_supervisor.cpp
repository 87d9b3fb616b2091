#include "actors/room_supervisor.hpp"

#include "actors/channel_actor.hpp"
#include "actors/inbox_name.hpp"
#include "actors/node.hpp"
#include "actors/room_actor.hpp"

#include <chrono>

namespace troupe {
namespace {

using counts = std::unordered_map<std::string, std::size_t>;

std::size_t counted(const counts& of, const std::string& who) {
  const auto at = of.find(who);
  return at == of.end() ? 0 : at->second;
}

/// @param who empty: nobody, who has no bound
void count(counts& of, const std::string& who) {
  if (!who.empty())
    ++of[who];
}

void discount(counts& of, const std::string& who) {
  const auto at = of.find(who);
  if (at != of.end() && --at->second == 0)
    of.erase(at);
}

} // namespace

room_supervisor::room_supervisor(caf::actor_config& cfg, loop* home, local_node& owner)
    : pinned_actor(cfg, home)
    , node_(owner) {}

room_supervisor_handle::behavior_type room_supervisor::make_behavior() {
  node_.observe(*this);
  set_down_handler([this](caf::down_msg& down) {
    const auto known = by_address_.find(down.source);
    if (known == by_address_.end())
      return;
    const auto id = known->second;
    by_address_.erase(known);
    auto& c = rooms_.at(id);
    c.dead = true;
    failed(c.name, id, "its actor ended: " + to_string(down.reason));
  });
  return {
      [this](const std::shared_ptr<const room_claim>& what, const fan_out_handle& fan) { claim(*what, fan); },
      [this](const std::shared_ptr<const room_failure>& what) {
        if (rooms_.contains(what->id)) // else a timer threw in a room that had asked for its end
          failed(what->name, what->id, what->what);
      },
      [this](const std::shared_ptr<const room_retiring>& what) { retire(*what); },
      [this](forget_atom, const std::string& subject) {
        for (const auto& [id, c] : rooms_)
          if (!c.dead)
            send(c.home, forget_atom::value, subject);
      },
      [this](restart_atom, std::uint32_t id) { restart(id); },
      [this](describe_atom, const std::string& room) -> caf::result<std::shared_ptr<const room_report>> {
        const auto known = by_name_[0].find(room);
        if (known != by_name_[0].end() && !rooms_.at(known->second).dead)
          return delegate(rooms_.at(known->second).home, describe_atom::value);
        auto nobody = std::make_shared<room_report>();
        nobody->name = room;
        return std::shared_ptr<const room_report>{std::move(nobody)};
      },
      [this](describe_atom) {
        std::vector<std::string> names;
        names.reserve(by_name_[0].size());
        for (const auto& [name, id] : by_name_[0])
          names.push_back(name);
        return names;
      },
  };
}

void room_supervisor::on_exit() {
  for (const auto& [id, c] : rooms_)
    caf::anon_send_exit(c.home, caf::exit_reason::user_shutdown);
  rooms_.clear();
}

void room_supervisor::claim(const room_claim& what, const fan_out_handle& fan) {
  auto& names = by_name_[what.channel ? 1 : 0];
  auto known = names.find(what.name);
  if (known == names.end()) {
    if (auto why = lacks_place(what)) {
      auto refusal = std::make_shared<room_arrival>();
      refusal->name = what.name;
      refusal->channel = what.channel;
      refusal->refused = *std::move(why);
      return send(fan, std::shared_ptr<const room_arrival>{std::move(refusal)});
    }
    known = names.emplace(what.name, ++last_id_).first;
    auto& fresh = rooms_[last_id_];
    fresh.name = what.name;
    fresh.channel = what.channel;
    if (what.channel) {
      fresh.user = what.user;
      fresh.address = what.address;
      count(woken_by_user_, what.user);
      count(woken_by_address_, what.address);
    }
    start_child(last_id_, fresh, what.loop);
  }
  auto& c = rooms_.at(known->second);
  c.fans[what.loop] = fan;
  if (c.dead)
    return; // it arrives once its backoff is over
  ++c.attaches;
  send(c.home, attach_atom::value, what.loop, fan);
  arrive(c, known->second, fan, false);
}

std::optional<std::string> room_supervisor::lacks_place(const room_claim& what) {
  const auto& limits = node_.settings.limits;
  const auto& names = by_name_[what.channel ? 1 : 0];
  if (!what.channel) {
    if (names.size() < limits.rooms)
      return std::nullopt;
    node_.pressure_at_door("rooms_limit", what.name);
    return "this node has as many rooms as it may have (limits.rooms)";
  }
  if (!is_channel_name(what.name))
    return "this is no name of a channel";
  if (node_.journal == nullptr)
    return "this node keeps no log, so it has no channels";
  if (names.size() >= limits.channels) {
    node_.pressure_at_door("channels_limit", what.name);
    return "this node has as many channels as it may have (limits.channels)";
  }
  if (counted(woken_by_user_, what.user) >= limits.channels_per_user) {
    node_.pressure("channels_per_user_limit", what.user);
    return "you have woken as many channels as you may (limits.channels_per_user)";
  }
  if (counted(woken_by_address_, what.address) >= limits.channels_per_address) {
    node_.pressure("channels_per_address_limit", what.address);
    return "clients of your address have woken as many channels as they may (limits.channels_per_address)";
  }
  return std::nullopt;
}

void room_supervisor::start_child(std::uint32_t id, child& c, std::uint32_t loop) {
  c.dead = false;
  if (c.channel)
    spawn_channel(id, c, loop);
  else
    spawn_room(id, c, loop);
  monitor(c.home);
  by_address_[c.home.address()] = id;
}

void room_supervisor::spawn_channel(std::uint32_t id, child& c, std::uint32_t loop) {
  channel_setup setup;
  setup.id = id;
  setup.name = c.name;
  setup.settings = node_.settings.channels.of(c.name);
  c.gate = std::make_shared<credit_gate>(node_.settings.channels.credit_messages, node_.settings.channels.credit_bytes);
  setup.gate = c.gate;
  auto* where = node_.loops.empty() ? nullptr : node_.loops[loop % node_.loops.size()].get();
  c.home = spawn_pinned<channel_actor>(system(), where, node_, std::move(setup));
}

void room_supervisor::spawn_room(std::uint32_t id, child& c, std::uint32_t loop) {
  room_setup setup;
  setup.home.id = id;
  setup.home.name = c.name;
  setup.home.epoch = node_.new_epoch();
  setup.home.settings = node_.settings.rooms.of(c.name);
  setup.home.dedupe_messages_max = node_.settings.rooms.dedupe_messages;
  setup.type = node_.room_types.find(c.name);
  setup.seed = node_.random_bits();
  if (const auto kept = snapshots_.find(c.name); kept != snapshots_.end()) {
    setup.snapshot = std::move(kept->second);
    snapshots_.erase(kept);
  }
  c.gate = std::make_shared<credit_gate>(node_.settings.rooms.credit_messages, node_.settings.rooms.credit_bytes);
  setup.gate = c.gate;
  c.custom = setup.type != nullptr;
  const bool off_loop = c.custom && setup.type->options.off_loop;
  auto* where = off_loop || node_.loops.empty() ? nullptr : node_.loops[loop % node_.loops.size()].get();
  c.home = spawn_pinned<room_actor>(system(), where, node_, std::move(setup));
}

void room_supervisor::arrive(const child& c, std::uint32_t id, const fan_out_handle& fan, bool reborn) {
  auto arrival = std::make_shared<room_arrival>();
  arrival->name = c.name;
  arrival->id = id;
  arrival->home = c.home;
  arrival->gate = c.gate;
  arrival->channel = c.channel;
  arrival->policy = c.channel ? node_.settings.channels.of(c.name).overflow : node_.settings.rooms.of(c.name).overflow;
  arrival->custom = c.custom;
  arrival->reborn = reborn;
  send(fan, std::shared_ptr<const room_arrival>{std::move(arrival)});
}

// A room that fails again and again is started ever later, and past the restart intensity only after a whole
// window: its clients cannot bring the node down with it.
void room_supervisor::failed(const std::string& name, std::uint32_t id, const std::string& what) {
  const auto now = node_.mono_clock();
  const auto& s = node_.settings.supervision;
  auto [at, fresh] = histories_.try_emplace(id, s.restarts_max, s.restart_window.count(),
                                            backoff_settings{s.backoff_min.count(), s.backoff_max.count()});
  auto& f = at->second;
  if (now - f.last > s.restart_window.count())
    f.delays.reset();
  f.last = now;
  auto delay = f.delays.next([this](std::uint64_t bound) { return node_.random_bits() % bound; });
  const bool over = !f.intensity.allow(now);
  if (over)
    delay = s.restart_window.count();
  node_.counts.room_restarts.add();
  node_.log.warn("supervisor.restarted", "room={} reason={} delay_ms={} intensity_passed={}", name, what, delay, over);
  node_.tell_event("supervisor.restarted", name, what);
  delayed_send(this, std::chrono::milliseconds{delay}, restart_atom::value, id);
}

void room_supervisor::restart(std::uint32_t id) {
  const auto known = rooms_.find(id);
  if (known == rooms_.end())
    return;
  auto& c = known->second;
  if (!c.dead)
    return send(c.home, restart_atom::value);
  start_child(id, c, c.fans.empty() ? 0 : c.fans.begin()->first);
  for (const auto& [loop, fan] : c.fans) {
    ++c.attaches;
    send(c.home, attach_atom::value, loop, fan);
    arrive(c, id, fan, true);
  }
}

void room_supervisor::retire(const room_retiring& what) {
  const auto known = rooms_.find(what.id);
  if (known == rooms_.end())
    return;
  auto& c = known->second;
  const bool granted = c.attaches == what.attaches;
  send(c.home, retire_atom::value, granted);
  if (!granted)
    return;
  if (!what.snapshot.empty() && what.snapshot != "null") {
    if (snapshots_.size() >= node_.settings.limits.rooms) {
      node_.pressure("snapshots_limit", snapshots_.begin()->first);
      snapshots_.erase(snapshots_.begin());
    }
    snapshots_[c.name] = what.snapshot;
  }
  by_address_.erase(c.home.address());
  demonitor(c.home.address());
  by_name_[c.channel ? 1 : 0].erase(c.name);
  discount(woken_by_user_, c.user);
  discount(woken_by_address_, c.address);
  histories_.erase(what.id);
  rooms_.erase(known);
}

} // namespace troupe
