#include "runtime/log/cursor.hpp"

#include "runtime/log/recovery.hpp"
#include "runtime/log/sync_mark.hpp"

#include <algorithm>
#include <fcntl.h>
#include <utility>

namespace troupe::log {

place entry::where() const { return {segment_name(segment), index, offset}; }

result<cursor> cursor::open(const std::filesystem::path& folder, std::uint64_t from) {
  cursor result{folder};
  if (auto failed = result.position(from))
    return *failed;
  return result;
}

cursor cursor::unopened(std::filesystem::path folder, std::uint64_t from) {
  cursor result{std::move(folder)};
  result.index_ = result.from_ = from;
  return result;
}

result<cursor> cursor::open_at(const std::filesystem::path& folder, std::uint64_t segment, std::uint64_t offset,
                               std::uint64_t index) {
  cursor result{folder};
  if (auto failed = result.enter(segment))
    return *failed;
  result.frames_.seek(offset);
  result.index_ = index;
  return result;
}

status cursor::position(std::uint64_t from) {
  const auto firsts = list_segments(folder_);
  if (!firsts)
    return firsts.error();
  from_ = from;
  if (firsts->empty())
    return {};
  const auto after = std::upper_bound(firsts->begin(), firsts->end(), from);
  return enter(after == firsts->begin() ? firsts->front() : *std::prev(after));
}

status cursor::enter(std::uint64_t first) {
  auto file = open_path(system_files(), folder_ / segment_name(first), O_RDONLY);
  if (!file)
    return file.error();
  auto header = read_header(*file, first);
  if (!header)
    return header.error();
  file_ = std::move(*file);
  frames_ = frame_reader{file_.fd(), *header};
  header_ = std::move(*header);
  index_ = first;
  at_footer_ = false;
  return {};
}

cursor::step cursor::next() {
  if (why_)
    return step::failed;
  if (!header_) {
    if (auto failed = position(from_))
      return fail(*failed);
    if (!header_)
      return step::end;
  }
  for (;;) {
    if (at_footer_ && next_segment(index_) != step::ready)
      return why_ ? step::failed : step::end;
    if (index_ >= limit_)
      return step::end;
    const auto offset = frames_.offset();
    const auto got = frames_.next();
    if (got.state == frame_state::good) {
      const auto index = index_++;
      if (index < from_)
        continue;
      entry_.index = index;
      entry_.body = got.body;
      entry_.segment = header_->header.first();
      entry_.offset = offset;
      if (const auto bad = decode(got.body, entry_.what); bad != decode_fault::none) {
        index_ = index;
        frames_.seek(offset);
        return fail_here(fault_kind::damaged, "a record has a good checksum and cannot be read");
      }
      return step::ready;
    }
    if (got.state != frame_state::footer)
      return stopped(got);
    const auto footer = parse_footer(got.body, header_->header.first());
    if (!footer || footer->through.size() != index_) {
      frames_.seek(offset);
      return fail_here(fault_kind::damaged, "the footer does not fit the records before it");
    }
    at_footer_ = true;
  }
}

/// No good frame: the end for now, or damage?
cursor::step cursor::stopped(const frame& got) {
  if (frames_.failed())
    return fail(*frames_.failed());
  if (!was_synced()) {
    // With a mark that can be read all before it is known to have been synced, and nothing else has to be.
    if (read_sync_mark(folder_))
      return step::end;
    const auto claimed = is_claimed_synced(file_.fd(), frames_.offset(), header_->seed);
    if (!claimed)
      return fail(claimed.error());
    if (!*claimed)
      return step::end;
  }
  // What was synced before it was looked for must be there now; the read before may have been too early.
  const auto offset = frames_.offset();
  const auto state = frames_.next().state;
  frames_.seek(offset);
  if (state == frame_state::good || state == frame_state::footer)
    return next();
  return got.state == frame_state::incomplete
             ? fail_here(fault_kind::lost, "records are missing at the end of a segment")
             : fail_here(fault_kind::damaged, "a record is damaged");
}

/// Whether what lies at the next frame is known to have been synced.
bool cursor::was_synced() const {
  const auto first = header_->header.first();
  if (const auto mark = read_sync_mark(folder_);
      mark && (mark->first > first || (mark->first == first && mark->offset > frames_.offset())))
    return true;
  const auto firsts = list_segments(folder_);
  return firsts && !firsts->empty() && firsts->back() > first;
}

/// Behind a footer. @returns record where the cursor now stands in that segment
cursor::step cursor::next_segment(std::uint64_t first) {
  auto failed = enter(first);
  if (!failed)
    return step::ready;
  if (failed->number != ENOENT)
    return fail(*failed);
  const auto firsts = list_segments(folder_);
  if (!firsts)
    return fail(firsts.error());
  const auto later = std::lower_bound(firsts->begin(), firsts->end(), first);
  if (later == firsts->end()) {
    const auto mark = read_sync_mark(folder_);
    return mark && mark->first >= first && mark->next > first
               ? fail_here(fault_kind::lost, "segments that were synced are missing at the end")
               : step::end;
  }
  // Either retention has overtaken this cursor, then everything older is gone too, or it was made just now.
  if (*later != first && firsts->front() < *later)
    return fail_here(fault_kind::lost, "a segment is missing");
  if (auto again = enter(*later))
    return fail(*again);
  return step::ready;
}

void cursor::limit_to_synced() {
  if (const auto mark = read_sync_mark(folder_))
    limit_ = mark->next;
}

result<std::optional<std::uint64_t>> cursor::next_good(std::uint64_t end) const {
  if (!header_ || at_footer_)
    return std::optional<std::uint64_t>{};
  return good_record_behind(file_.fd(), frames_.offset(), end, header_->seed);
}

bool cursor::skip_segment() {
  const auto firsts = list_segments(folder_);
  if (!firsts)
    return false;
  const auto current = header_ ? header_->header.first() : from_; // the segment that has `from_` did not open
  auto next = std::upper_bound(firsts->begin(), firsts->end(), current);
  for (; next != firsts->end(); ++next)
    if (!enter(*next)) {
      why_.reset();
      return true;
    }
  return false;
}

cursor::step cursor::fail(fault why) {
  why_ = std::move(why);
  return step::failed;
}

cursor::step cursor::fail_here(fault_kind kind, const char* message) {
  return fail({kind, 0, message, place{segment_name(header_->header.first()), index_, frames_.offset()}});
}

} // namespace troupe::log
