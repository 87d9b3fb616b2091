#include "apps/troupe/record_stream.hpp"

#include "apps/troupe/terminal.hpp"
#include "runtime/log/files.hpp"
#include "runtime/log/segment.hpp"
#include "runtime/log/sync_mark.hpp"

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <utility>

namespace troupe::cli {
namespace {

/// A record's time is that of the message, which may have been made before its segment, and clocks are set. So far may
/// the times of records and segments differ before a search by time passes records over.
constexpr std::int64_t clock_slack_us = std::int64_t{3600} * 1'000'000;
constexpr unsigned records_per_look = 4096;

/// When a segment was begun; nothing where its header cannot be read, which reading it will say.
std::optional<std::int64_t> begun_us(const std::filesystem::path& folder, std::uint64_t first) {
  const auto file = log::open_path(log::system_files(), folder / log::segment_name(first), O_RDONLY);
  if (!file)
    return {};
  const auto header = log::read_header(*file, first);
  if (!header)
    return {};
  return header->header.created_us;
}

} // namespace

std::vector<flag> reading_flags() {
  return {{"--unsynced", "", "also what was written but not synced yet, and may be gone after a crash"},
          {"--past-damage", "", "name what is damaged and go on at the next segment (the exit status is 1 even so)"}};
}

record_stream::record_stream(const log_folder& where, record_filter filter, const arguments& given)
    : where_{where}
    , filter_{std::move(filter)}
    , unsynced_{given.has("--unsynced")}
    , past_damage_{given.has("--past-damage")} {
  auto firsts = log::list_segments(where_.log);
  if (!firsts)
    fail_with(firsts.error());
  firsts_ = std::move(*firsts);
  start_ = first_wanted();
  open(start_);
}

void record_stream::open(std::uint64_t from) {
  why_.reset();
  cursor_.reset();
  segment_ = std::numeric_limits<std::uint64_t>::max();
  auto opened = log::cursor::open(where_.log, from);
  if (opened) {
    cursor_ = std::move(*opened);
    return look_again();
  }
  if (status_of(opened.error()) != exit_false)
    fail_with(opened.error());
  why_ = opened.error();
  const auto after = std::upper_bound(firsts_.begin(), firsts_.end(), from);
  if (!past_damage_ || after == firsts_.end() || *after >= until_)
    return;
  pass_over();
  open(*after);
}

void record_stream::pass_over() {
  std::fprintf(stderr, "troupe: passed over: %s\n", why_->text().c_str());
  passed_damage_ = true;
}

/// Nothing was appended to a segment after its successor was begun.
std::uint64_t record_stream::first_wanted() const {
  if (filter_.from().index)
    return *filter_.from().index;
  if (!filter_.from().time_us)
    return 0;
  for (std::size_t i = firsts_.size(); i-- > 1;)
    if (const auto begun = begun_us(where_.log, firsts_[i]); begun && *begun < *filter_.from().time_us - clock_slack_us)
      return firsts_[i - 1];
  return 0;
}

void record_stream::look_again() {
  const auto mark = unsynced_ ? std::nullopt : log::read_sync_mark(where_.log);
  limit_ = mark ? mark->next : std::numeric_limits<std::uint64_t>::max();
  if (cursor_)
    cursor_->set_limit(std::min({limit_, until_, filter_.to().index.value_or(limit_)}));
}

bool record_stream::entered_late_segment() {
  const auto first = cursor_->at().segment;
  if (std::exchange(segment_, first) == first || !filter_.to().time_us)
    return false;
  return cursor_->segment()->header.created_us > *filter_.to().time_us + clock_slack_us;
}

record_stream::step record_stream::next() {
  if (!cursor_)
    return why_ ? step::damaged : step::end;
  for (unsigned n = 1;; ++n) {
    if (n % records_per_look == 0 || n == 1) {
      if (interrupted())
        return step::interrupted;
    }
    switch (cursor_->next()) {
    case log::cursor::step::ready:
      if (entered_late_segment())
        return step::done;
      if (filter_.wants(cursor_->at()))
        return step::ready;
      break;
    case log::cursor::step::end:
      return filter_.to().index && cursor_->index() >= *filter_.to().index ? step::done : step::end;
    case log::cursor::step::failed:
      why_ = cursor_->why();
      if (status_of(*why_) != exit_false)
        fail_with(*why_);
      if (!past_damage_)
        return step::damaged;
      pass_over();
      if (!cursor_->skip_segment())
        return step::end;
      break;
    }
  }
}

std::string_view record_stream::origin() const noexcept { return cursor_->segment()->header.origin; }

std::uint64_t record_stream::read() const noexcept {
  const auto start = std::max(start_, firsts_.empty() ? 0 : firsts_.front());
  return cursor_ && cursor_->index() > start ? cursor_->index() - start : 0;
}

std::uint64_t record_stream::all() const noexcept {
  const auto start = std::max(start_, firsts_.empty() ? 0 : firsts_.front());
  const auto end = std::min(limit_, filter_.to().index.value_or(limit_));
  return end == std::numeric_limits<std::uint64_t>::max() || end < start ? 0 : end - start;
}

void record_stream::read_part(std::size_t count, std::deque<kept>& into, step& ended) {
  for (ended = next(); ended == step::ready; ended = next()) {
    auto& one = into.emplace_back(kept{std::string{at().body}, at(), std::string{origin()}});
    // The body may have moved with its record, so the views are made when all have their place.
    one.entry.body = {};
    one.entry.what = {};
    if (into.size() > count)
      into.pop_front();
  }
}

std::deque<record_stream::kept> record_stream::last(std::size_t count, step& ended) {
  std::deque<kept> found;
  std::optional<log::cursor> newest;
  std::optional<log::fault> why;
  const auto after = std::upper_bound(firsts_.begin(), firsts_.end(), start_);
  const auto oldest = static_cast<std::size_t>(after == firsts_.begin() ? 0 : after - firsts_.begin() - 1);
  ended = step::end;
  for (auto i = firsts_.size(); i-- > oldest;) {
    const bool is_newest = i + 1 == firsts_.size();
    until_ = is_newest ? std::numeric_limits<std::uint64_t>::max() : firsts_[i + 1];
    open(std::max(firsts_[i], start_));
    std::deque<kept> part;
    step how{};
    read_part(count - found.size(), part, how);
    found.insert(found.begin(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
    if (is_newest) {
      newest = std::move(cursor_);
      ended = how;
    }
    // What is damaged ends the search: nobody can say how many records were wanted behind it.
    if (how == step::damaged || how == step::interrupted) {
      ended = how;
      why = why_;
      break;
    }
    if (found.size() == count)
      break;
  }
  until_ = std::numeric_limits<std::uint64_t>::max();
  cursor_ = std::move(newest);
  why_ = why;
  if (cursor_)
    look_again();
  for (auto& one : found) {
    one.entry.body = one.body;
    log::decode(one.body, one.entry.what);
  }
  return found;
}

} // namespace troupe::cli
