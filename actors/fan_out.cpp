#include "actors/fan_out.hpp"

#include "actors/egress.hpp"
#include "actors/node.hpp"

#include <algorithm>
#include <chrono>

namespace troupe {
namespace {

constexpr std::chrono::seconds sweep_interval{2};
constexpr std::uint32_t sweeps_before_detach = 3;

// What a room may have on its way before its supervisor has answered.
constexpr std::size_t pending_ops_max = 1024;

failure restarted(const local_room& room) {
  return {error_code::unavailable,
          room.channel ? "the channel was restarted: subscribe again" : "the room was restarted: join again", 1000};
}

} // namespace

void local_room::turn_ended() {
  const auto keep = std::move(kept_alive);
  fans.gather(*this);
}

fan_out::fan_out(caf::actor_config& cfg, loop* home, local_node& owner)
    : pinned_actor(cfg, home)
    , node_(owner) {}

fan_out_handle::behavior_type fan_out::make_behavior() {
  node_.observe(*this);
  delayed_send(this, sweep_interval, sweep_atom::value);
  return {
      [this](const room_news_ptr& what) { take(*what); },
      [this](const std::shared_ptr<const room_arrival>& arrival) { arrived(*arrival); },
      [this](const message_ptr& m) { tell_everybody(*m); },
      [this](sweep_atom) {
        sweep();
        delayed_send(this, sweep_interval, sweep_atom::value);
      },
  };
}

void fan_out::on_exit() {
  for (auto& [key, port] : std::exchange(ports_, {}))
    port->shut_down();
  by_name_ = {};
  by_id_.clear();
}

// -- towards rooms

void fan_out::enroll(member_port& port) { ports_[port.key()] = &port; }

void fan_out::drain() {
  std::vector<member_port*> all; // whoever goes is forgotten meanwhile
  for (const auto& [key, port] : ports_)
    all.push_back(port);
  for (auto* port : all)
    port->go_away();
}

void fan_out::forget(member_port& port, std::span<const std::shared_ptr<local_room>> rooms) {
  ports_.erase(port.key());
  draining_.erase(port.key());
  for (const auto& room : rooms) {
    remove_member(*room, port.key());
    room->entering.erase(port.key());
  }
}

std::shared_ptr<local_room> fan_out::reach(std::string_view name, target_kind kind, std::string_view user,
                                           std::string_view address) {
  const bool channel = kind == target_kind::channel;
  if (auto known = names(channel).find(name); known != names(channel).end() && !known->second->refused)
    return known->second;
  auto room = std::make_shared<local_room>(*this);
  room->name = name;
  room->channel = channel;
  names(channel)[room->name] = room;
  watch(*room);
  auto claim = std::make_shared<room_claim>();
  claim->name = room->name;
  claim->channel = channel;
  claim->loop = static_cast<std::uint32_t>(home()->index());
  claim->user = user;
  claim->address = address;
  send(node_.rooms, std::shared_ptr<const room_claim>{std::move(claim)}, fan_out_handle{this});
  return room;
}

bool fan_out::take_credit(local_room& room, std::size_t bytes, member_port& port) {
  const auto try_it = [&] {
    if (room.gate != nullptr)
      return room.gate->take(1, bytes);
    return room.pending == nullptr || room.pending->ops.size() < pending_ops_max;
  };
  if (try_it())
    return true;
  if (std::find(room.waiting.begin(), room.waiting.end(), port.key()) == room.waiting.end())
    room.waiting.push_back(port.key());
  // The window may have opened before this port was on the list; an idle room sends no news of it.
  return room.gate != nullptr && room.gate->idle() && try_it();
}

void fan_out::submit(local_room& room, room_op op) {
  if (room.pending == nullptr)
    room.pending = std::make_shared<room_ops>();
  op.loop = static_cast<std::uint32_t>(home()->index());
  if (op.verb == room_verb::leave || op.verb == room_verb::vanish)
    if (const auto at = room.at.find(op.who); at != room.at.end())
      room.members[at->second].leaving = true;
  room.pending->ops.push_back(std::move(op));
  room.idle_sweeps = 0;
  if (room.kept_alive == nullptr) {
    room.kept_alive = room.shared_from_this();
    home()->at_turn_end(turn_stage::gather, room);
  }
}

void fan_out::submit_anyway(local_room& room, room_op op) {
  if (room.gate != nullptr)
    room.gate->take_anyway(1, op.bytes());
  submit(room, std::move(op));
}

void fan_out::gather(local_room& room) {
  if (room.home != nullptr && room.pending != nullptr)
    caf::anon_send(room.home, std::move(room.pending));
}

void fan_out::expect(local_room& room, member_port& port, std::shared_ptr<const member_info> info, std::string request,
                     bool rebind) {
  room.entering[port.key()].push_back({&port, std::move(info), std::move(request), rebind});
}

bool fan_out::expect_no_more(local_room& room, const member_port& port, std::string_view request) {
  const auto at = room.entering.find(port.key());
  if (at == room.entering.end())
    return false;
  const auto never = std::find_if(at->second.begin(), at->second.end(),
                                  [&](const local_room::entrant& e) { return e.request == request; });
  if (never != at->second.end())
    at->second.erase(never);
  if (!at->second.empty())
    return true;
  room.entering.erase(at);
  return false;
}

void fan_out::drop(local_room& room, member_port& port) {
  remove_member(room, port.key());
  room.entering.erase(port.key());
}

void fan_out::remember(local_room& room, member_key who, std::string state) {
  if (const auto entering = room.entering.find(who); entering != room.entering.end()) {
    auto changed = std::make_shared<member_info>(*entering->second.back().info);
    changed->state = state;
    entering->second.back().info = std::move(changed);
  }
  const auto at = room.at.find(who);
  if (at == room.at.end())
    return;
  auto changed = std::make_shared<member_info>(*room.members[at->second].info);
  changed->state = std::move(state);
  room.members[at->second].info = std::move(changed);
}

void fan_out::arrived(const room_arrival& arrival) {
  const auto known = names(arrival.channel).find(arrival.name);
  if (known == names(arrival.channel).end()) {
    if (arrival.home != nullptr) // a new home of a room that this loop has let go
      detach(arrival.home);
    return;
  }
  auto room = known->second;
  if (!arrival.refused.empty())
    return refuse(*room, arrival.refused);
  by_id_.erase(room->id);
  room->id = arrival.id;
  room->home = arrival.home;
  const bool new_gate = room->gate != arrival.gate;
  room->gate = arrival.gate;
  room->policy = arrival.policy;
  by_id_[room->id] = room;
  if (arrival.reborn)
    restore_members(*room);
  if (room->pending != nullptr) {
    // Sent without credit while the window was unknown; what the room gives back must have been taken.
    if (new_gate)
      for (const auto& op : room->pending->ops)
        room->gate->take_anyway(1, op.bytes());
    gather(*room);
  }
  wake(*room);
}

void fan_out::wake(local_room& room) {
  for (const auto who : std::exchange(room.waiting, {}))
    if (const auto port = ports_.find(who); port != ports_.end())
      port->second->room_credit(room);
}

void fan_out::refuse(local_room& room, const std::string& why) {
  room.refused = true;
  if (room.pending != nullptr)
    for (const auto& op : room.pending->ops)
      if (auto port = ports_.find(op.who); port != ports_.end() && op.answer)
        node_.write_error(port->second->out(), op.message != nullptr ? op.message->id() : op.id,
                          {error_code::unavailable, why, {}});
  room.pending.reset();
  auto entering = std::exchange(room.entering, {});
  for (auto& [key, asked] : entering)
    if (const auto port = ports_.find(key); port != ports_.end())
      port->second->room_left(room);
  wake(room);
  names(room.channel).erase(std::string{room.name});
}

// After a failure the members are known here only; they go first, before anything that waits. They are members again
// once the new home has said so, in its own order. A join that the old home took with it is to be asked for again.
void fan_out::restore_members(local_room& room) {
  auto ops = std::make_shared<room_ops>();
  std::unordered_map<member_key, std::vector<local_room::entrant>> entering;
  const auto add = [&](local_room::entrant m, std::uint64_t given) {
    room_op op;
    op.verb = room_verb::restore;
    op.incarnation = m.info->incarnation;
    op.who = m.info->key;
    op.loop = static_cast<std::uint32_t>(home()->index());
    op.more = std::make_unique<room_request>();
    op.more->member = m.info;
    op.more->offset = given;
    m.port->complete(room, *op.more);
    room.gate->take_anyway(1, op.bytes());
    ops->ops.push_back(std::move(op));
    m.rebind = false;
    m.restoring = true;
    entering[m.info->key].push_back(std::move(m));
  };
  if (room.pending != nullptr) // what an outbox did with what the old home had said is nothing to the new one
    std::erase_if(room.pending->ops,
                  [](const room_op& op) { return op.verb == room_verb::spilled || op.verb == room_verb::drained; });
  const auto lost = std::exchange(room.entering, {});
  for (const auto& [key, asked] : lost)
    for (const auto& m : asked)
      if (m.restoring || (m.rebind && !pending_for(room, m)))
        add(m, 0);
  for (const auto& m : std::exchange(room.members, {}))
    if (!m.leaving)
      add({m.port, m.info, {}}, last_given(room, m));
  room.at.clear();
  room.entering = std::move(entering);
  watch(room);
  caf::anon_send(room.home, std::move(ops));
  for (const auto& [key, asked] : lost)
    for (const auto& m : asked)
      if (!m.restoring)
        lose_entrant(room, m);
}

bool fan_out::pending_for(const local_room& room, const local_room::entrant& m) {
  if (room.pending == nullptr)
    return false;
  const auto verb = m.rebind ? room_verb::rebind : room_verb::join;
  return std::any_of(room.pending->ops.begin(), room.pending->ops.end(),
                     [&](const room_op& op) { return op.verb == verb && op.who == m.info->key && op.id == m.request; });
}

// A join is lost only where it had been sent; what waits for the new home still goes there.
void fan_out::lose_entrant(local_room& room, local_room::entrant m) {
  const auto key = m.info->key;
  if (pending_for(room, m))
    return room.entering[key].push_back(std::move(m));
  const auto port = ports_.find(key);
  if (port == ports_.end() || port->second != m.port)
    return;
  if (m.rebind)
    return m.port->room_rebound(room, false);
  if (!m.request.empty())
    node_.write_error(m.port->out(), m.request, restarted(room));
  if (!room.entering.contains(key))
    m.port->room_left(room);
}

// -- towards connections

void fan_out::tell_everybody(const message& m) {
  std::array<slice, wire::encoders_max> encoded;
  for (auto& [key, port] : ports_) {
    egress& out = port->out();
    if (!out.attached() || !port->greeted() || !out.filter().passes(m.type()))
      continue;
    auto& data = encoded[out.encoder()];
    if (data.owner == nullptr)
      data = node_.encode(out.encoder(), m);
    out.offer({.data = data, .source = direct_source});
  }
}

void fan_out::take(const room_news& what) {
  const auto known = by_id_.find(what.room);
  if (known == by_id_.end())
    return;
  const auto keep = known->second;
  local_room& room = *keep;
  for (const auto& event : what.events) {
    switch (event.what) {
    case room_event::kind::frames:
      deliver(room, event.batch);
      break;
    case room_event::kind::added:
    case room_event::kind::rebound:
      add_member(room, event);
      break;
    case room_event::kind::removed:
      remove_member(room, event.who);
      break;
    case room_event::kind::refused:
      turn_away(room, event);
      break;
    case room_event::kind::paused:
      pause(room, event);
      break;
    case room_event::kind::live:
      go_live(room, event.who);
      break;
    }
  }
  if (what.credit)
    wake(room);
}

void fan_out::turn_away(local_room& room, const room_event& event) {
  const auto who = event.who;
  const auto entering = room.entering.find(who);
  if (entering == room.entering.end()) {
    if (const auto at = room.at.find(who); room.channel && at != room.at.end()) { // it could not go on with it
      auto* port = room.members[at->second].port;
      remove_member(room, who);
      port->room_left(room);
    }
    return;
  }
  if (entering->second.front().rebind || entering->second.front().info->incarnation != event.incarnation)
    return;
  entering->second.erase(entering->second.begin());
  if (!entering->second.empty())
    return; // it has asked again meanwhile
  room.entering.erase(entering);
  if (const auto port = ports_.find(who); port != ports_.end() && !room.at.contains(who))
    port->second->room_left(room);
}

void fan_out::add_member(local_room& room, const room_event& event) {
  const auto entering = room.entering.find(event.who);
  if (entering == room.entering.end())
    return; // the connection has gone meanwhile, and has told the room so
  if (entering->second.front().rebind != (event.what == room_event::kind::rebound) ||
      entering->second.front().info->incarnation != event.incarnation)
    return; // the answer to a connection whose session has gone on with another one
  auto next = std::move(entering->second.front());
  entering->second.erase(entering->second.begin());
  if (entering->second.empty())
    room.entering.erase(entering);
  auto* port = next.port;
  if (const auto known = ports_.find(event.who); known == ports_.end() || known->second != port)
    return;
  local_room::member m{port, &port->out(), std::move(next.info)};
  if (const auto at = room.at.find(event.who); at != room.at.end()) {
    room.members[at->second] = std::move(m);
  } else {
    room.at[event.who] = static_cast<std::uint32_t>(room.members.size());
    room.members.push_back(std::move(m));
  }
  if (event.what == room_event::kind::rebound)
    port->room_rebound(room, event.recovered);
  else
    port->room_joined(room);
}

void fan_out::remove_member(local_room& room, member_key who) {
  const auto at = room.at.find(who);
  if (at == room.at.end())
    return;
  const auto index = at->second;
  room.at.erase(at);
  if (index + 1 != room.members.size()) {
    room.members[index] = std::move(room.members.back());
    room.at[room.members[index].info->key] = index;
  }
  room.members.pop_back();
  if (room.members.empty())
    watch(room);
}

// A room that nobody on this loop uses any more is let go, so that it can end at its home.
void fan_out::sweep() {
  std::erase_if(watched_, [&](const std::weak_ptr<local_room>& entry) {
    const auto room = entry.lock();
    if (room == nullptr)
      return true;
    if (!room->members.empty()) {
      room->watched = false;
      return true;
    }
    // Held by name, by id, and here.
    const bool used =
        !room->entering.empty() || room->pending != nullptr || room->home == nullptr || room.use_count() > 3;
    room->idle_sweeps = used ? 0 : room->idle_sweeps + 1;
    if (room->idle_sweeps < sweeps_before_detach)
      return false;
    detach(room->home);
    by_id_.erase(room->id);
    names(room->channel).erase(room->name);
    return true;
  });
}

// Only rooms without members here can be let go: a sweep looks at no others, so that it costs nothing to have many.
void fan_out::watch(local_room& room) {
  if (std::exchange(room.watched, true))
    return;
  room.idle_sweeps = 0;
  watched_.push_back(room.weak_from_this());
}

void fan_out::detach(const room_handle& from) {
  auto ops = std::make_shared<room_ops>();
  room_op op;
  op.verb = room_verb::detach;
  op.loop = static_cast<std::uint32_t>(home()->index());
  ops->ops.push_back(std::move(op));
  caf::anon_send(from, std::move(ops));
}

} // namespace troupe
