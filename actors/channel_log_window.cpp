// What a channel or an inbox is given of the log when it opens: its newest messages.

#include "actors/channel_log.hpp"
#include "actors/channel_log_keys.hpp"
#include "actors/inbox_name.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

namespace troupe {
namespace {

constexpr std::uint64_t step_over_max = 256; // records of others between two messages: cheaper than to open anew
constexpr std::size_t number_bytes = 8;

failure unavailable(std::string why) { return {error_code::unavailable, std::move(why), 1000}; }
failure unavailable(const log::fault& why) { return unavailable(why.text()); }
failure unavailable(const store::store_failure& why) { return unavailable("the index: " + why.message); }

std::uint64_t number_at(std::string_view value, std::size_t i) {
  return store::u64_from(value.substr(std::min(i * number_bytes, value.size()), number_bytes)).value_or(0);
}

} // namespace

/// What an inbox begins with again: the newest messages of any qos, and those that a resend is held against.
/// Nothing is read that the index tells to be acknowledged, older than `history_age` or past `history_bytes`; but the
/// newest message of those that are too old is, so that the reader knows why there is nothing before it.
std::optional<failure> channel_log::find_newest(std::string_view name, const channel_settings& settings,
                                                std::int64_t now_us, channel_opened& out) const {
  const auto acknowledged = out.positions.find(channel_home::durable_key({}, inbox_durable));
  const auto low = std::max(out.first, acknowledged == out.positions.end() ? 0 : acknowledged->second + 1);
  const auto oldest_ms = now_us / 1000 - settings.history_age.count();
  auto from = out.last + 1;
  std::uint64_t bytes = 0;
  const auto prefix = run_prefix(name, out.epoch);
  const auto scanned = index_->scan(
      {.prefix = prefix, .from = run_key(name, out.epoch, out.last), .way = store::direction::backward},
      [&](auto key, auto value) {
        const auto r = run_from(key, value);
        if (!r || r->last < low)
          return false;
        const bool too_old = static_cast<std::int64_t>(r->time_ms) <= oldest_ms;
        from = std::max(low, too_old ? r->last : r->first);
        bytes += r->bytes;
        return !too_old && bytes < settings.history_bytes && out.last - from + 1 < settings.dedupe_messages;
      });
  if (!scanned.ok())
    return unavailable(scanned.why());
  if (auto why = find_window(name, settings.dedupe_messages, out))
    return why;
  channel_log_reader reader{*this};
  channel_reading wanted;
  wanted.name = name;
  wanted.epoch = out.epoch;
  constexpr auto all = std::numeric_limits<std::size_t>::max();
  wanted.what = {0, from, out.last, false, all, all};
  while (wanted.what.from <= wanted.what.to) {
    auto found = reader.read(wanted);
    if (found.why)
      return std::move(found.why);
    if (found.nothing())
      break;
    wanted.what.from = found.last() + 1;
    std::move(found.messages.begin(), found.messages.end(), std::back_inserter(out.window));
    for (std::size_t i = 0; i < found.damaged.size(); ++i) {
      out.damaged.push_back(damage_text(found.damaged[i], found.damaged_why[i]));
      out.damaged_offsets.push_back(found.damaged[i]);
    }
  }
  const auto by_offset = [](const auto& a, const auto& b) { return a.offset < b.offset; };
  std::stable_sort(out.window.begin(), out.window.end(), by_offset);
  const auto same = [](const auto& a, const auto& b) { return a.offset == b.offset; };
  out.window.erase(std::unique(out.window.begin(), out.window.end(), same), out.window.end());
  return std::nullopt;
}

/// Reads the record at a spot, with a cursor that may stand near it. @returns why it cannot be read
log::status channel_log::read_at(const spot& where, std::optional<log::cursor>& at) const {
  bool near = at && at->index() <= where.index && where.index - at->index() <= step_over_max;
  for (;; near = false) {
    if (!near) {
      auto opened = log::cursor::open_at(writer_->folder(), where.segment, where.at, where.index);
      if (!opened) {
        at.reset();
        return opened.error();
      }
      at = std::move(*opened);
    }
    auto step = at->next();
    while (step == log::cursor::step::ready && at->at().index < where.index)
      step = at->next();
    if (step == log::cursor::step::ready)
      return std::nullopt;
    if (near) // perhaps one between them
      continue;
    auto why = step == log::cursor::step::failed ? at->why()
                                                 : log::fault{log::fault_kind::refused, 0, "the log ends before it"};
    at.reset();
    return why;
  }
}

/// The newest messages that a resend is held against, but for those that are damaged.
std::optional<failure> channel_log::find_window(std::string_view name, std::size_t many, channel_opened& out) const {
  std::vector<spot> spots;
  const auto prefix = unique_prefix(name, out.epoch);
  const auto found = index_->scan(
      {.prefix = prefix, .from = {}, .way = store::direction::backward, .limit = many}, [&](auto key, auto value) {
        const auto offset = store::u64_from(key.substr(key.size() - std::min(key.size(), number_bytes))).value_or(0);
        spots.push_back({offset, number_at(value, 0), number_at(value, 1), number_at(value, 2)});
        return spots.back().segment >= first_segment_;
      });
  if (!found.ok())
    return unavailable(found.why());
  std::optional<log::cursor> at;
  for (auto where = spots.rbegin(); where != spots.rend(); ++where) {
    if (where->segment < first_segment_)
      continue;
    if (const auto why = read_at(*where, at)) {
      if (why->kind != log::fault_kind::damaged && why->kind != log::fault_kind::lost)
        return unavailable(*why);
      out.damaged.push_back(std::to_string(where->index) + " (offset " + std::to_string(where->offset) +
                            "): " + why->text());
      continue;
    }
    const auto& r = at->at().what;
    if (!is_message(r.kind) || r.channel != name || r.offset != where->offset)
      return unavailable("the index does not fit the log at " + std::to_string(where->index));
    auto m = opened_message(*keys_, at->at());
    if (!m)
      return unavailable(m.error());
    if (*m != nullptr) // one that was forgotten may be sent again: nobody knows that it was here
      out.window.push_back({where->offset, std::move(*m)});
  }
  return std::nullopt;
}

} // namespace troupe
