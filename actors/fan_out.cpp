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

} // namespace

void local_room::turn_ended() { fans.gather(*this); }

fan_out::fan_out(caf::actor_config& cfg, loop* home, local_node& owner) : pinned_actor(cfg, home), node_(owner) {}

fan_out_handle::behavior_type fan_out::make_behavior() {
  node_.observe(*this);
  delayed_send(this, sweep_interval, sweep_atom::value);
  return {
    [this](const room_news_ptr& what) { news(*what); },
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
  by_name_.clear();
  by_id_.clear();
}

// -- towards rooms

void fan_out::enroll(member_port& port) { ports_[port.key()] = &port; }

void fan_out::forget(member_port& port, std::span<const std::shared_ptr<local_room>> rooms) {
  ports_.erase(port.key());
  for (const auto& room : rooms) {
    remove_member(*room, port.key());
    room->entering.erase(port.key());
    std::erase(room->waiting, &port);
  }
}

std::shared_ptr<local_room> fan_out::reach(std::string_view name) {
  if (auto known = by_name_.find(std::string{name}); known != by_name_.end() && !known->second->refused)
    return known->second;
  auto room = std::make_shared<local_room>(*this);
  room->name = name;
  by_name_[room->name] = room;
  auto claim = std::make_shared<room_claim>();
  claim->name = room->name;
  claim->loop = static_cast<std::uint32_t>(home()->index());
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
  if (std::find(room.waiting.begin(), room.waiting.end(), &port) == room.waiting.end())
    room.waiting.push_back(&port);
  // The window may have opened before this port was on the list; an idle room sends no news of it.
  return room.gate != nullptr && room.gate->idle() && try_it();
}

void fan_out::submit(local_room& room, room_op op) {
  if (room.pending == nullptr)
    room.pending = std::make_shared<room_ops>();
  op.loop = static_cast<std::uint32_t>(home()->index());
  room.pending->ops.push_back(std::move(op));
  room.idle_sweeps = 0;
  home()->at_turn_end(turn_stage::gather, room);
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

void fan_out::expect(local_room& room, member_port& port, std::shared_ptr<const member_info> info,
                     std::string request) {
  room.entering[port.key()] = {&port, std::move(info), std::move(request)};
}

void fan_out::drop(local_room& room, member_port& port) {
  remove_member(room, port.key());
  room.entering.erase(port.key());
}

void fan_out::remember(local_room& room, member_key who, std::string state) {
  const auto at = room.at.find(who);
  if (at == room.at.end())
    return;
  auto changed = std::make_shared<member_info>(*room.members[at->second].info);
  changed->state = std::move(state);
  room.members[at->second].info = std::move(changed);
}

void fan_out::arrived(const room_arrival& arrival) {
  const auto known = by_name_.find(arrival.name);
  if (known == by_name_.end())
    return;
  auto room = known->second;
  if (!arrival.refused.empty())
    return refuse(*room, arrival.refused);
  by_id_.erase(room->id);
  room->id = arrival.id;
  room->home = arrival.home;
  room->gate = arrival.gate;
  room->policy = arrival.policy;
  room->custom = arrival.custom;
  by_id_[room->id] = room.get();
  if (arrival.reborn)
    restore_members(*room);
  if (room->pending != nullptr) {
    // Sent without credit while the window was unknown; what the room gives back must have been taken.
    for (const auto& op : room->pending->ops)
      room->gate->take_anyway(1, op.bytes());
    gather(*room);
  }
  auto waiting = std::exchange(room->waiting, {});
  for (auto* port : waiting)
    port->room_credit(*room);
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
  for (auto& [key, m] : entering)
    m.port->room_left(room);
  auto waiting = std::exchange(room.waiting, {});
  for (auto* port : waiting)
    port->room_credit(room);
  by_name_.erase(std::string{room.name});
}

// After a failure the members are known here only; they go first, before anything that waits.
void fan_out::restore_members(local_room& room) {
  auto ops = std::make_shared<room_ops>();
  const auto add = [&](const local_room::member& m) {
    room_op op;
    op.verb = room_verb::restore;
    op.who = m.info->key;
    op.loop = static_cast<std::uint32_t>(home()->index());
    op.more = std::make_unique<room_request>();
    op.more->member = m.info;
    room.gate->take_anyway(1, op.bytes());
    ops->ops.push_back(std::move(op));
  };
  for (const auto& m : room.members)
    add(m);
  caf::anon_send(room.home, std::move(ops));
  for (auto& [key, m] : std::exchange(room.entering, {})) {
    node_.write_error(m.port->out(), m.request, {error_code::unavailable, "the room was restarted: join again", 1000});
    m.port->room_left(room);
  }
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
    out.offer({.data = data});
  }
}

void fan_out::news(const room_news& what) {
  const auto known = by_id_.find(what.room);
  if (known == by_id_.end())
    return;
  auto keep = by_name_[known->second->name];
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
        if (room.entering.erase(event.who) != 0)
          if (auto port = ports_.find(event.who); port != ports_.end())
            port->second->room_left(room);
        break;
    }
  }
  if (what.credit) {
    auto waiting = std::exchange(room.waiting, {});
    for (auto* port : waiting)
      port->room_credit(room);
  }
}

void fan_out::add_member(local_room& room, const room_event& event) {
  const auto entering = room.entering.find(event.who);
  if (entering == room.entering.end())
    return; // the connection has gone meanwhile, and has told the room so
  auto* port = entering->second.port;
  local_room::member m{port, std::move(entering->second.info)};
  room.entering.erase(entering);
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
}

// Most members get the whole buffer as one slice; who is excluded somewhere, has messages of its own or a
// filter is marked first and gets the slices in between.
void fan_out::deliver(local_room& room, const std::shared_ptr<const room_batch>& batch) {
  const std::uint64_t mark = ++marks_;
  const auto look_at = [&](member_key who) {
    if (const auto at = room.at.find(who); at != room.at.end())
      room.members[at->second].mark = mark;
  };
  if (batch->any_except)
    for (const auto& frame : batch->frames)
      if (frame.except != 0)
        look_at(frame.except);
  for (const auto& single : batch->singles)
    look_at(single.to);
  if (!batch->frames.empty()) {
    const bool single_frames = batch->any_expires || room.policy != overflow::disconnect;
    for (auto& m : room.members) {
      egress& out = m.port->out();
      if (m.mark == mark || single_frames || !out.filter().open() || (batch->any_presence && !m.info->presence)) {
        deliver_slices(room, m, *batch, out);
        continue;
      }
      const auto& encoded = batch->formats[out.encoder()];
      out.offer({.data = {encoded.bytes, *encoded.bytes},
                 .source = room.id,
                 .frames = static_cast<std::uint32_t>(batch->frames.size()),
                 .seq_first = batch->seq_first,
                 .seq_last = batch->seq_last,
                 .policy = room.policy});
    }
  }
  deliver_strays(room, *batch);
}

void fan_out::deliver_slices(local_room& room, local_room::member& m, const room_batch& batch, egress& out) {
  const auto& encoded = batch.formats[out.encoder()];
  const auto key = m.info->key;
  const bool whole_runs = room.policy == overflow::disconnect && !batch.any_expires;
  outbox_item run;
  run.source = room.id;
  run.frames = 0;
  run.policy = room.policy;
  std::uint32_t run_begin = 0;
  std::size_t next_single = 0;
  const auto end_run = [&](std::uint32_t end) {
    if (run.frames != 0) {
      run.data = {encoded.bytes, std::string_view{*encoded.bytes}.substr(run_begin, end - run_begin)};
      out.offer(run);
    }
    run.frames = 0;
    run.seq_first = run.seq_last = 0;
  };
  const auto singles_before = [&](std::uint32_t index, std::uint32_t end) {
    for (; next_single < batch.singles.size() && batch.singles[next_single].before <= index; ++next_single) {
      const auto& single = batch.singles[next_single];
      if (single.to != key)
        continue;
      end_run(end);
      out.offer({.data = {single.bytes, *single.bytes}, .source = room.id, .policy = overflow::disconnect});
    }
  };
  std::uint32_t begin = 0;
  for (std::uint32_t i = 0; i < batch.frames.size(); ++i) {
    const auto& frame = batch.frames[i];
    const std::uint32_t end = encoded.ends[i];
    singles_before(i, begin);
    const bool wanted = frame.except != key && (!frame.presence || m.info->presence)
                        && (frame.seq == 0 || out.filter().passes(frame.message->type()));
    if (!wanted || (!whole_runs && run.frames != 0))
      end_run(begin);
    if (wanted) {
      if (run.frames++ == 0) {
        run_begin = begin;
        run.seq_first = frame.seq;
        run.expires = frame.expires;
        run.conflate_key = frame.conflate_key;
      }
      run.seq_last = frame.seq;
    }
    begin = end;
  }
  end_run(begin);
  singles_before(static_cast<std::uint32_t>(batch.frames.size()), begin);
}

// Answers to connections of this loop that are no members: a refused join, a leave that came twice.
void fan_out::deliver_strays(local_room& room, const room_batch& batch) {
  for (const auto& single : batch.singles) {
    if (room.at.contains(single.to) && !batch.frames.empty())
      continue;
    if (const auto port = ports_.find(single.to); port != ports_.end())
      port->second->out().offer({.data = {single.bytes, *single.bytes}, .source = room.id});
  }
}

// A room that nobody on this loop uses any more is let go, so that it can end at its home.
void fan_out::sweep() {
  std::erase_if(by_name_, [&](auto& entry) {
    local_room& room = *entry.second;
    const bool used = !room.members.empty() || !room.entering.empty() || room.pending != nullptr
                      || room.home == nullptr || entry.second.use_count() > 1;
    if (used || ++room.idle_sweeps < sweeps_before_detach) {
      if (used)
        room.idle_sweeps = 0;
      return false;
    }
    auto ops = std::make_shared<room_ops>();
    room_op op;
    op.verb = room_verb::detach;
    op.loop = static_cast<std::uint32_t>(home()->index());
    ops->ops.push_back(std::move(op));
    caf::anon_send(room.home, std::move(ops));
    by_id_.erase(room.id);
    return true;
  });
}

} // namespace troupe
