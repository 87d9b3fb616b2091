// The subscribers of a channel: coming and going, catching up, acknowledging.

#include "actors/channel_home.hpp"

#include "actors/answers.hpp"
#include "actors/channel_audit.hpp"
#include "runtime/model/json_text.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr std::size_t piece_bytes_max = 64 * 1024; // of a catch-up: what an outbox holds of it at a time
constexpr std::size_t piece_messages_max = 1024;
constexpr mono_ms lateness_parts = 16; // by one of so many parts a redelivery may be late

} // namespace

// -- subscribers

std::string channel_home::durable_key(std::string_view user, std::string_view name) {
  std::string key{user};
  key += '\0';
  key += name;
  return key;
}

void channel_home::join(const room_op& op, mono_ms now) {
  const auto& asked = *op.more;
  const auto there = subscribers_.find(op.who);
  if (there != subscribers_.end() && there->second.info->incarnation > asked.member->incarnation)
    return; // of an earlier connection of the session
  subscriber s;
  s.info = asked.member;
  if (!hold(op, s, asked.durable)) {
    vanish(op.who, "refused"); // `refused` for a member would be about what it has
    return tell(op.who, s, room_event::kind::refused);
  }
  bool recovered = true;
  std::uint64_t seen = stored_;
  const auto kept = s.durable.empty() ? what_.positions.end() : what_.positions.find(s.durable);
  if (!s.durable.empty() && what_.outdated.erase(s.durable) != 0) { // where it was in this epoch nobody knows
    recovered = false;
    seen = first_ - 1;
  } else if (kept != what_.positions.end()) {
    recovered = kept->second <= stored_;
    seen = std::min(kept->second, stored_);
  } else if (asked.earliest) {
    seen = first_ - 1;
  } else if (asked.since) {
    recovered = asked.since->epoch == what_.epoch && asked.since->seq <= stored_;
    seen = recovered ? asked.since->seq : first_ - 1;
  }
  if (seen + 1 < first_) {
    recovered = false;
    seen = first_ - 1;
  }
  if (!s.durable.empty() && kept == what_.positions.end())
    move_position(s.durable, seen);
  s.given = seen;
  s.next = seen + 1;
  enter(op.who, std::move(s), room_event::kind::added, recovered);
  answer(op, "ack", place(seen) + (recovered ? ",\"recovered\":true}" : ",\"recovered\":false}"));
  advance(op.who, subscribers_.at(op.who), now);
}

/// Takes hold of the durable subscription that is asked for, where one is. Says so where it cannot.
bool channel_home::hold(const room_op& op, subscriber& s, const std::string& name) {
  if (name.empty())
    return true;
  const auto& user = s.info->who->user;
  auto key = durable_key(user ? *user : std::string{}, name);
  const auto holder = durables_.find(key);
  std::optional<failure> why;
  if (!user)
    why = {error_code::unauthorized, "a durable subscription belongs to a user: say who you are", {}};
  else if (holder != durables_.end() && holder->second != op.who)
    why = {error_code::conflict, "another connection holds this subscription", 1000};
  else
    why = no_room_for(key, *user);
  if (!why) {
    s.durable = std::move(key);
    return true;
  }
  out_.speak_to(op.incarnation);
  out_.answer(op.who, s.info->encoder, "error", op.id, failure_payload(*why), {});
  return false;
}

/// Why a durable subscription cannot be begun, if it is a new one and there are too many.
std::optional<failure> channel_home::no_room_for(const std::string& key, const std::string& user) {
  if (what_.positions.contains(key) || what_.outdated.contains(key))
    return std::nullopt;
  const auto& bounds = what_.settings;
  if (what_.positions.size() + what_.outdated.size() >= bounds.durables) {
    pressure_.push_back("durables_limit");
    return failure{error_code::unavailable, "this channel has as many durable subscriptions as it may have", {}};
  }
  const auto of_user = durable_key(user, {});
  const auto many = [&](const auto& all, const auto& name_of) {
    auto at = all.lower_bound(of_user);
    const auto begin = at;
    while (at != all.end() && name_of(*at).starts_with(of_user))
      ++at;
    return static_cast<std::size_t>(std::distance(begin, at));
  };
  const auto known = many(what_.positions, [](const auto& entry) -> const std::string& { return entry.first; }) +
                     many(what_.outdated, [](const auto& entry) -> const std::string& { return entry; });
  if (known < bounds.durables_per_user)
    return std::nullopt;
  pressure_.push_back("durables_per_user_limit");
  return failure{error_code::rate_limited, "you have as many durable subscriptions here as a user may have", {}};
}

void channel_home::enter(member_key who, subscriber s, room_event::kind how, bool recovered) {
  const auto there = subscribers_.find(who);
  if (audit_ != nullptr && (how == room_event::kind::added || there == subscribers_.end()))
    audit_->subscribed(*s.info->who, what_.epoch, s.next - 1, s.durable);
  if (there != subscribers_.end())
    remove(there);
  out_.reader_came(s.info->encoder);
  if (!s.durable.empty())
    durables_[s.durable] = who;
  tell(who, s, how, recovered);
  tell(who, s, room_event::kind::paused);
  subscribers_[who] = std::move(s);
}

/// @param why for the audit log; empty: it stays subscribed
void channel_home::remove(subscribers_map::iterator at, std::string_view why) {
  auto& s = at->second;
  if (audit_ != nullptr && !why.empty())
    audit_->unsubscribed(*s.info->who, what_.epoch, given(s), s.durable, why);
  out_.reader_went(s.info->encoder);
  stop_reading(s);
  if (!s.durable.empty())
    durables_.erase(s.durable);
  tell(at->first, s, room_event::kind::removed);
  subscribers_.erase(at);
}

void channel_home::leave(const room_op& op) {
  const auto at = subscribers_.find(op.who);
  if (at == subscribers_.end())
    return refuse(op, {error_code::not_a_member, "you are not subscribed to this channel", {}});
  answer(op, "ack", "{}");
  const auto& durable = at->second.durable;
  const bool forget = op.more != nullptr && op.more->forget && !durable.empty();
  if (forget && what_.positions.erase(durable) != 0)
    moved_positions_.push_back({durable, std::nullopt});
  remove(at, forget ? "forgotten" : "left");
}

void channel_home::vanish(member_key who, std::string_view why) {
  if (const auto at = subscribers_.find(who); at != subscribers_.end())
    remove(at, why.empty() ? "closed" : why);
}

// The same subscriber through another connection: it goes on after what it says that it has seen. Where it says
// nothing, that is after what it has acknowledged, or was given last; whether all of that has come nobody knows.
void channel_home::rebind(const room_op& op, mono_ms now) {
  subscriber s;
  s.info = op.more->member;
  s.given = stored_;
  s.next = stored_ + 1;
  if (const auto there = subscribers_.find(op.who); there != subscribers_.end()) {
    auto& before = there->second;
    if (before.info->incarnation > s.info->incarnation)
      return;
    s.durable = before.durable;
    s.given = given(before);
    s.next = before.live ? stored_ + 1 : before.next;
    s.owed = std::move(before.owed);
    s.preface = std::move(before.preface);
    if (!s.owed.empty())
      s.next = std::min(s.next, s.owed.front());
  } else {
    hold(op, s, op.more->durable);
  }
  const auto& seen = op.more->since;
  const bool here = seen && seen->epoch == what_.epoch && seen->seq <= stored_;
  if (seen) {
    s.given = here ? seen->seq : first_ - 1;
    s.next = s.given + 1;
    s.preface.clear();
  }
  const bool recovered = here && s.next >= first_;
  s.next = std::max(s.next, first_);
  s.given = std::max(s.given, first_ - 1);
  std::erase_if(s.owed, [&](std::uint64_t offset) { return offset >= s.next; });
  s.owed_since = now;
  enter(op.who, std::move(s), room_event::kind::rebound, recovered);
  advance(op.who, subscribers_.at(op.who), now);
}

void channel_home::restore(const room_op& op, mono_ms now) {
  subscriber s;
  s.info = op.more->member;
  const auto last = op.more->offset;
  bool known = last != 0 && last <= stored_ && last + 1 >= first_;
  s.given = known ? last : stored_;
  s.next = s.given + 1;
  hold(op, s, op.more->durable);
  if (const auto kept = what_.positions.find(s.durable); !s.durable.empty() && kept != what_.positions.end()) {
    s.next = std::min(s.next, kept->second + 1); // what it has not acknowledged comes again
    if (!known)
      s.given = s.next - 1;
    known = true;
  }
  enter(op.who, std::move(s), room_event::kind::added, true);
  auto& entered = subscribers_.at(op.who);
  if (!known)
    out_.answer(op.who, entered.info->encoder, "gap", {}, "{\"reason\":\"restarted\"}", {});
  advance(op.who, entered, now);
}

// -- delivering what was missed

void channel_home::pause(member_key who, subscriber& s, std::uint64_t next) {
  stop_reading(s);
  s.given = given(s);
  s.live = false;
  s.next = next;
  tell(who, s, room_event::kind::paused);
}

void channel_home::go_live(member_key who, subscriber& s) {
  s.live = true;
  tell(who, s, room_event::kind::live);
}

void channel_home::stop_reading(subscriber& s) {
  if (s.ticket != 0)
    readers_.erase(std::exchange(s.ticket, 0));
}

/// Appends a `gap` of what it never had before `next`, where there is anything of that.
void channel_home::append_gap(std::string& out, const subscriber& s, std::string_view reason,
                              std::uint64_t next) const {
  const auto from = std::max(s.next, s.given + 1);
  if (from >= next)
    return;
  std::string payload = "{\"reason\":\"";
  payload += reason;
  payload += "\",\"from\":";
  append_json_number(payload, from);
  payload += ",\"to\":";
  append_json_number(payload, next - 1);
  payload += '}';
  wire::encoder_at(s.info->encoder)
      .append(out, *plain_message("gap", {}, target_kind::channel, what_.name, payload), {});
}

/// Goes on at `next`; a `gap` says so, in a piece: what is not part of one could overtake a spill.
void channel_home::skip_to(std::string& out, subscriber& s, std::string_view reason, std::uint64_t next) const {
  append_gap(out, s, reason, next);
  s.next = std::max(s.next, next);
  s.given = std::max(s.given, next - 1);
}

/// Gives the next piece, or goes live.
void channel_home::advance(member_key who, subscriber& s, mono_ms now) {
  if (s.live || s.draining || s.ticket != 0 || full(s))
    return;
  if (s.next < first_)
    skip_to(s.preface, s, "retention", first_);
  if (s.next > stored_ && s.preface.empty())
    return go_live(who, s);
  if (s.next > ring_.lost_seq())
    return give(who, s, from_ring(s.next), {}, now);
  s.ticket = ++last_ticket_;
  s.read_upto = ring_.lost_seq();
  readers_[s.ticket] = who;
  reads_.push_back({s.ticket, s.next, s.read_upto, false, piece_messages_max, piece_bytes_max});
}

std::vector<stored_message> channel_home::from_ring(std::uint64_t from) {
  std::vector<stored_message> found;
  std::size_t bytes = 0;
  for (const auto& entry : ring_.since(what_.epoch, from - 1, 0).missed) {
    if (found.size() == piece_messages_max || bytes > piece_bytes_max)
      break;
    bytes += entry.bytes;
    found.push_back({entry.seq, entry.what});
  }
  return found;
}

/// @param found with what is damaged all that there is from `next` on, up to its end
void channel_home::give(member_key who, subscriber& s, const stored_messages& found, const offset_ranges& damaged,
                        mono_ms now) {
  auto bytes = std::exchange(s.preface, {});
  std::uint64_t forgotten = 0; // the last of a stretch that begins at s.next
  const auto tell_forgotten = [&] {
    if (forgotten == 0)
      return;
    append_gap(bytes, s, "forgotten", forgotten + 1);
    s.next = forgotten + 1;
    s.given = std::max(s.given, std::exchange(forgotten, 0));
  };
  auto bad = damaged.begin();
  const auto tell_damaged = [&] {
    tell_forgotten();
    skip_to(bytes, s, bad->first <= first_ ? "retention" : "lost", bad->first);
    skip_to(bytes, s, "damaged", bad++->last + 1);
  };
  const auto no_room = [&] { return full(s) || bytes.size() > piece_bytes_max; };
  for (auto at = found.begin(); (at != found.end() || bad != damaged.end()) && !no_room();) {
    if (bad != damaged.end() && (at == found.end() || bad->first < at->offset)) {
      tell_damaged();
      continue;
    }
    const auto& m = *at++;
    if (m.offset < s.next) // acknowledged while it was read
      continue;
    if (forgotten == 0 || m.what != nullptr || m.offset != forgotten + 1) {
      tell_forgotten();
      append_gap(bytes, s, m.offset <= first_ ? "retention" : "lost", m.offset);
    }
    if (m.what == nullptr) {
      if (forgotten == 0) {
        s.next = m.offset;
        s.given = std::max(s.given, m.offset - 1);
      }
      forgotten = m.offset;
      continue;
    }
    const bool again = m.offset <= s.given;
    s.next = m.offset + 1;
    s.given = std::max(s.given, m.offset);
    if (expired(*m.what, now_wall_) || !wants(s, *m.what) || (again && !reliable(*m.what)))
      continue;
    wire::encoder_at(s.info->encoder).append(bytes, *m.what, {m.offset, what_.epoch});
    if (reliable(*m.what))
      owe(s, m.offset, now);
  }
  tell_forgotten();
  if (bytes.empty())
    return advance(who, s, now);
  s.draining = true;
  out_.speak_to(s.info->incarnation);
  out_.single(who, std::move(bytes), true);
  if (s.next > stored_ && !full(s)) // what follows queues up behind the piece
    go_live(who, s);
}

/// What was read before its key went is not given after.
void channel_home::leave_out_forgotten(std::uint64_t ticket, std::vector<stored_message>& found) {
  for (const auto& [subject, last] : forgotten_)
    for (auto& m : found)
      if (ticket <= last && m.what != nullptr && m.what->fields().subject == subject)
        m.what = nullptr;
  auto oldest = last_ticket_ + 1; // that is still read
  const auto look = [&](const auto& under_way) {
    for (const auto& [other, who] : under_way)
      if (other != ticket)
        oldest = std::min(oldest, other);
  };
  look(readers_);
  look(histories_);
  std::erase_if(forgotten_, [&](const auto& one) { return one.second < oldest; });
}

void channel_home::read_done(std::uint64_t ticket, stored_messages found, const failure* why, mono_ms now,
                             const offset_ranges& damaged) {
  if (!forgotten_.empty())
    leave_out_forgotten(ticket, found);
  if (const auto asked = histories_.find(ticket); asked != histories_.end()) {
    auto history = std::move(asked->second);
    histories_.erase(asked);
    return history_found(std::move(history), found, damaged, why);
  }
  const auto reader = readers_.find(ticket);
  if (reader == readers_.end())
    return; // it has gone meanwhile
  const auto who = reader->second;
  const auto at = subscribers_.find(who);
  auto& s = at->second;
  stop_reading(s);
  if (why != nullptr) {
    out_.speak_to(s.info->incarnation);
    out_.answer(who, s.info->encoder, "error", {}, failure_payload(*why), {});
    tell(who, s, room_event::kind::refused);
    return remove(at, "unavailable");
  }
  const bool nothing = found.empty() && damaged.empty();
  if (nothing && s.next < first_) // dropped while it was read
    skip_to(s.preface, s, "retention", first_);
  else if (nothing && s.next <= s.read_upto)
    skip_to(s.preface, s, "lost", s.read_upto + 1);
  give(who, s, found, damaged, now);
}

/// The subscriber that an operation of its fan-out is about; null where it is of a membership that is over.
channel_home::subscriber* channel_home::concerned(const room_op& op) {
  const auto at = subscribers_.find(op.who);
  const bool known = at != subscribers_.end() && op.more != nullptr && op.more->member == at->second.info;
  return known ? &at->second : nullptr;
}

// It has all before `offset`; of what it was given since then, live or stored, it has nothing.
void channel_home::spilled(const room_op& op, mono_ms) {
  auto* s = concerned(op);
  if (s == nullptr)
    return;
  const auto missed = std::clamp<std::uint64_t>(op.more->offset, 1, stored_ + 1);
  const auto had = std::min(given(*s), missed - 1);
  stop_reading(*s);
  s->next = s->live ? missed : std::min(s->next, missed);
  s->given = had;
  s->live = false;
  s->draining = true;
  s->preface.clear();
  std::erase_if(s->owed, [&](std::uint64_t offset) { return offset >= s->next; });
  tell(op.who, *s, room_event::kind::paused, true);
}

void channel_home::drained(const room_op& op, mono_ms now) {
  auto* s = concerned(op);
  if (s == nullptr)
    return;
  s->draining = false;
  s->owed_since = now; // before, it could not acknowledge
  advance(op.who, *s, now);
}

// -- acknowledgements of subscribers

void channel_home::owe(subscriber& s, std::uint64_t offset, mono_ms now) {
  if (s.owed.empty())
    s.owed_since = now;
  s.owed.push_back(offset);
  if (redeliver_at_ == 0)
    redeliver_at_ = now + what_.settings.redeliver_after.count();
}

void channel_home::acknowledge(const room_op& op, mono_ms now) {
  const auto at = subscribers_.find(op.who);
  if (at == subscribers_.end())
    return;
  auto& s = at->second;
  const auto upto = std::min(op.more->offset, given(s)); // nobody has what was not given
  if (std::erase_if(s.owed, [&](std::uint64_t offset) { return offset <= upto; }) != 0)
    s.owed_since = now;
  s.next = std::max(s.next, upto + 1);
  if (!s.durable.empty())
    move_position(s.durable, upto);
  advance(op.who, s, now);
}

void channel_home::move_position(const std::string& key, std::uint64_t offset) {
  const auto [at, fresh] = what_.positions.try_emplace(key, offset);
  if (!fresh && at->second >= offset)
    return;
  at->second = offset;
  moved_positions_.push_back({key, offset});
}

void channel_home::pass_time(mono_ms now) {
  trim(now);
  if (redeliver_at_ == 0 || now < redeliver_at_)
    return;
  redeliver_at_ = 0;
  const auto patience = what_.settings.redeliver_after.count();
  std::optional<mono_ms> next;
  for (auto& [who, s] : subscribers_) {
    if (!s.owed.empty() && !s.draining && now - s.owed_since >= patience) {
      const auto again = s.owed.front();
      s.owed.clear();
      pause(who, s, again);
      advance(who, s, now);
    }
    if (!s.owed.empty())
      next = std::min(next.value_or(s.owed_since + patience), s.owed_since + patience);
  }
  if (next)
    redeliver_at_ = std::max(*next, now + patience / lateness_parts + 1);
}

std::optional<mono_ms> channel_home::next_time() const noexcept {
  std::optional<mono_ms> next;
  if (redeliver_at_ != 0)
    next = redeliver_at_;
  if (!stretches_.empty()) {
    const auto at = stretches_.front().ended + what_.settings.history_age.count() + 1;
    next = next ? std::min(*next, at) : at;
  }
  return next;
}

} // namespace troupe
