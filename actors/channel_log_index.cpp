// The index of a channel_log: how it is caught up from the log, asked, and freed of what the log has dropped.

#include "actors/channel_log.hpp"
#include "actors/channel_log_keys.hpp"
#include "actors/inbox_name.hpp"
#include "actors/unavailable.hpp"

#include "runtime/log/segment.hpp"
#include "runtime/store/rebuild.hpp"

#include <algorithm>
#include <limits>
#include <unordered_set>
#include <utility>

namespace troupe {
namespace {

constexpr std::size_t batch_bytes_max = std::size_t{4} << 20;
constexpr std::uint64_t run_messages_max = 64; // of one entry of the index that is made from the log
constexpr std::uint64_t records_per_progress = 65'536;
constexpr std::size_t channels_remembered_max = 65'536;
constexpr std::uint64_t marks_max = 64;   // of a history, see channel_home's stretches
constexpr std::size_t dropped_max = 2048; // entries that one call looks at
constexpr std::size_t number_bytes = 8;

std::uint64_t number_at(std::string_view value, std::size_t i) {
  return store::u64_from(value.substr(std::min(i * number_bytes, value.size()), number_bytes)).value_or(0);
}

/// As message::size of the message that it was.
std::size_t bytes_of(const log::record_view& r) {
  return sizeof(message) + r.type.size() + r.id.size() + r.channel.size() + r.payload.size() + r.headers.size() +
         r.traceparent.size() + r.privacy.size();
}

} // namespace

// -- keys and values

std::string channel_log::run_prefix(std::string_view channel, std::string_view epoch) {
  return store::key(index_tag::run).text(channel).text(epoch).bytes();
}

std::string channel_log::run_key(std::string_view channel, std::string_view epoch, std::uint64_t first) {
  return store::key(index_tag::run).text(channel).text(epoch).number(first).bytes();
}

std::optional<channel_log::run> channel_log::run_from(std::string_view key, std::string_view value) {
  if (key.size() < number_bytes || value.size() != 7 * number_bytes)
    return std::nullopt;
  const auto first = store::u64_from(key.substr(key.size() - number_bytes)).value_or(0);
  return run{first,
             number_at(value, 1),
             number_at(value, 0),
             number_at(value, 2),
             number_at(value, 3),
             number_at(value, 4),
             number_at(value, 5),
             number_at(value, 6)};
}

/// Puts a run, with all that came before it counted. The newest come last.
void channel_log::note_run(store::batch& into, std::string_view channel, std::string_view epoch, run what) {
  if (totals_.size() >= channels_remembered_max && changes_.empty() && into.empty())
    totals_.clear(); // all of it is in the index
  const auto [at, unknown] = totals_.try_emplace(run_prefix(channel, epoch), 0);
  if (unknown)
    if (const auto before = run_before(channel, epoch, what.first); before.ok() && before.value())
      at->second = before.value()->total;
  at->second += what.bytes;
  std::string value;
  for (const auto number : {what.segment, what.last, what.at, what.index, what.bytes, at->second, what.time_ms})
    value += store::u64_bytes(number);
  into.put(run_key(channel, epoch, what.first), value);
}

void channel_log::note_position(store::batch& into, std::string_view channel, std::string_view epoch,
                                const channel_home::durable_position& what) {
  const auto key = position_key(channel, what.key);
  if (what.offset)
    into.put(key, position_value(*what.offset, epoch));
  else
    into.erase(key);
}

void channel_log::note_unique(store::batch& into, std::string_view channel, std::string_view epoch, const spot& where) {
  into.put(store::key(index_tag::unique).text(channel).text(epoch).number(where.offset),
           store::u64_bytes(where.segment) + store::u64_bytes(where.at) + store::u64_bytes(where.index));
}

/// The newest run that begins at or before this offset.
store::outcome<std::optional<channel_log::run>>
channel_log::run_before(std::string_view channel, std::string_view epoch, std::uint64_t offset) const {
  std::optional<run> found;
  const auto prefix = run_prefix(channel, epoch);
  const auto from = run_key(channel, epoch, offset);
  const auto done = index_->scan({.prefix = prefix, .from = from, .way = store::direction::backward, .limit = 1},
                                 [&](auto key, auto value) { return (found = run_from(key, value)), true; });
  if (!done.ok())
    return done.why();
  return found;
}

// -- catching up

/// Reads records that the index lacks, and gathers what it has to hold of them.
class channel_log::catching_up {
public:
  catching_up(channel_log& of, bool epochs_may_be_gone)
      : of_(of)
      , epochs_may_be_gone_(epochs_may_be_gone) {}

  std::optional<failure> take(const log::entry& e) {
    const auto& r = e.what;
    if (channel_ != r.channel || epoch_ != r.epoch || r.offset != run_.last + 1 || !is_message(r.kind) ||
        e.segment != run_.segment || run_.last - run_.first + 1 >= run_messages_max)
      end_run();
    if (changes_.bytes() > batch_bytes_max && run_.last == 0)
      if (auto why = apply(e.index))
        return why;
    if (is_message(r.kind))
      published(e);
    else if (r.kind == log::record_kind::channel_epoch)
      changes_.put(epoch_key(r.channel), epoch_value(r.epoch, e.index));
    else if (r.kind == log::record_kind::log_damaged && log::breaks_order(r))
      changes_.put(store::key(index_tag::loss), store::u64_bytes(e.index));
    else if (r.kind == log::record_kind::position_acked || r.kind == log::record_kind::inbox_acked)
      note_position(changes_, r.channel, r.epoch, {channel_home::durable_key(r.user, r.durable), r.offset});
    return std::nullopt;
  }

  std::optional<failure> finish(std::uint64_t end) {
    end_run();
    return apply(end);
  }

  store::batch& changes() noexcept { return changes_; }

private:
  void published(const log::entry& e) {
    const auto& r = e.what;
    if (run_.last == 0) {
      channel_ = r.channel;
      epoch_ = r.epoch;
      run_ = {r.offset.value_or(0), 0, e.segment, e.offset, e.index, 0, 0, 0};
      if (epochs_may_be_gone_) // with the segment that they began in
        remember_epoch(e.index);
    }
    run_.last = r.offset.value_or(0);
    run_.bytes += bytes_of(r);
    run_.time_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(r.time_us / 1000, 0));
    if (r.qos == static_cast<std::uint64_t>(qos::once) && !r.id.empty())
      note_unique(changes_, r.channel, r.epoch, {run_.last, e.segment, e.offset, e.index});
  }

  void remember_epoch(std::uint64_t index) {
    if (remembered_.size() >= channels_remembered_max)
      remembered_.clear();
    if (remembered_.insert(run_prefix(channel_, epoch_)).second)
      changes_.put(epoch_key(channel_), epoch_value(epoch_, index));
  }

  void end_run() {
    if (run_.last != 0)
      of_.note_run(changes_, channel_, epoch_, run_);
    run_ = {};
  }

  std::optional<failure> apply(std::uint64_t end) {
    changes_.applied(of_.log_name_, end);
    if (const auto why = of_.index_->apply(changes_))
      return unavailable(*why);
    changes_.clear();
    return std::nullopt;
  }

  channel_log& of_;
  const bool epochs_may_be_gone_;
  std::string channel_; ///< Of the run that is gathered.
  std::string epoch_;
  run run_;
  store::batch changes_;
  std::unordered_set<std::string> remembered_;
};

std::optional<failure> channel_log::catch_up(const setup& how) {
  const auto segments = log::list_segments(writer_->folder());
  if (!segments)
    return unavailable(segments.error());
  first_segment_ = segments->empty() ? 0 : segments->front();
  drop_again_ = first_segment_ != 0; // a crash may have come between
  const auto plan = store::needs_catch_up(*index_, log_name_, {first_segment_, writer_->next()});
  const auto format = index_->get(store::key(index_tag::format));
  if (!plan.ok() || !format.ok())
    return unavailable(plan.ok() ? format.why() : plan.why());
  const bool anew = plan.value().what == store::catch_up::rebuild || format.value() != index_format;
  catching_up work{*this, anew && (first_segment_ != 0 || how.accept_loss || !losses().empty())};
  if (anew) {
    work.changes().erase_prefix({});
    work.changes().forget(log_name_);
    if (const auto why = index_->apply(work.changes()))
      return unavailable(*why);
    work.changes().clear();
    work.changes().put(store::key(index_tag::format), index_format);
  }
  // One record more than the index asks for: the last one tells whether the stop was clean.
  const auto asked = anew                                            ? first_segment_
                     : plan.value().what == store::catch_up::nothing ? writer_->next()
                                                                     : plan.value().records.begin;
  const auto from = writer_->next() > first_segment_ ? std::min(asked, writer_->next() - 1) : asked;
  auto at = log::cursor::unopened(writer_->folder(), from);
  const auto all = writer_->next() - from;
  std::uint64_t done = 0;
  for (auto step = at.next(); step != log::cursor::step::end; step = at.next()) {
    if (step == log::cursor::step::failed) {
      if (auto why = pass_damage(at, how.accept_loss))
        return why;
      continue;
    }
    unclean_ = at.at().what.kind != log::record_kind::node_stopped;
    if (at.at().index >= asked)
      if (auto why = work.take(at.at()))
        return why;
    if (++done % records_per_progress == 0 && how.progress)
      how.progress(done, all);
  }
  return work.finish(writer_->next());
}

// -- what is known of a channel

/// First and last offset, and marks of the history between them.
std::optional<failure> channel_log::find_kept(std::string_view name, const channel_settings& settings,
                                              std::int64_t now_us, channel_opened& out) const {
  constexpr auto end = std::numeric_limits<std::uint64_t>::max();
  std::optional<failure> why;
  const auto before = [&](std::uint64_t offset) -> std::optional<run> {
    auto found = run_before(name, out.epoch, offset);
    if (found.ok())
      return found.value();
    why = unavailable(found.why());
    return std::nullopt;
  };
  const auto newest = before(end);
  if (!newest)
    return why;
  out.last = newest->last;
  out.first = out.last + 1;
  // Segments rise with offsets: the first run that is kept, by halves.
  std::uint64_t gone = 0; // all offsets up to here
  while (gone + 1 < out.first && !why) {
    const auto middle = gone + (out.first - gone) / 2;
    const auto r = before(middle);
    if (r && r->segment >= first_segment_)
      out.first = r->first;
    else
      gone = r ? std::max(middle, r->last) : middle;
    if (out.first <= gone + 1)
      break;
  }
  if (settings.history_messages < out.last)
    out.first = std::max(out.first, out.last - settings.history_messages + 1);
  if (out.first > out.last || why)
    return why;
  if (const auto oldest = before(out.first))
    out.bytes_before = oldest->total - std::min(oldest->total, oldest->bytes);
  const auto many = out.last - out.first + 1;
  for (std::uint64_t i = 1; i <= marks_max && !why; ++i) {
    const auto r = before(out.first + many * i / marks_max - (many * i / marks_max == 0 ? 0 : 1));
    if (r && r->last >= out.first && (out.marks.empty() || out.marks.back().last < r->last))
      out.marks.push_back(
          {r->last, r->total, std::max<std::int64_t>(now_us / 1000 - static_cast<std::int64_t>(r->time_ms), 0)});
  }
  return why;
}

std::optional<failure> channel_log::find_positions(std::string_view name, channel_opened& out) const {
  const auto prefix = store::key(index_tag::position).text(name).bytes();
  const auto found = index_->scan({.prefix = prefix, .from = {}}, [&](auto key, auto value) {
    store::key_reader parts{key};
    parts.tag();
    parts.text();
    const auto [offset, epoch] = position_from(value);
    if (auto durable = parts.text(); durable && epoch == out.epoch)
      out.positions[*durable] = offset;
    else if (durable)
      out.outdated.insert(*std::move(durable));
    return true;
  });
  return found.ok() ? std::nullopt : std::optional{unavailable(found.why())};
}

// -- what the log has dropped

bool channel_log::is_current(std::string_view channel, std::string_view epoch) const {
  const auto known = index_->get(epoch_key(channel));
  return !known.ok() || (known.value() && known.value()->substr(0, known.value()->find('\n')) == epoch);
}

std::vector<channel_log::dropped> channel_log::drop_some() {
  std::vector<dropped> out;
  if (!drop_from_ && std::exchange(drop_again_, false))
    drop_from_.emplace();
  if (!drop_from_ || !catch_up_index())
    return out;
  const auto before = drop_from_;
  store::batch erased;
  const bool runs = drop_from_->empty() || drop_from_->front() == index_tag::run;
  bool more = drop_some_of(runs ? index_tag::run : index_tag::unique, erased, out);
  if (!more && runs) {
    drop_from_.emplace(1, index_tag::unique);
    more = true;
  }
  if (!more)
    drop_from_.reset();
  if (!erased.empty() && index_->apply(erased))
    drop_from_ = before; // again, later
  return out;
}

/// Looks at entries from `drop_from_` on, and moves it. The oldest of an epoch come first, so what is behind one that
/// is kept is passed over. The newest run of a channel stays: it tells the offsets that are given out.
/// @returns whether there may be more
bool channel_log::drop_some_of(char tag, store::batch& erased, std::vector<dropped>& out) {
  const std::string prefix(1, tag);
  auto from = drop_from_->empty() ? prefix : *drop_from_;
  std::string last;      // the key before, where it is to be erased once another of its epoch follows
  std::uint64_t end = 0; // its last offset
  /// @returns whether it is the epoch that the channel has now
  const auto told = [&](std::string_view key, std::uint64_t first) {
    store::key_reader parts{key};
    parts.tag();
    const auto channel = parts.text();
    const auto epoch = parts.text();
    if (tag != index_tag::run || !channel || !epoch || !is_current(*channel, *epoch))
      return false;
    out.push_back({*channel, *epoch, first});
    return true;
  };
  const auto end_epoch = [&] {
    if (!last.empty() && !told(last, end + 1))
      erased.erase(last);
    last.clear();
  };
  for (std::size_t looked_at = 0; looked_at < dropped_max;) {
    std::optional<std::string> next;
    const auto done = index_->scan({.prefix = prefix, .from = from, .limit = dropped_max}, [&](auto key, auto value) {
      ++looked_at;
      const auto of = key.substr(0, key.size() - std::min(key.size(), number_bytes));
      const bool same = last.size() == key.size() && last.starts_with(of);
      if (!same)
        end_epoch();
      const bool gone = number_at(value, 0) < first_segment_;
      if (same) {
        erased.erase(last);
        if (!gone)
          told(key, store::u64_from(key.substr(of.size())).value_or(0));
        last.clear();
      }
      if (gone) {
        last = key;
        end = tag == index_tag::run ? number_at(value, 1) : 0;
        next = std::string{key} + '\0';
        return true;
      }
      next = store::after_prefix(of);
      return false;
    });
    if (!done.ok())
      return true; // again, later
    if (!next || !done.value()) {
      end_epoch();
      return false;
    }
    from = *std::move(next);
  }
  // The last one may be the newest of its epoch: it is looked at once more.
  drop_from_ = last.empty() ? from : last;
  return true;
}

} // namespace troupe
