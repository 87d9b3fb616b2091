// Members of channels that catch up: what they are not given, and how their home learns that they can take more.

#include "actors/egress.hpp"
#include "actors/fan_out.hpp"
#include "actors/node.hpp"

namespace troupe {
namespace {

// The registration goes with it, so that a home that has another one by now can tell.
room_op op_about(const local_room::member& m, room_verb verb) {
  room_op op;
  op.verb = verb;
  op.who = m.info->key;
  op.incarnation = m.info->incarnation;
  op.encoder = m.info->encoder;
  op.more = std::make_unique<room_request>();
  op.more->member = m.info;
  return op;
}

} // namespace

void fan_out::pause(local_room& room, const room_event& event) {
  const auto at = room.at.find(event.who);
  if (at == room.at.end())
    return;
  auto& m = room.members[at->second];
  m.paused = true;
  // The answer to what an earlier registration of it has spilled: the home waits for `drained` of this one.
  if (event.recovered && !std::exchange(m.spilled, false))
    owe_drained(room, m);
}

void fan_out::go_live(local_room& room, member_key who) {
  const auto at = room.at.find(who);
  if (at == room.at.end() || room.members[at->second].spilled)
    return; // said by a home that did not know yet
  auto& m = room.members[at->second];
  m.paused = false;
  m.live_since = room.batches;
}

/// The member was given nothing from `offset` on. What its home says to it before it knows goes the same way, or it
/// would overtake.
void fan_out::spill(local_room& room, local_room::member& m, std::uint64_t offset) {
  m.paused = m.spilled = true;
  node_.numbers.counter("troupe_outbox_spilled_total", "Full outboxes whose rest is caught up from the log.").add();
  auto op = op_about(m, room_verb::spilled);
  op.more->offset = offset;
  submit_anyway(room, std::move(op));
  owe_drained(room, m);
}

void fan_out::give_stored(local_room& room, local_room::member& m, const single_frame& piece) {
  if (m.spilled || piece.incarnation != m.info->incarnation)
    return;
  m.out->offer_anyway({.data = {piece.bytes, *piece.bytes}, .source = room.id});
  owe_drained(room, m);
}

void fan_out::owe_drained(local_room& room, local_room::member& m) {
  if (!std::exchange(m.draining, true))
    draining_[m.info->key].push_back(room.weak_from_this());
  m.out->tell_when_sent();
}

void fan_out::outbox_sent(member_port& port) {
  const auto owed = draining_.extract(port.key());
  if (owed.empty())
    return;
  for (const auto& entry : owed.mapped()) {
    const auto room = entry.lock();
    if (room == nullptr)
      continue;
    const auto at = room->at.find(port.key());
    if (at == room->at.end())
      continue;
    auto& m = room->members[at->second];
    if (m.port == &port && std::exchange(m.draining, false))
      submit_anyway(*room, op_about(m, room_verb::drained));
  }
}

/// The last offset that the member was given, all before it included; 0 where that is not known here.
std::uint64_t fan_out::last_given(const local_room& room, const local_room::member& m) noexcept {
  return !room.channel || m.paused || m.live_since == room.batches ? 0 : room.seq_last;
}

} // namespace troupe
