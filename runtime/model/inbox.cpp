#include "runtime/model/inbox.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr std::size_t piece_messages_max = 256;
constexpr std::size_t piece_bytes_max = 64 * 1024;

// What the heap needs beside the things themselves: its headers, the nodes of containers, a message's reference count.
constexpr std::size_t empty_overhead = 2 * (512 + 64 + 32); // two deques, each with its first block and its map
constexpr std::size_t entry_overhead = 80;
constexpr std::size_t reader_overhead = 160; // with what its owner has of it
constexpr std::size_t remembered_overhead = 160;

} // namespace

std::string_view to_string(inbox_drop why) noexcept {
  switch (why) {
  case inbox_drop::limit:
    return "offline_limit";
  case inbox_drop::expired:
    return "offline_ttl";
  case inbox_drop::forgotten:
    return "forgotten";
  case inbox_drop::retention:
    return "retention";
  case inbox_drop::damaged:
    return "damaged";
  case inbox_drop::unacknowledged:
    break;
  }
  return "unacknowledged";
}

// -- what comes

wall_ms inbox::expiry_of(const message& m) const noexcept {
  const auto own = m.fields().ttl_ms;
  return m.ts() + (own > 0 ? std::min(own, bounds_.ttl_ms) : bounds_.ttl_ms);
}

void inbox::expect_expiry(wall_ms when) noexcept {
  next_expiry_ = next_expiry_ == 0 ? when : std::min(next_expiry_, when);
}

inbox::entry& inbox::add(message_ptr m, wall_ms expires) {
  auto& e = entries_.emplace_back();
  e.number = ++last_number_;
  e.expires = expires;
  ++messages_;
  bytes_ += m->size();
  e.what.what = std::move(m);
  expect_expiry(expires);
  return e;
}

/// Of messages that the log has told nothing of; none where `to` is less than `from`.
void inbox::add_gap(std::uint64_t from, std::uint64_t to, inbox_drop why, wall_ms now) {
  if (to < from)
    return;
  auto& e = entries_.emplace_back();
  e.number = ++last_number_;
  e.what = {nullptr, 0, why, static_cast<std::size_t>(to - from + 1), from, to};
  e.expires = now + bounds_.ttl_ms;
  expect_expiry(e.expires);
  drops_[static_cast<std::size_t>(why)] += e.what.count;
}

/// The same, as far as it is not known to be damaged.
void inbox::add_missing(const kept& what, std::uint64_t from, std::uint64_t to, inbox_drop why, wall_ms now) {
  for (const auto& bad : what.damaged) {
    if (bad.last < from || bad.first > to)
      continue;
    add_gap(from, bad.first - 1, why, now);
    add_gap(std::max(from, bad.first), std::min(to, bad.last), inbox_drop::damaged, now);
    from = bad.last + 1;
  }
  add_gap(from, to, why, now);
}

void inbox::remember(const message& m, std::uint64_t offset) {
  resends_.settle(m, offset);
  if (dedupe_max_ == 0)
    return;
  const auto& from = m.from();
  const auto name = from == nullptr ? 0 : from->user ? from->user->size() : from->connection.size();
  if (remembered_ == dedupe_max_) // one of average size goes
    remembered_bytes_ -= remembered_bytes_ / remembered_;
  else
    ++remembered_;
  remembered_bytes_ += remembered_overhead + 2 * (name + m.id().size());
}

// What is missing before a message that is too old was too old as well.
void inbox::restore(const kept& what, wall_ms now) {
  given_out_ = stored_ = what.last;
  position_ = std::min(what.acknowledged, what.last);
  if (what.lost > 0) {
    add_gap(1, what.lost, inbox_drop::damaged, now);
    entries_.back().what.from = entries_.back().what.to = 0; // offsets of another order say nothing in this one
  }
  auto next = std::max(position_ + 1, std::min(what.first, what.last + 1));
  add_gap(position_ + 1, next - 1, inbox_drop::retention, now);
  for (const auto& m : what.newest) {
    if (m.what != nullptr && m.what->fields().qos == qos::once)
      remember(*m.what, m.offset);
    if (m.offset < next)
      continue;
    if (m.what == nullptr) {
      add_missing(what, next, m.offset - 1, inbox_drop::limit, now);
      add_gap(m.offset, m.offset, inbox_drop::forgotten, now);
      merge_gap(std::prev(entries_.end()));
      next = m.offset + 1;
      continue;
    }
    const auto expires = expiry_of(*m.what);
    add_missing(what, next, m.offset - 1, expires <= now ? inbox_drop::expired : inbox_drop::limit, now);
    make_room(m.what->size(), now);
    add(m.what, expires).what.offset = m.offset;
    next = m.offset + 1;
  }
  add_missing(what, next, what.last, inbox_drop::limit, now);
  expire(now);
}

inbox::verdict inbox::take(const message_ptr& m, reader_key except, asker who, wall_ms now) {
  const bool reliable = m->fields().qos != qos::at_most_once;
  const bool once = m->fields().qos == qos::once;
  if (const auto known = once ? resends_.find(*m) : std::nullopt) {
    if (!known->same_content)
      return verdict::conflict;
    if (known->number <= stored_)
      return verdict::repeated;
    const auto original = std::find_if(entries_.begin(), entries_.end(),
                                       [&](const entry& e) { return !e.stored && e.what.offset == known->number; });
    original->askers.push_back(who);
    return verdict::waiting;
  }
  expire(now);
  if (!make_room(m->size(), now))
    return verdict::full;
  auto& e = add(m, expiry_of(*m));
  e.except = except;
  if (!reliable)
    return verdict::taken;
  e.what.offset = ++given_out_;
  e.stored = false;
  e.askers.push_back(who);
  appends_.push_back({e.what.offset, m});
  if (once)
    resends_.expect(*m, e.what.offset);
  return verdict::taken;
}

/// Makes the oldest go until there is place. What is on its way to the log has to stay.
bool inbox::make_room(std::size_t bytes, wall_ms now) {
  while (messages_ != 0 && (messages_ >= bounds_.messages_max || bytes_ + bytes > bounds_.bytes_max)) {
    const auto oldest =
        std::find_if(entries_.begin(), entries_.end(), [](const entry& e) { return !e.is_gap() && e.stored; });
    if (oldest == entries_.end())
      return false;
    drop(oldest, inbox_drop::limit, now);
  }
  return true;
}

// -- the log

std::vector<inbox::asker> inbox::stored(std::uint64_t upto) {
  const auto is_stored = [](const entry& e) { return e.is_reliable() && e.stored; };
  std::vector<asker> answered;
  for (auto at = std::find_if(entries_.rbegin(), entries_.rend(), is_stored).base(); at != entries_.end(); ++at) {
    auto& e = *at;
    if (e.stored || e.what.offset > upto)
      continue;
    e.stored = true;
    stored_ = std::max(stored_, e.what.offset);
    if (e.what.what->fields().qos == qos::once)
      remember(*e.what.what, e.what.offset);
    answered.insert(answered.end(), e.askers.begin(), e.askers.end());
    e.askers = {};
  }
  return answered;
}

std::vector<inbox::asker> inbox::not_stored() {
  std::vector<asker> refused;
  for (auto at = entries_.begin(); at != entries_.end();) {
    if (at->stored) {
      ++at;
      continue;
    }
    const auto& m = *at->what.what;
    if (m.fields().qos == qos::once)
      resends_.forget(m);
    refused.insert(refused.end(), at->askers.begin(), at->askers.end());
    --messages_;
    bytes_ -= m.size();
    at = entries_.erase(at);
  }
  appends_.clear();
  given_out_ = stored_;
  return refused;
}

std::optional<std::uint64_t> inbox::take_position() {
  auto settled = stored_;
  for (const auto& e : entries_)
    if (const auto offset = e.is_gap() ? e.what.from : e.what.offset; offset != 0) {
      settled = std::min(settled, offset - 1);
      break;
    }
  if (settled <= position_)
    return std::nullopt;
  return position_ = settled;
}

// -- what goes

/// @returns what follows it
inbox::entries::iterator inbox::drop(entries::iterator at, inbox_drop why, wall_ms now) {
  const bool had = at->given;
  ++drops_[static_cast<std::size_t>(had ? inbox_drop::unacknowledged : why)];
  --messages_;
  bytes_ -= at->what.what->size();
  if (had)
    return entries_.erase(at);
  const auto offset = at->what.offset;
  at->what = {nullptr, 0, why, 1, offset, offset};
  at->expires = now + bounds_.ttl_ms;
  at = merge_gap(at);
  if (readers_.empty())
    expect_expiry(at->expires);
  return std::next(at);
}

/// Joins a gap that nobody was told of with such neighbours. @returns where it is then
inbox::entries::iterator inbox::merge_gap(entries::iterator at) {
  const auto untold = [](const entry& e) { return e.is_gap() && !e.given && e.what.why != inbox_drop::retention; };
  const auto join = [this](entries::iterator first) {
    first->expires = std::max(first->expires, std::next(first)->expires);
    auto& a = first->what;
    const auto& b = std::next(first)->what;
    a.count += b.count;
    a.from = a.from == 0 ? b.from : a.from;
    a.to = std::max(a.to, b.to);
    return std::prev(entries_.erase(std::next(first)));
  };
  if (std::next(at) != entries_.end() && untold(*std::next(at)))
    at = join(at);
  if (at != entries_.begin() && untold(*std::prev(at)))
    at = join(std::prev(at));
  return at;
}

void inbox::forget(std::string_view subject, wall_ms now) {
  for (auto at = entries_.begin(); at != entries_.end();)
    if (!at->is_gap() && at->stored && at->what.what->fields().subject == subject)
      at = drop(at, inbox_drop::forgotten, now);
    else
      ++at;
}

void inbox::expire(wall_ms now) {
  if (next_expiry_ == 0 || now < next_expiry_)
    return;
  next_expiry_ = 0;
  for (auto at = entries_.begin(); at != entries_.end();) {
    if (at->is_gap() && !readers_.empty()) { // they are told of it
      ++at;
    } else if (!at->stored || at->expires > now) {
      expect_expiry(at->expires);
      ++at;
    } else {
      at = at->is_gap() ? entries_.erase(at) : drop(at, inbox_drop::expired, now);
    }
  }
}

void inbox::forget_volatile() {
  drops_[static_cast<std::size_t>(inbox_drop::limit)] += std::erase_if(entries_, [this](const entry& e) {
    if (e.is_gap() || e.is_reliable())
      return false;
    --messages_;
    bytes_ -= e.what.what->size();
    return true;
  });
  if (messages_ == 0)
    entries_.clear();
}

/// Lets go of what nobody has to acknowledge and every reader has been given.
void inbox::forget_given() {
  auto passed = last_number_ + 1;
  for (const auto& [who, r] : readers_)
    passed = std::min(passed, r.next);
  std::erase_if(entries_, [&](const entry& e) {
    if (e.number >= passed || (e.is_reliable() && !e.is_gap()) || (!e.given && readers_.empty()))
      return false;
    if (!e.is_gap()) {
      --messages_;
      bytes_ -= e.what.what->size();
    }
    return true;
  });
}

void inbox::pass_time(wall_ms now, mono_ms mono) {
  expire(now);
  if (owed_since_ == 0 || mono - owed_since_ < bounds_.redeliver_after_ms)
    return;
  const auto owed = std::find_if(entries_.begin(), entries_.end(),
                                 [](const entry& e) { return !e.is_gap() && e.is_reliable() && e.given; });
  owed_since_ = owed == entries_.end() ? 0 : mono;
  if (owed != entries_.end())
    for (auto& [who, r] : readers_)
      if (!r.draining) // else it has not even been sent
        r.next = std::min(r.next, owed->number);
}

std::optional<std::int64_t> inbox::next_time(wall_ms now, mono_ms mono) const noexcept {
  std::optional<std::int64_t> next;
  if (next_expiry_ != 0)
    next = next_expiry_ - now;
  if (owed_since_ != 0 && !readers_.empty()) {
    const auto again = owed_since_ + bounds_.redeliver_after_ms - mono;
    next = next ? std::min(*next, again) : again;
  }
  return next;
}

// -- readers

void inbox::attach(reader_key who) {
  reader r;
  r.next = entries_.empty() ? last_number_ + 1 : entries_.front().number;
  if (std::any_of(entries_.begin(), entries_.end(), [](const entry& e) { return !e.given; }))
    r.flush_upto = last_number_;
  readers_[who] = r;
}

void inbox::detach(reader_key who) {
  if (readers_.erase(who) == 0)
    return;
  if (readers_.empty()) // what was for those who were there only
    std::erase_if(entries_, [this](const entry& e) {
      if (e.is_gap() || e.is_reliable() || e.given || e.what.what->fields().offline == offline_policy::queue)
        return false;
      --messages_;
      bytes_ -= e.what.what->size();
      return true;
    });
  forget_given();
  if (readers_.empty())
    for (const auto& e : entries_) // gaps as well, from here on
      expect_expiry(e.expires);
}

void inbox::give(entry& e, reader_key who, reader& r, piece& into, mono_ms mono) {
  const bool again = e.number <= r.seen;
  r.next = e.number + 1;
  r.seen = std::max(r.seen, e.number);
  if (e.except == who || (again && (e.is_gap() || !e.is_reliable())))
    return;
  e.given = true;
  into.items.push_back(e.what);
  if (e.is_gap()) {
    r.dropped += e.what.count;
    return;
  }
  ++r.delivered;
  if (!e.is_reliable())
    return;
  shown_ = std::max(shown_, e.what.offset);
  if (owed_since_ == 0)
    owed_since_ = mono;
}

std::optional<inbox::piece> inbox::next_piece(reader_key who, wall_ms now, mono_ms mono) {
  auto& r = readers_.at(who);
  if (r.draining)
    return std::nullopt;
  expire(now);
  piece out;
  std::size_t bytes = 0;
  auto at = std::lower_bound(entries_.begin(), entries_.end(), r.next,
                             [](const entry& e, std::uint64_t number) { return e.number < number; });
  for (; at != entries_.end() && at->stored; ++at) {
    if (out.items.size() >= piece_messages_max || bytes >= piece_bytes_max)
      break;
    bytes += at->is_gap() ? 0 : at->what.what->size();
    give(*at, who, r, out, mono);
  }
  if (at == entries_.end())
    r.next = std::max(r.next, last_number_ + 1);
  if (r.flush_upto != 0 && r.next > r.flush_upto) {
    out.flushed = {r.delivered, r.dropped};
    r.flush_upto = 0;
  }
  forget_given();
  if (out.items.empty() && !out.flushed)
    return std::nullopt;
  out.ticket = r.ticket = ++last_ticket_;
  r.draining = true;
  return out;
}

void inbox::drained(reader_key who, std::uint64_t ticket) {
  const auto at = readers_.find(who);
  if (at != readers_.end() && at->second.ticket == ticket)
    at->second.draining = false;
}

void inbox::acknowledge(std::uint64_t offset, mono_ms mono) {
  const auto upto = std::min(offset, shown_); // nobody has what was not given
  const auto before = messages_;
  std::erase_if(entries_, [&](const entry& e) {
    if (e.is_gap() || !e.is_reliable() || !e.given || e.what.offset > upto)
      return false;
    --messages_;
    bytes_ -= e.what.what->size();
    return true;
  });
  if (messages_ == before)
    return;
  const bool owing = std::any_of(entries_.begin(), entries_.end(),
                                 [](const entry& e) { return !e.is_gap() && e.is_reliable() && e.given; });
  owed_since_ = owing ? mono : 0;
}

bool inbox::has_reliable() const noexcept {
  return std::any_of(entries_.begin(), entries_.end(), [](const entry& e) { return !e.is_gap() && e.is_reliable(); });
}

std::size_t inbox::bytes() const noexcept {
  return sizeof(inbox) + empty_overhead + bytes_ + entries_.size() * (sizeof(entry) + entry_overhead) +
         readers_.size() * (sizeof(reader) + reader_overhead) + remembered_bytes_;
}

bool inbox::caught_up() const noexcept {
  return std::all_of(readers_.begin(), readers_.end(), [&](const auto& r) { return r.second.next > last_number_; });
}

} // namespace troupe
