#include "runtime/log/writer.hpp"

#include "runtime/log/recovery.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <limits>
#include <sys/file.h>
#include <utility>

namespace troupe::log {
namespace {

constexpr const char* temporary_name = "next.tmp";

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool is_name(std::string_view text) {
  constexpr std::size_t bytes_max = 100;
  return !text.empty() && text.size() <= bytes_max && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

} // namespace

writer::writer(const writer_options& options, file_ops& ops)
    : options_{options}
    , ops_{ops} {
  options_.segment_bytes = std::min(options_.segment_bytes, segment_bytes_limit - record_bytes_max - header_bytes_max);
  if (!options_.clock_us)
    options_.clock_us = &now_us;
}

writer::~writer() {
  if (reserved_ > end_ && !dead_)
    give_back_space();
}

result<std::unique_ptr<writer>> writer::open(const writer_options& options, file_ops& ops) {
  if (!is_name(options.class_name) || !is_name(options.node))
    return fault{fault_kind::refused, 0, "class and node of a log are letters, digits, '-', '_' and '.'"};
  std::unique_ptr<writer> result{new writer{options, ops}};
  if (auto failed = make_folder(ops, options.folder))
    return *failed;
  if (auto failed = result->lock_folder())
    return *failed;
  if (auto failed = result->recover())
    return *failed;
  return result;
}

status writer::lock_folder() {
  auto opened_folder = open_path(ops_, options_.folder, O_RDONLY | O_DIRECTORY);
  if (!opened_folder)
    return opened_folder.error();
  folder_ = std::move(*opened_folder);
  if (::flock(folder_.fd(), LOCK_EX | LOCK_NB) != 0)
    return fault{fault_kind::in_use, errno, "another process writes to " + options_.folder.string()};
  return {};
}

/// What is said about a log beside its segments.
struct writer::evidence {
  std::optional<checkpoint> signed_before; ///< The last checkpoint.
  std::optional<sync_mark> mark;
  bool checkpoints_lack = false; ///< There may have been later ones, of any incarnation.
};

status writer::recover() {
  ops_.unlink((options_.folder / temporary_name).string());
  auto noted = read_losses(options_.folder);
  if (!noted)
    return noted.error();
  found_.losses = std::move(*noted);
  const bool was_broken_off = !found_.losses.empty();
  auto firsts = list_segments(options_.folder);
  if (!firsts)
    return firsts.error();
  const auto notes = read_checkpoints(options_.folder);
  if (!notes)
    return notes.error();
  if (notes->damage)
    if (auto failed = put_aside("checkpoints", *notes->damage, false))
      return failed;
  evidence said{{}, read_sync_mark(options_.folder), false};
  const bool unsigned_yet = notes->notes.empty();
  if (!unsigned_yet)
    said.signed_before = notes->notes.back().said;
  said.checkpoints_lack =
      notes->damage ||
      (unsigned_yet && (was_broken_off || firsts->empty() || (said.mark && said.mark->first > firsts->back())));
  return find_end(std::move(*firsts), said);
}

/// Opens the last segment that has a header, and goes on there.
status writer::find_end(std::vector<std::uint64_t> firsts, evidence& said) {
  for (; !firsts.empty(); firsts.pop_back()) {
    const auto name = segment_name(firsts.back());
    auto file = open_path(ops_, options_.folder / name, O_RDWR);
    if (!file)
      return file.error();
    auto last = read_tail(*file, firsts.back(), said.mark, said.signed_before);
    if (last) {
      file_ = std::move(*file);
      return resume_in(options_.folder / name, *last, said);
    }
    if (last.error().kind != fault_kind::damaged)
      return last.error();
    if (auto failed = put_aside(name, last.error(), true))
      return failed;
    said.checkpoints_lack = said.checkpoints_lack || !said.signed_before; // its origin is not known either
  }
  return start_over(said);
}

status writer::note_loss(accepted_loss what) {
  std::replace(what.what.begin(), what.what.end(), '\n', ' ');
  if (std::find(found_.losses.begin(), found_.losses.end(), what) != found_.losses.end())
    return {};
  found_.losses.push_back(std::move(what));
  return write_losses(ops_, options_.folder, found_.losses);
}

/// A start that was broken off had consent to the same, or to a loss of the same record.
bool writer::is_noted(const fault& loss) const {
  const auto where =
      loss.where ? "(" + loss.where->file + ", record " + std::to_string(loss.where->index) + "," : loss.text();
  return std::any_of(found_.losses.begin(), found_.losses.end(),
                     [&](const auto& one) { return one.what.find(where) != std::string::npos; });
}

bool writer::is_order_broken() const noexcept {
  return std::any_of(found_.losses.begin(), found_.losses.end(), [](const auto& one) { return one.breaks_order; });
}

/// A name for what is damaged in the file `name`; what was kept before stays.
std::string writer::name_to_keep(const std::string& name) const {
  auto result = name + ".damaged";
  std::error_code code;
  for (unsigned i = 2; std::filesystem::exists(options_.folder / result, code); ++i)
    result = name + "." + std::to_string(i) + ".damaged";
  return result;
}

/// With consent: renames a file that is of no use. @returns `damage` without
status writer::put_aside(const std::string& name, const fault& damage, bool breaks_order) {
  if (!is_accepted(damage))
    return damage;
  found_.kept_as = name_to_keep(name);
  if (auto failed = note_loss({damage.text() + ", kept in " + found_.kept_as, breaks_order}))
    return failed;
  const auto from = (options_.folder / name).string();
  if (const int failed = ops_.rename(from, (options_.folder / found_.kept_as).string()); failed < 0)
    return system_fault(-failed, "cannot rename " + from);
  return sync_folder(ops_, options_.folder);
}

/// One that no checkpoint can speak of. Those that are gone may have been of any so far, but not of one with the number
/// of this second.
unsigned writer::next_incarnation(unsigned known, const evidence& said) const {
  if (said.signed_before)
    known = std::max(known, incarnation_of(said.signed_before->origin, options_.node, options_.class_name));
  constexpr std::int64_t most = std::numeric_limits<unsigned>::max() - 1;
  const auto now_s = said.checkpoints_lack ? options_.clock_us() / 1'000'000 : 0;
  return std::max(known + 1, static_cast<unsigned>(std::clamp<std::int64_t>(now_s, 0, most)));
}

/// There is no segment: a new log, or one whose segments are gone.
status writer::start_over(const evidence& said) {
  if (said.signed_before || (said.mark && said.mark->next > 0)) {
    const fault loss{fault_kind::lost, 0, "all segments of the log in " + options_.folder.string() + " are missing"};
    if (!is_accepted(loss))
      return loss;
    if (auto failed = note_loss({loss.text()}))
      return failed;
  }
  origin_ = origin_of(options_.node, options_.class_name, is_order_broken() ? next_incarnation(1, said) : 1);
  if (auto failed = marker_.open(ops_, options_.folder))
    return failed;
  return start_segment();
}

/// Goes on in the last segment, or behind it.
status writer::resume_in(const std::filesystem::path& path, tail& last, const evidence& said) {
  header_ = last.header;
  const auto& before = header_.header;
  if (last.loss) {
    if (!is_accepted(*last.loss))
      return last.loss;
    if (auto failed = keep_damage(last, path))
      return failed;
  } else {
    found_.torn_bytes = last.surplus;
  }
  auto incarnation = std::max(1U, incarnation_of(before.origin, options_.node, options_.class_name));
  if (is_order_broken())
    incarnation = next_incarnation(incarnation, said);
  const auto size = size_of(file_.fd());
  if (!size)
    return size.error();
  if (*size > last.end)
    if (const int failed = ops_.truncate(file_.fd(), last.end); failed < 0)
      return system_fault(-failed, "cannot cut the end of " + path.string());
  appended_ = written_ = last.through;
  end_ = reserved_ = last.end;
  sealed_ = last.sealed;
  origin_ = origin_of(options_.node, options_.class_name, incarnation);
  if (auto failed = marker_.open(ops_, options_.folder))
    return failed;
  // After a kill the kernel may hold good records that never reached the disk: from here on they are synced.
  if (auto failed = sync_file())
    return failed;
  // A segment has one origin. One without records is replaced under its own name.
  if (origin_ == before.origin)
    return {};
  if (!sealed_ && next() > before.first())
    if (auto failed = seal())
      return failed;
  return start_segment();
}

/// Copies what is about to be cut into a file of its own, and notes the loss.
status writer::keep_damage(const tail& last, const std::filesystem::path& path) {
  auto what = last.loss->text();
  if (last.surplus == 0 && is_noted(*last.loss))
    return {}; // what is missing is what was cut then
  if (last.surplus > 0) {
    std::string bytes;
    if (auto failed = read_some(file_.fd(), last.end, last.surplus, bytes))
      return failed;
    found_.kept_as = name_to_keep(path.filename().string() + "." + std::to_string(last.end));
    if (auto failed = replace_file(ops_, options_.folder / found_.kept_as, bytes))
      return failed;
    what += ", kept in " + found_.kept_as;
  }
  return note_loss({std::move(what)});
}

/// A segment gets its name when its header is on the disk: one with a name and without a good header is damaged.
status writer::start_segment() {
  segment_header header{options_.class_name, options_.node, origin_, options_.clock_us(), appended_};
  const auto bytes = encode_header(header);
  auto parsed = parse_header(bytes);
  if (!parsed)
    return parsed.error();
  const auto temporary = (options_.folder / temporary_name).string();
  auto file = open_path(ops_, temporary, O_RDWR | O_CREAT | O_TRUNC);
  if (!file)
    return file.error();
  if (auto failed = write_all(ops_, file->fd(), bytes, 0))
    return failed;
  const auto name = (options_.folder / segment_name(header.first())).string();
  const int synced = ops_.datasync(file->fd());
  const int renamed = synced < 0 ? 0 : ops_.rename(temporary, name);
  if (renamed < 0)
    return system_fault(-renamed, "cannot name a new segment");
  const int named = synced < 0 ? synced : ops_.sync(folder_.fd());
  if (named < 0) {
    dead_ = true;
    return fault{fault_kind::sync_failed, -named, "cannot sync a new segment"};
  }
  file_ = std::move(*file);
  header_ = std::move(*parsed);
  end_ = synced_end_ = reserved_ = header_.bytes;
  try_again_ = 0;
  sealed_ = false;
  synced_ = written_;
  marker_.write({header_.header.first(), end_, synced_.size()});
  return {};
}

status writer::seal() {
  std::string bytes;
  put_footer(bytes, {appended_.size() - header_.header.first(), appended_}, end_, end_ - synced_end_, header_.seed);
  if (auto failed = give_back_space()) // nothing stands behind a footer
    return failed;
  if (auto failed = write(bytes))
    return failed;
  sealed_ = true;
  return sync_file();
}

/// Writes behind what is there.
status writer::write(std::string_view bytes) {
  if (auto failed = write_all(ops_, file_.fd(), bytes, end_)) {
    give_back_space(); // should this fail: the bytes behind end_ were not synced and are overwritten by the next write
    return failed;
  }
  end_ += bytes.size();
  return {};
}

/// Has zeros behind what the file holds: a sync then has only what is written over them to store, no new
/// size of the file and no new blocks, and takes a third to a half less time (ext4). On a disk that has no room for it
/// all goes on more slowly.
void writer::set_space_aside() {
  constexpr std::uint64_t step_max = std::uint64_t{1} << 20;
  if (end_ <= reserved_ || end_ < try_again_)
    return;
  const auto upto = end_ + std::min(step_max, options_.segment_bytes / 16);
  if (ops_.allocate(file_.fd(), end_, upto - end_) == 0) {
    reserved_ = upto;
    return;
  }
  give_back_space();
  try_again_ = upto;
}

status writer::give_back_space() {
  reserved_ = end_;
  const int failed = ops_.truncate(file_.fd(), end_);
  return failed < 0 ? status{system_fault(-failed, "cannot cut " + segment_name(header_.header.first()))} : status{};
}

status writer::roll() {
  if (dead_)
    return dead();
  if (auto failed = flush())
    return failed;
  if (!sealed_) {
    if (header_.header.first() == next())
      return {};
    if (auto failed = seal())
      return failed;
  }
  return start_segment();
}

/// Rolls where the segment is sealed or the record would make it too large.
status writer::make_room(std::size_t body_bytes) {
  if (dead_)
    return dead();
  if (body_bytes < record_bytes_min || body_bytes > record_bytes_max)
    return fault{fault_kind::refused, 0, "a record of " + std::to_string(body_bytes) + " bytes"};
  const auto would_be = end_ + buffer_.size() + frame_header_bytes + body_bytes;
  if (sealed_ || (would_be > options_.segment_bytes && next() > header_.header.first()))
    return roll();
  return buffer_.size() > options_.buffer_bytes ? flush() : status{};
}

std::uint64_t writer::end_frame_of(std::size_t start) {
  last_offset_ = end_ + start;
  end_frame(buffer_, start, last_offset_, last_offset_ - synced_end_, header_.seed);
  const auto index = next();
  appended_.append(leaf_hash(std::string_view{buffer_}.substr(start + frame_header_bytes)));
  return index;
}

result<std::uint64_t> writer::append_body(std::string_view body) {
  if (auto failed = make_room(body.size()))
    return *failed;
  const auto start = begin_frame(buffer_);
  buffer_ += body;
  return end_frame_of(start);
}

result<std::uint64_t> writer::append(const record_view& what) {
  const auto start = begin_frame(buffer_);
  encode(what, buffer_);
  const auto body_bytes = buffer_.size() - start - frame_header_bytes;
  const auto would_be = end_ + buffer_.size();
  const bool fits = !dead_ && !sealed_ && body_bytes <= record_bytes_max && start <= options_.buffer_bytes &&
                    (would_be <= options_.segment_bytes || next() == header_.header.first());
  if (fits)
    return end_frame_of(start);
  // Seldom: the frame needs another place, which its checksum covers.
  const auto body = buffer_.substr(start + frame_header_bytes);
  buffer_.resize(start);
  return append_body(body);
}

status writer::flush() {
  if (dead_)
    return dead();
  if (buffer_.empty())
    return {};
  if (auto failed = write(buffer_))
    return failed;
  set_space_aside();
  buffer_.clear();
  written_ = appended_;
  return {};
}

status writer::sync() {
  if (auto failed = flush())
    return failed;
  return synced_end_ == end_ ? status{} : sync_file();
}

status writer::sync_file() {
  if (const int failed = ops_.datasync(file_.fd()); failed < 0) {
    dead_ = true;
    return fault{fault_kind::sync_failed, -failed, "cannot sync " + segment_name(header_.header.first())};
  }
  synced_end_ = end_;
  synced_ = written_;
  marker_.write({header_.header.first(), synced_end_, synced_.size()});
  return {};
}

std::uint64_t writer::discard() {
  const auto count = appended_.size() - written_.size();
  buffer_.clear();
  appended_ = written_;
  return count;
}

fault writer::dead() const {
  return {fault_kind::sync_failed, 0, "a sync of the log in " + options_.folder.string() + " failed before"};
}

} // namespace troupe::log
