#include "actors/room_home.hpp"

#include "actors/answers.hpp"
#include "actors/room_audit.hpp"
#include "runtime/model/json_text.hpp"
#include "runtime/wire/parse.hpp"

#include <algorithm>
#include <functional>

namespace troupe {
namespace {

constexpr std::size_t state_entries_max = 1000;
constexpr std::size_t state_bytes_max = 192 * 1024;
constexpr std::int64_t settle_ms = 1000;

history_limits ring_limits(const room_settings& s) { return {s.ring_messages, s.ring_bytes, s.ring_age.count()}; }

presence_limits bounds_of(const room_settings& s) {
  return {s.presence_immediate_members_max, s.presence_interval.count(), 100};
}

member as_member(const member_info& m) {
  member result;
  result.connection = m.who->connection;
  result.user = m.who->user;
  result.state = m.state;
  result.node = m.who->node;
  result.since = m.since;
  result.told = m.presence;
  return result;
}

void append_members(std::string& out, std::string_view kind, const std::vector<member_ptr>& members) {
  append_json_string(out, kind);
  out += ":[";
  for (const auto& m : members) {
    if (&m != &members.front())
      out += ',';
    append_member(out, *m);
  }
  out += ']';
}

std::string diff_payload(const presence_diff& diff) {
  std::string out = "{";
  append_members(out, "joins", diff.joins);
  out += ',';
  append_members(out, "leaves", diff.leaves);
  out += ',';
  append_members(out, "updates", diff.updates);
  if (diff.more_joins + diff.more_leaves + diff.more_updates != 0) {
    out += ",\"more\":{\"joins\":";
    append_json_number(out, std::uint64_t{diff.more_joins});
    out += ",\"leaves\":";
    append_json_number(out, std::uint64_t{diff.more_leaves});
    out += ",\"updates\":";
    append_json_number(out, std::uint64_t{diff.more_updates});
    out += '}';
  }
  out += '}';
  return out;
}

bool wants(const member_info& who, std::string_view type) { return who.wants == nullptr || who.wants->passes(type); }

} // namespace

room_home::room_home(setup what)
    : what_(std::move(what))
    , out_(what_.id, target_kind::room, what_.name)
    , ring_(what_.epoch, what_.seq, ring_limits(what_.settings))
    , presence_(bounds_of(what_.settings))
    , resends_(what_.dedupe_messages_max) {}

const member_info* room_home::find(member_key who) const noexcept {
  const auto at = members_.find(who);
  return at == members_.end() ? nullptr : at->second.get();
}

// -- what is said

void room_home::frame(message_ptr m, std::uint64_t seq, member_key except, bool presence, mono_ms now) {
  if (!out_.has_readers() || expired(*m, now_wall_))
    return;
  batch_frame f;
  f.seq = seq;
  f.except = except;
  f.presence = presence;
  f.expires = end_of_ttl(*m, now_wall_, now);
  if (what_.settings.overflow == overflow::conflate && seq != 0) {
    const auto key = wire::header(*m, "conflate");
    f.conflate_key = std::hash<std::string_view>{}(key ? std::string_view{*key} : m->type()) | 1;
  }
  f.message = std::move(m);
  out_.frame(std::move(f), {seq, ring_.epoch()});
}

void room_home::own_single(member_key to, std::uint8_t encoder, std::string_view type, std::string_view id,
                           std::string_view payload) {
  out_.answer(to, encoder, type, id, payload, {0, ring_.epoch()});
}

void room_home::own_frame(std::string_view type, std::string_view payload, const std::shared_ptr<const sender>& from,
                          member_key except, mono_ms now) {
  if (told_ == 0)
    return;
  frame(plain_message(type, {}, target_kind::room, what_.name, payload, from), 0, except, true, now);
}

// -- messages

void room_home::publish(const room_op& op, mono_ms now) {
  if (answered_before(op))
    return;
  const auto seq = say(op.message, op.echo ? 0 : op.who, now);
  remember(op, seq);
  if (op.answer)
    own_single(op.who, op.encoder, "ack", op.message->id(), position_payload(seq, ring_.epoch()));
}

void room_home::remember(const room_op& op, std::uint64_t seq) {
  if (op.message->fields().qos == qos::once)
    resends_.settle(*op.message, seq);
}

bool room_home::answered_before(const room_op& op) {
  if (op.message->fields().qos != qos::once)
    return false;
  const auto known = resends_.find(*op.message);
  if (!known)
    return false;
  if (!known->same_content)
    refuse(op, {error_code::conflict, "another message was sent with this id", {}});
  else if (op.answer)
    own_single(op.who, op.encoder, "ack", op.message->id(), position_payload(known->number, ring_.epoch()));
  return true;
}

std::uint64_t room_home::say(message_ptr m, member_key except, mono_ms now) {
  const auto seq = ring_.last_seq() + 1;
  ring_.push(seq, m->size(), now, m);
  if (audit_ != nullptr)
    audit_->published(*m, seq);
  frame(std::move(m), seq, except, false, now);
  return seq;
}

void room_home::say_to(member_key who, const message& m) {
  const auto* info = find(who);
  if (info == nullptr || !wants(*info, m.type()) || !m.is_for(*info->who))
    return;
  const auto before = out_.spoken_to();
  out_.speak_to(info->incarnation);
  out_.single(who, info->encoder, m, {0, ring_.epoch()});
  out_.speak_to(before);
}

void room_home::acknowledge(const room_op& op, std::string_view payload) {
  if (op.answer)
    own_single(op.who, op.encoder, "ack", op.message != nullptr ? op.message->id() : op.id, payload);
}

void room_home::refuse(const room_op& op, const failure& why) {
  own_single(op.who, op.encoder, "error", op.message != nullptr ? op.message->id() : op.id, failure_payload(why));
}

// -- members

void room_home::enter(std::shared_ptr<const member_info> info) {
  if (audit_ != nullptr)
    audit_->entered(find(info->key), *info, seq());
  out_.reader_came(info->encoder);
  told_ += info->presence ? 1 : 0;
  auto& slot = members_[info->key];
  if (slot != nullptr) {
    told_ -= slot->presence ? 1 : 0;
    out_.reader_went(slot->encoder);
  }
  slot = std::move(info);
}

// Joining again updates the state, unannounced; the answer is that of a first join.
void room_home::join(const room_op& op, mono_ms now) {
  const auto& info = op.more->member;
  if (outdated(*info))
    return;
  const bool again = members_.contains(op.who);
  enter(info);
  out_.tell(room_event::kind::added, op.who);
  auto entry = as_member(*info);
  if (const auto known = presence_.find(entry.connection))
    entry.version = known->version + 1;
  const auto change = presence_.join(std::move(entry), now);
  acknowledge_join(op, now);
  replay(op, now);
  if (!again)
    announce(change, info->who, op.who, now);
}

void room_home::let_in(const room_op& op, mono_ms now) {
  if (op.verb == room_verb::rebind)
    rebind(op, now);
  else if (op.verb == room_verb::restore)
    restore(op, now);
  else
    join(op, now);
}

void room_home::acknowledge_join(const room_op& op, mono_ms now) {
  std::string payload = "{\"members\":";
  append_json_number(payload, std::uint64_t{members_.size()});
  payload += ",\"epoch\":\"" + ring_.epoch() + "\",\"seq\":";
  append_json_number(payload, ring_.last_seq());
  if (op.more->since) {
    const bool recovered = ring_.since(*op.more->since, now).recovered;
    payload += recovered ? ",\"recovered\":true" : ",\"recovered\":false";
  }
  payload += '}';
  acknowledge(op, payload);
}

void room_home::replay(const room_op& to, mono_ms now) {
  if (!to.more->since)
    return;
  // All in one piece, so that it counts as one in the outbox: who missed much must be able to come back.
  std::string bytes;
  for (const auto& entry : ring_.since(*to.more->since, now).missed) {
    if (entry.what == nullptr)
      continue; // forgotten, as if it had never been
    const auto ttl = entry.what->fields().ttl_ms;
    const bool alive = (ttl == 0 || entry.at + ttl >= now) && !expired(*entry.what, now_wall_);
    if (alive && wants(*to.more->member, entry.what->type()) && entry.what->is_for(*to.more->member->who))
      wire::encoder_at(to.encoder).append(bytes, *entry.what, {entry.seq, ring_.epoch()});
  }
  out_.single(to.who, std::move(bytes), false);
}

void room_home::forget(std::string_view subject) {
  ring_.forget_if([&](const message_ptr& m) { return m != nullptr && m->fields().subject == subject; });
}

void room_home::keep_out(const room_op& op, const failure& why) {
  refuse(op, why);
  if (op.verb != room_verb::rebind)
    return out_.tell(room_event::kind::refused, op.who);
  out_.tell(room_event::kind::rebound, op.who); // the session is not to wait for it
  out_.tell(room_event::kind::removed, op.who);
}

// A join that an earlier connection of the session had under way when the session went on.
bool room_home::outdated(const member_info& info) const noexcept {
  const auto* there = find(info.key);
  return there != nullptr && there->incarnation > info.incarnation;
}

void room_home::leave(const room_op& op, mono_ms now) {
  if (!members_.contains(op.who))
    return refuse(op, {error_code::not_a_member, "you are not in this room", {}});
  acknowledge(op, "{}");
  remove(op.who, now, "left");
}

void room_home::vanish(member_key who, mono_ms now, std::string_view why) {
  if (members_.contains(who))
    remove(who, now, why);
}

void room_home::remove(member_key who, mono_ms now, std::string_view why) {
  const auto at = members_.find(who);
  const auto info = std::move(at->second);
  members_.erase(at);
  told_ -= info->presence ? 1 : 0;
  out_.reader_went(info->encoder);
  if (audit_ != nullptr)
    audit_->left(*info, why, seq());
  out_.tell(room_event::kind::removed, who);
  announce(presence_.leave(info->who->connection, 0, now), info->who, who, now);
}

void room_home::update(const room_op& op, mono_ms now) {
  const auto at = members_.find(op.who);
  if (at == members_.end())
    return refuse(op, {error_code::not_a_member, "you are not in this room", {}});
  auto changed = std::make_shared<member_info>(*at->second);
  changed->state = op.more->state;
  at->second = std::move(changed);
  if (audit_ != nullptr)
    audit_->updated(*at->second);
  acknowledge(op, "{}");
  announce(presence_.update(at->second->who->connection, op.more->state, now), at->second->who, op.who, now);
}

void room_home::list(const room_op& op) {
  own_single(op.who, op.encoder, "presence:state", op.id, state_payload(state_entries_max));
}

std::string room_home::state_payload(std::size_t entries_max) const {
  std::string payload = "{\"members\":[";
  std::size_t told = 0;
  for (const auto& m : presence_.list("", entries_max).members) {
    if (payload.size() > state_bytes_max)
      break;
    if (told++ != 0)
      payload += ',';
    append_member(payload, *m);
  }
  payload += ']';
  if (told < presence_.size()) {
    payload += ",\"more\":";
    append_json_number(payload, std::uint64_t{presence_.size() - told});
  }
  payload += '}';
  return payload;
}

void room_home::announce(const presence::outcome& change, const std::shared_ptr<const sender>& who, member_key key,
                         mono_ms now) {
  if (!change.immediate || change.who == nullptr)
    return;
  switch (change.what) {
  case presence::change::joined:
    own_frame("room:joined", "{\"state\":" + change.who->state + "}", who, key, now);
    break;
  case presence::change::left:
    own_frame("room:left", "null", who, key, now);
    break;
  case presence::change::updated: {
    presence_diff diff;
    diff.updates.push_back(change.who);
    own_frame("presence:diff", diff_payload(diff), nullptr, key, now);
    break;
  }
  case presence::change::none:
    break;
  }
}

// -- members that come back

void room_home::rebind(const room_op& op, mono_ms now) {
  const bool known = members_.contains(op.who);
  const auto& info = op.more->member;
  enter(info);
  if (!known)
    presence_.adopt(as_member(*info));
  out_.tell(room_event::kind::rebound, op.who, op.more->since && ring_.since(*op.more->since, now).recovered);
  replay(op, now);
  if (info->presence)
    own_single(op.who, op.encoder, "presence:state", {}, state_payload(state_entries_max));
}

void room_home::restore(const room_op& op, mono_ms now) {
  const auto& info = op.more->member;
  enter(info);
  out_.tell(room_event::kind::added, op.who);
  presence_.adopt(as_member(*info));
  own_single(op.who, info->encoder, "room:epoch", {}, "{\"epoch\":\"" + ring_.epoch() + "\"}");
  settled_at_ = now + settle_ms;
}

// -- time

void room_home::pass_time(mono_ms now) {
  ring_.trim(now);
  if (settled_at_ && *settled_at_ <= now) {
    settled_at_.reset();
    own_frame("presence:state", state_payload(state_entries_max), nullptr, 0, now);
  }
  if (const auto diff = presence_.take_diff(now)) {
    const bool alone = diff->joins.size() + diff->leaves.size() + diff->updates.size() == 1;
    member_key causer = 0;
    if (alone && diff->leaves.empty()) {
      const auto& who = diff->joins.empty() ? diff->updates.front() : diff->joins.front();
      for (const auto& [key, info] : members_)
        if (info->who->connection == who->connection)
          causer = key;
    }
    own_frame("presence:diff", diff_payload(*diff), nullptr, causer, now);
  }
}

std::optional<mono_ms> room_home::next_time() const noexcept {
  std::optional<mono_ms> next = presence_.next_diff();
  const auto sooner = [&](mono_ms at) { next = next ? std::min(*next, at) : at; };
  if (settled_at_)
    sooner(*settled_at_);
  if (ring_.size() != 0)
    sooner(ring_.entries().front().at + what_.settings.ring_age.count());
  return next;
}

} // namespace troupe
