// The rooms and channels of a connection: joining, leaving, sending, waiting for credit.

#include "actors/connection.hpp"

#include "actors/answers.hpp"
#include "actors/node.hpp"

namespace troupe {

room_op connection::make_op(room_verb verb, std::string id, bool answer) const {
  room_op op;
  op.verb = verb;
  op.who = key_;
  op.incarnation = incarnation_;
  op.encoder = out_.encoder();
  op.id = std::move(id);
  op.answer = answer;
  return op;
}

std::shared_ptr<member_info> connection::make_info(std::string state, bool presence, wall_ms since) {
  if (subscription_ == nullptr)
    subscription_ = std::make_shared<subscription>(out_.filter());
  auto info = std::make_shared<member_info>();
  info->key = key_;
  info->incarnation = incarnation_;
  info->who = who_;
  info->state = std::move(state);
  info->presence = presence;
  info->encoder = out_.encoder();
  info->since = since;
  info->wants = subscription_;
  return info;
}

void connection::enter(place_view where, std::string state, bool presence, starting_point from, std::string id,
                       bool answer) {
  const auto& limits = node_.settings.limits;
  auto at = rooms_.find(where);
  if (at == rooms_.end()) {
    const bool many = rooms_.size() >= limits.rooms_per_connection;
    if (many || (who_->user && !node_.people.take_room(*who_->user, limits.rooms_per_user))) {
      node_.pressure("rooms_per_client_limit", who_->connection);
      return write_failure(id, {error_code::unavailable,
                                many ? "you are in as many rooms and channels as you may be "
                                       "(limits.rooms_per_connection)"
                                     : "your connections are in as many rooms and channels as a user may be "
                                       "(limits.rooms_per_user)",
                                {}});
    }
    const auto reached = reach(where);
    at = rooms_.emplace(where, membership{}).first;
    at->second.room = reached;
  }
  auto& m = at->second;
  auto info = make_info(std::move(state), presence, m.info != nullptr ? m.info->since : home()->wall());
  m.info = info;
  m.may_write = allows(where, right::write);
  if (where.channel)
    m.from = from;
  auto op = make_op(room_verb::join, id, answer);
  op.more = std::make_unique<room_request>();
  op.more->member = info;
  op.more->since = std::move(from.since);
  op.more->earliest = from.earliest;
  op.more->durable = std::move(from.durable);
  fans_.expect(*m.room, *this, std::move(info), std::move(id));
  push(m.room, std::move(op));
}

// From here on the client is in the room no more; its answer still comes in the room's order.
void connection::exit(memberships::iterator at, std::string id, bool answer, bool forget) {
  std::erase_if(leaving_, [this](const auto& left) {
    const auto room = left.lock();
    return room == nullptr || (!room->at.contains(key_) && !room->entering.contains(key_));
  });
  const auto room = at->second.room;
  if (std::none_of(leaving_.begin(), leaving_.end(), [&](const auto& left) { return left.lock() == room; }))
    leaving_.push_back(room);
  if (who_->user)
    node_.people.give_room(*who_->user);
  rooms_.erase(at);
  auto op = make_op(answer ? room_verb::leave : room_verb::vanish, std::move(id), answer);
  if (forget) {
    op.more = std::make_unique<room_request>();
    op.more->forget = true;
  }
  if (parked_.holds(room.get()))
    push(room, std::move(op)); // what was sent before goes before
  else
    fans_.submit_anyway(*room, std::move(op));
}

std::shared_ptr<local_room> connection::reach(place_view where) {
  const auto at = rooms_.find(where);
  if (at != rooms_.end())
    return at->second.room;
  return fans_.reach(where.name, where.kind(), who_->user ? std::string_view{*who_->user} : std::string_view{},
                     address_);
}

void connection::push(const std::shared_ptr<local_room>& room, room_op op) {
  const auto bytes = op.bytes();
  if (!parked_.holds(room.get()) && fans_.take_credit(*room, bytes, *this))
    return fans_.submit(*room, std::move(op));
  if (parked_.full()) { // what a handler adds to a message that was the last to pass
    submit_parked(*room);
    return fans_.submit_anyway(*room, std::move(op));
  }
  node_.counts.parked.add();
  parked_.add(room.get(), {std::move(op), room}, bytes, home()->now() + node_.settings.limits.park_wait.count());
  arm_deadline();
}

void connection::submit_parked(local_room& room) {
  for (auto& waiting : parked_.take_all_for(&room))
    fans_.submit_anyway(room, std::move(waiting.what.op));
}

void connection::retry_parked(local_room& room) {
  if (room.refused)
    for (const auto& waiting : parked_.take_all_for(&room))
      answer_refused(waiting.what.op);
  while (const auto* next = parked_.front(&room)) {
    if (const auto m = next->what.op.message; m != nullptr && expired(*m, node_.wall_clock())) {
      if (parked_.take_for(&room)->what.op.answer)
        write_failure(m->id(), {error_code::expired, "its ttl_ms was over before there was place for it", {}});
      continue;
    }
    if (!fans_.take_credit(room, next->bytes, *this))
      break;
    auto taken = parked_.take_for(&room);
    fans_.submit(room, std::move(taken->what.op));
  }
  resume_reading_if_possible();
}

void connection::answer_refused(const room_op& op) {
  if (op.answer)
    write_failure(op.message != nullptr ? op.message->id() : std::string_view{op.id},
                  {error_code::unavailable, "the node has no place for this room or channel", 1000});
}

void connection::give_up_parked(mono_ms now) {
  for (const auto& late : parked_.expired(now))
    give_up(late.what);
  resume_reading_if_possible();
}

void connection::give_up(const parked_op& late) {
  const auto& op = late.op;
  node_.pressure("park_expired", late.room->name);
  const auto& id = op.message != nullptr ? std::string{op.message->id()} : op.id;
  if (op.answer || op.message != nullptr)
    write_failure(id,
                  {error_code::unavailable,
                   late.room->channel ? "the channel did not take this in time" : "the room did not take this in time",
                   1000});
  if (op.verb != room_verb::join || fans_.expect_no_more(*late.room, *this, op.id) || late.room->at.contains(key_))
    return;
  // It never was in the room, so what it sent there behind the join is not for the room either.
  const auto room = late.room;
  room_left(*room);
  for (const auto& behind : parked_.take_all_for(room.get()))
    give_up(behind.what);
}

/// What its token allows, narrowed by what the configuration says of a channel.
bool connection::allows(place_view where, right wanted) const noexcept {
  if (!identity_->rights.allows(where.noun(), where.name, wanted))
    return false;
  const auto& channels = node_.settings.channels;
  return !where.channel || identity_->admin ||
         ((!includes(wanted, right::read) || channels.may_read(where.name, identity_->user)) &&
          (!includes(wanted, right::write) || channels.may_write(where.name, identity_->user)));
}

void connection::check_rights() {
  for (auto at = rooms_.begin(); at != rooms_.end();) {
    auto& [in, m] = *at;
    const place_view where = in;
    m.may_write = allows(where, right::write);
    const auto next = std::next(at);
    if (m.info->presence && !allows(where, right::presence))
      enter(where, "null", false, {}, {}, false); // joining again updates it
    if (!allows(where, right::read)) {
      write_failure({}, {error_code::forbidden,
                         "you may not be in the " + std::string{where.noun()} + " " + in.name + " any more",
                         {}});
      fans_.drop(*m.room, *this);
      exit(at, "not allowed", false);
    }
    at = next;
  }
}

// -- member_port

void connection::room_joined(local_room& room) noexcept {
  const auto at = rooms_.find(place_view{room.channel, room.name});
  if (at == rooms_.end())
    return;
  at->second.joined = true;
  at->second.recovering = false;
  resumed_if_complete();
}

void connection::room_left(local_room& room) noexcept {
  const auto at = rooms_.find(place_view{room.channel, room.name});
  if (at == rooms_.end() || at->second.room.get() != &room)
    return;
  if (who_->user)
    node_.people.give_room(*who_->user);
  rooms_.erase(at);
  resumed_if_complete();
}

void connection::room_rebound(local_room& room, bool recovered) noexcept {
  const auto at = rooms_.find(place_view{room.channel, room.name});
  if (at == rooms_.end())
    return;
  at->second.joined = true;
  at->second.recovering = false;
  at->second.recovered = recovered;
  resumed_if_complete();
}

void connection::room_credit(local_room& room) noexcept { retry_parked(room); }

void connection::complete(const local_room& room, room_request& how) noexcept {
  if (const auto at = rooms_.find(place_view{room.channel, room.name}); at != rooms_.end())
    how.durable = at->second.from.durable;
}

} // namespace troupe
