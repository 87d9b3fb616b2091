#include "actors/channel_log.hpp"
#include "actors/unavailable.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

namespace troupe {
namespace {

constexpr std::uint64_t searched_bytes_max = std::uint64_t{16} << 20; // of a read behind damage, as others wait

bool is_damage(const log::fault& why) noexcept {
  return why.kind == log::fault_kind::damaged || why.kind == log::fault_kind::lost;
}

/// What the index knows to be there.
log::fault missing(std::uint64_t segment) {
  return {log::fault_kind::lost, 0, "records that were written are missing in " + log::segment_name(segment)};
}

/// Adds what cannot be read behind what was found before; where it goes on there, or nothing is left of it, in that.
void note(channel_found& in, const offset_range& bad, std::string why) {
  if (bad.first > bad.last)
    return;
  if (!in.damaged.empty()) {
    auto& newest = in.damaged.back();
    if (bad.first <= newest.last + 1 && newest.first <= bad.last + 1) {
      newest = {std::min(newest.first, bad.first), std::max(newest.last, bad.last)};
      return;
    }
  }
  in.damaged.push_back(bad);
  in.damaged_why.push_back(std::move(why));
}

} // namespace

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

channel_found channel_log_reader::read(const channel_reading& what) {
  constexpr std::size_t places_max = 16;
  channel_found out;
  out.ticket = what.what.ticket;
  const auto of = channel_log::run_prefix(what.name, what.epoch);
  const auto known = std::find_if(places_.begin(), places_.end(),
                                  [&](const place& p) { return p.next == what.what.from && p.of == of; });
  bool resumed = known != places_.end() && !what.what.reverse;
  cursor_.reset();
  searched_bytes_ = 0;
  if (resumed) {
    cursor_ = std::move(known->at);
    places_.erase(known);
  }
  auto rest = what;
  for (bool more = true; more && !out.why;) {
    const auto runs = runs_of(rest, out.why);
    more = !out.why && read_runs(rest, runs, std::exchange(resumed, false), out) && !runs.empty() &&
           !what.what.reverse && out.nothing() && runs.back().last < what.what.to;
    if (more) // all of these were dropped: what is kept begins behind them
      rest.what.from = runs.back().last + 1;
  }
  if (out.why)
    return out;
  if (cursor_ && !what.what.reverse && !out.nothing()) {
    places_.push_back({of, out.last() + 1, std::move(*cursor_)});
    if (places_.size() > places_max)
      places_.pop_front();
  }
  return out;
}

/// @param rest what is still wanted of the bounds
/// @returns false where it failed, or the bounds are reached
bool channel_log_reader::read_runs(channel_reading& rest, const std::vector<channel_log::run>& runs, bool resumed,
                                   channel_found& out) {
  const bool reverse = rest.what.reverse;
  for (const auto& r : runs) {
    channel_found found;
    out.why = read_run(rest, r, std::exchange(resumed, false), found);
    if (out.why)
      return false;
    if (reverse) {
      std::reverse(found.messages.begin(), found.messages.end());
      std::reverse(found.damaged.begin(), found.damaged.end());
      std::reverse(found.damaged_why.begin(), found.damaged_why.end());
    }
    bool full = false;
    for (auto m = found.messages.begin(); m != found.messages.end() && !full; ++m) {
      --rest.what.messages_max;
      rest.what.bytes_max -= std::min(rest.what.bytes_max, m->bytes());
      full = rest.what.messages_max == 0 || rest.what.bytes_max == 0;
      out.messages.push_back(std::move(*m));
    }
    for (std::size_t i = 0; i < found.damaged.size(); ++i) {
      const auto& bad = found.damaged[i];
      if (full && (reverse ? bad.last < out.messages.back().offset : bad.first > out.messages.back().offset))
        break;
      note(out, bad, std::move(found.damaged_why[i]));
    }
    if (full || searched_bytes_ >= searched_bytes_max)
      return false;
  }
  return true;
}

/// @param resumed the cursor stands before the message asked for
std::optional<failure> channel_log_reader::read_run(const channel_reading& what, const channel_log::run& r,
                                                    bool resumed, channel_found& to) {
  auto next = resumed ? std::max(r.first, what.what.from) : r.first;
  if (!resumed || what.what.from <= r.first) // between two runs lie records of others
    if (const auto why = go_to(r))
      return pass(what, r, *why, next, to);
  std::size_t bytes = 0;
  while (cursor_) { // without one its segment was dropped: not kept any more; or the rest of the run is damaged
    const auto step = cursor_->next();
    if (step != log::cursor::step::ready) {
      if (auto why = pass(what, r, step == log::cursor::step::failed ? cursor_->why() : missing(r.segment), next, to))
        return why;
      continue;
    }
    const auto& at = cursor_->at().what;
    if (!is_message(at.kind) || at.channel != what.name || at.epoch != what.epoch || !at.offset)
      return unavailable("the index does not fit the log at " + std::to_string(cursor_->at().index));
    if (*at.offset >= what.what.from && *at.offset <= what.what.to) {
      auto m = opened_message(*keys_, cursor_->at());
      if (!m && !is_damage(m.error()))
        return unavailable(m.error());
      if (!m) {
        note(to, {*at.offset, *at.offset}, m.error().text());
      } else {
        to.messages.push_back({*at.offset, std::move(*m)});
        bytes += to.messages.back().bytes();
      }
    }
    next = *at.offset + 1;
    const bool full =
        !what.what.reverse && (to.messages.size() >= what.what.messages_max || bytes >= what.what.bytes_max);
    if (*at.offset >= r.last || *at.offset >= what.what.to || full)
      return std::nullopt;
  }
  return std::nullopt;
}

/// Goes on behind damage, at the next good record of the run, or without a cursor where that has none; notes what lies
/// between, as far as it is wanted.
/// @param next the first offset that cannot be read; then the one that the cursor stands before
/// @returns why it does not
std::optional<failure> channel_log_reader::pass(const channel_reading& what, const channel_log::run& in,
                                                const log::fault& why, std::uint64_t& next, channel_found& to) {
  if (!is_damage(why))
    return unavailable(why);
  const auto bad = std::exchange(next, in.last + 1);
  const auto text = why.text();
  const auto good = cursor_ && bad < in.last ? next_good(what, in) : std::optional<std::uint64_t>{};
  cursor_.reset();
  if (!good)
    return unavailable(good.error());
  auto found = *good ? log::cursor::open_at(folder_, in.segment, **good, 0) : log::fault{};
  if (found && found->next() == log::cursor::step::ready) {
    const auto& r = found->at().what;
    if (is_message(r.kind) && r.channel == what.name && r.epoch == what.epoch && r.offset > bad &&
        r.offset <= std::min(in.last, what.what.to)) {
      next = *r.offset;
      found = log::cursor::open_at(folder_, in.segment, **good, in.index + (next - in.first)); // nothing lies between
      if (!found)
        return unavailable(found.error());
      cursor_ = std::move(*found);
    }
  }
  note(to, {std::max(bad, what.what.from), std::min(next - 1, what.what.to)}, text);
  return std::nullopt;
}

/// Where the next good record of a run begins, behind the damage at which the cursor stands; or one behind the run.
log::result<std::optional<std::uint64_t>> channel_log_reader::next_good(const channel_reading& what,
                                                                        const channel_log::run& in) {
  constexpr auto unknown = std::numeric_limits<std::uint64_t>::max();
  auto end = unknown;
  const auto looked_up = index_.scan({.prefix = channel_log::run_prefix(what.name, what.epoch),
                                      .from = channel_log::run_key(what.name, what.epoch, in.last + 1),
                                      .way = store::direction::forward,
                                      .limit = 1},
                                     [&](auto key, auto value) {
                                       const auto next = channel_log::run_from(key, value);
                                       if (next && next->segment == in.segment)
                                         end = next->at;
                                       return false;
                                     });
  searched_bytes_ += looked_up.ok() && end != unknown ? end - std::min(end, in.at) : searched_bytes_max / 4;
  return cursor_->next_good(end);
}

log::status channel_log_reader::go_to(const channel_log::run& where) {
  constexpr std::uint64_t step_over_max = 256; // records of others between two runs: cheaper than to open anew
  if (cursor_ && cursor_->index() <= where.index && where.index - cursor_->index() <= step_over_max &&
      cursor_->segment() && cursor_->segment()->header.first() == where.segment) {
    while (cursor_->index() < where.index)
      if (cursor_->next() != log::cursor::step::ready)
        break;
    if (cursor_->index() == where.index)
      return std::nullopt;
  }
  cursor_.reset();
  auto opened = log::cursor::open_at(folder_, where.segment, where.at, where.index);
  if (opened) {
    cursor_ = std::move(*opened);
    return std::nullopt;
  }
  if (opened.error().number != ENOENT)
    return opened.error();
  const auto kept = log::list_segments(folder_);
  if (!kept)
    return kept.error();
  if (!kept->empty() && kept->front() < where.segment) // the oldest go first
    return missing(where.segment);
  return std::nullopt;
}

} // namespace troupe
