#include "actors/channel_log.hpp"
#include "actors/unavailable.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

namespace troupe {

std::vector<channel_log::run> channel_log_reader::runs_of(const channel_reading& what,
                                                          std::optional<failure>& why) const {
  constexpr std::size_t runs_max = 1024;
  std::vector<channel_log::run> out;
  const auto prefix = channel_log::run_prefix(what.name, what.epoch);
  const auto end_key = channel_log::run_key(what.name, what.epoch, what.what.reverse ? what.what.to : what.what.from);
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  const auto enough = [&](const channel_log::run& r) {
    messages += r.last - r.first + 1;
    bytes += r.bytes;
    return messages > what.what.messages_max + (out.size() == 1 ? r.last - r.first : 0) || bytes > what.what.bytes_max;
  };
  // The run in which the first offset lies begins at or before it.
  std::string begin = end_key;
  const auto before = index_.scan({.prefix = prefix, .from = end_key, .way = store::direction::backward, .limit = 1},
                                  [&](auto key, auto) { return (begin = key), true; });
  const auto way = what.what.reverse ? store::direction::backward : store::direction::forward;
  const auto found =
      index_.scan({.prefix = prefix, .from = begin, .way = way, .limit = runs_max}, [&](auto key, auto value) {
        const auto r = channel_log::run_from(key, value);
        if (!r || (what.what.reverse ? r->last < what.what.from : r->first > what.what.to))
          return false;
        if (r->first > what.what.to || r->last < what.what.from)
          return true;
        out.push_back(*r);
        return !enough(*r);
      });
  if (!before.ok() || !found.ok())
    why = unavailable(before.ok() ? found.why() : before.why());
  return out;
}

channel_found channel_log_reader::read(const channel_reading& what, std::vector<damage>* passed) {
  constexpr std::size_t places_max = 16;
  channel_found out;
  out.ticket = what.what.ticket;
  const auto of = channel_log::run_prefix(what.name, what.epoch);
  const auto known = std::find_if(places_.begin(), places_.end(),
                                  [&](const place& p) { return p.next == what.what.from && p.of == of; });
  bool resumed = known != places_.end() && !what.what.reverse;
  cursor_.reset();
  passed_ = what.what.reverse ? nullptr : passed;
  if (resumed) {
    cursor_ = std::move(known->at);
    places_.erase(known);
  }
  auto rest = what;
  for (bool more = true; more && !out.why;) {
    const auto runs = runs_of(rest, out.why);
    more = !out.why && read_runs(rest, runs, std::exchange(resumed, false), out) && !runs.empty() &&
           !what.what.reverse && out.messages.empty() && runs.back().last < what.what.to;
    if (more) // all of these were dropped: what is kept begins behind them
      rest.what.from = runs.back().last + 1;
  }
  if (out.why)
    return out;
  if (cursor_ && !what.what.reverse && !out.messages.empty()) {
    places_.push_back({of, out.messages.back().offset + 1, std::move(*cursor_)});
    if (places_.size() > places_max)
      places_.pop_front();
  }
  return out;
}

/// @param rest what is still wanted of the bounds
/// @returns false where it failed, or the bounds are reached
bool channel_log_reader::read_runs(channel_reading& rest, const std::vector<channel_log::run>& runs, bool resumed,
                                   channel_found& out) {
  std::vector<stored_message> found;
  for (const auto& r : runs) {
    found.clear();
    out.why = read_run(rest, r, std::exchange(resumed, false), found);
    if (out.why)
      return false;
    if (rest.what.reverse)
      std::reverse(found.begin(), found.end());
    for (auto& m : found) {
      if (rest.what.messages_max == 0 || rest.what.bytes_max == 0)
        return false;
      --rest.what.messages_max;
      rest.what.bytes_max -= std::min(rest.what.bytes_max, m.bytes());
      out.messages.push_back(std::move(m));
    }
    if (rest.what.messages_max == 0 || rest.what.bytes_max == 0)
      return false;
  }
  return true;
}

/// @param resumed the cursor stands before the message asked for
std::optional<failure> channel_log_reader::read_run(const channel_reading& what, const channel_log::run& from,
                                                    bool resumed, std::vector<stored_message>& into) {
  auto next = resumed ? std::max(from.first, what.what.from) : from.first;
  if (!resumed || what.what.from <= from.first) // between two runs lie records of others
    if (const auto why = go_to(from))
      return pass(what, from, *why, next);
  std::size_t bytes = 0;
  while (cursor_) { // without one its segment was dropped: not kept any more
    const auto step = cursor_->next();
    if (step == log::cursor::step::failed) {
      if (auto why = pass(what, from, log::fault{cursor_->why()}, next))
        return why;
      continue;
    }
    if (step == log::cursor::step::end)
      return std::nullopt;
    const auto& r = cursor_->at().what;
    if (!is_message(r.kind) || r.channel != what.name || r.epoch != what.epoch || !r.offset)
      return unavailable("the index does not fit the log at " + std::to_string(cursor_->at().index));
    if (*r.offset >= what.what.from && *r.offset <= what.what.to) {
      auto m = opened_message(*keys_, cursor_->at());
      if (!m)
        return unavailable(m.error());
      into.push_back({*r.offset, std::move(*m)});
      bytes += into.back().bytes();
    }
    next = *r.offset + 1;
    const bool full = !what.what.reverse && (into.size() >= what.what.messages_max || bytes >= what.what.bytes_max);
    if (*r.offset >= from.last || *r.offset >= what.what.to || full)
      return std::nullopt;
  }
  return std::nullopt;
}

/// Goes on behind damage, at the next good record of the run, or without a cursor where it has none; notes what lies
/// between, as far as it is wanted.
/// @param next the first offset that cannot be read; then the one that the cursor stands before
/// @returns why it does not
std::optional<failure> channel_log_reader::pass(const channel_reading& what, const channel_log::run& in,
                                                const log::fault& why, std::uint64_t& next) {
  if (passed_ == nullptr || (why.kind != log::fault_kind::damaged && why.kind != log::fault_kind::lost))
    return unavailable(why);
  const auto bad = std::exchange(next, in.last + 1);
  const auto segment = cursor_ && cursor_->segment() ? cursor_->segment()->header.first() : in.segment;
  const auto good = cursor_ && bad < in.last ? cursor_->next_good() : std::optional<std::uint64_t>{};
  cursor_.reset();
  if (!good)
    return unavailable(good.error());
  auto found = *good ? log::cursor::open_at(folder_, segment, **good, 0) : log::fault{};
  if (found && found->next() == log::cursor::step::ready) {
    const auto& r = found->at().what;
    if (is_message(r.kind) && r.channel == what.name && r.epoch == what.epoch && r.offset > bad &&
        r.offset <= in.last) {
      next = *r.offset;
      found = log::cursor::open_at(folder_, segment, **good, in.index + (next - in.first)); // nothing lies between
      if (!found)
        return unavailable(found.error());
      cursor_ = std::move(*found);
    }
  }
  const offset_range gone{std::max(bad, what.what.from), std::min(next - 1, what.what.to)};
  if (gone.first > gone.last)
    return std::nullopt;
  if (passed_->empty() || gone.first > passed_->back().first.last + 1)
    passed_->emplace_back(gone, why.text());
  auto& newest = passed_->back().first;
  newest.last = std::max(newest.last, gone.last);
  return std::nullopt;
}

log::status channel_log_reader::go_to(const channel_log::run& where) {
  constexpr std::uint64_t step_over_max = 256; // records of others between two runs: cheaper than to open anew
  if (cursor_ && cursor_->index() <= where.index && where.index - cursor_->index() <= step_over_max &&
      cursor_->segment() && cursor_->segment()->header.first() <= where.segment) {
    while (cursor_->index() < where.index)
      if (cursor_->next() != log::cursor::step::ready)
        break;
    if (cursor_->index() == where.index)
      return std::nullopt;
  }
  cursor_.reset();
  auto opened = log::cursor::open_at(folder_, where.segment, where.at, where.index);
  if (!opened) {
    if (opened.error().number == ENOENT || opened.error().kind == log::fault_kind::lost)
      return std::nullopt;
    return opened.error();
  }
  cursor_ = std::move(*opened);
  return std::nullopt;
}

} // namespace troupe
