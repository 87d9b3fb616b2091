#include "runtime/log/segment_check.hpp"

#include "runtime/log/files.hpp"
#include "runtime/log/frame_reader.hpp"
#include "runtime/log/recovery.hpp"

#include <algorithm>
#include <fcntl.h>
#include <string>
#include <utility>

namespace troupe::log {
namespace {

/// How one segment is read, and what was found so far.
class check {
public:
  check(const std::filesystem::path& folder, open_file file, segment_check& result,
        std::span<const std::uint64_t> wanted)
      : folder_{folder}
      , file_{std::move(file)}
      , result_{result}
      , frames_{file_.fd(), *result.header}
      , wanted_{std::lower_bound(wanted.begin(), wanted.end(), result.first), wanted.end()} {
    note_root();
  }

  void run(bool is_last, const std::optional<sync_mark>& mark, const std::function<void(std::uint64_t)>& progress) {
    std::uint64_t reported = 0;
    while (step()) {
      if (const auto done = frames_.offset() - reported; done >= frame_reader::piece_bytes) {
        reported += done;
        progress(done);
      }
    }
    result_.surplus = result_.bytes - std::min(result_.bytes, frames_.offset());
    if (is_last && !result_.problem)
      look_behind();
    progress(result_.bytes - std::min(result_.bytes, reported));
    if (!result_.problem)
      end(is_last, mark);
  }

private:
  /// One frame. @returns whether there may be more
  bool step() {
    const auto offset = frames_.offset();
    const auto got = frames_.next();
    if (got.state == frame_state::footer)
      return footer(got.body, offset);
    if (got.state != frame_state::good)
      return false;
    if (result_.sealed)
      return problem(fault_kind::damaged, "a record stands behind the footer", offset);
    if (const auto bad = check_record(got.body); bad != decode_fault::none)
      return problem(fault_kind::damaged,
                     "a record has a good checksum and cannot be read: " + std::string{to_string(bad)}, offset);
    result_.through.append(leaf_hash(got.body));
    ++result_.records;
    note_root();
    return true;
  }

  bool footer(std::string_view body, std::uint64_t offset) {
    const auto said = parse_footer(body, result_.first);
    if (result_.sealed || !said || said->through != result_.through)
      return problem(fault_kind::damaged, "the footer does not fit the records before it", offset);
    result_.sealed = true;
    return true;
  }

  void note_root() {
    for (; !wanted_.empty() && wanted_.front() == result_.through.size(); wanted_ = wanted_.subspan(1))
      result_.roots.emplace(wanted_.front(), result_.through.root());
  }

  /// Is the end of what is good the end of the segment?
  void end(bool is_last, const std::optional<sync_mark>& mark) {
    const auto offset = frames_.offset();
    if (frames_.failed()) {
      result_.problem = frames_.failed();
    } else if (result_.surplus > 0 && result_.sealed) {
      problem(fault_kind::damaged, "something stands behind the footer", offset);
    } else if (!is_last && !result_.sealed) {
      if (result_.surplus > 0)
        problem(fault_kind::damaged, "a record is damaged", offset);
      else
        problem(fault_kind::lost, "the segment ends without a footer", offset);
    } else if (is_last && was_synced(offset, mark)) {
      if (result_.surplus > 0)
        problem(fault_kind::damaged, "a record that was synced is damaged", offset);
      else
        problem(fault_kind::lost, "what was synced is missing at the end", offset);
    }
  }

  /// The last segment may have space set aside.
  void look_behind() {
    const auto behind = bytes_behind(file_.fd(), frames_.offset());
    if (!behind)
      result_.problem = behind.error();
    result_.surplus = behind ? *behind : 0;
    result_.bytes = frames_.offset() + result_.surplus;
  }

  bool was_synced(std::uint64_t offset, const std::optional<sync_mark>& mark) const {
    if (mark && (mark->first > result_.first || (mark->first == result_.first && mark->offset > offset)))
      return true;
    if (result_.surplus == 0)
      return false;
    const auto claimed = is_claimed_synced(file_.fd(), offset, result_.header->seed);
    // A writer beside this may have gone on meanwhile: then its mark has, too.
    return !claimed || (*claimed && read_sync_mark(folder_) == mark);
  }

  bool problem(fault_kind kind, std::string message, std::uint64_t offset) {
    result_.problem =
        fault{kind, 0, std::move(message), place{segment_name(result_.first), result_.through.size(), offset}};
    return false;
  }

  const std::filesystem::path& folder_;
  open_file file_;
  segment_check& result_;
  frame_reader frames_;
  std::span<const std::uint64_t> wanted_;
};

} // namespace

segment_check check_segment(const std::filesystem::path& folder, std::uint64_t first, bool is_last,
                            std::span<const std::uint64_t> wanted, const std::optional<sync_mark>& mark,
                            const std::function<void(std::uint64_t)>& progress) {
  segment_check result;
  result.first = first;
  auto file = open_path(system_files(), folder / segment_name(first), O_RDONLY);
  if (!file) {
    result.problem = file.error();
    return result;
  }
  const auto size = size_of(file->fd());
  auto header = size ? read_header(*file, first) : size.error();
  if (!header) {
    result.problem = header.error();
    return result;
  }
  result.bytes = *size;
  result.through = header->header.before;
  result.header = std::move(*header);
  check{folder, std::move(*file), result, wanted}.run(is_last, mark, progress);
  return result;
}

} // namespace troupe::log
