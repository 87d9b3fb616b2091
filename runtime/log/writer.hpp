#pragma once

#include "runtime/log/checkpoint.hpp"
#include "runtime/log/files.hpp"
#include "runtime/log/losses.hpp"
#include "runtime/log/merkle.hpp"
#include "runtime/log/record.hpp"
#include "runtime/log/segment.hpp"
#include "runtime/log/sync_mark.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::log {

struct tail;

/// Where and under which name a log is written.
struct writer_options {
  std::filesystem::path folder; ///< Of this log alone, for example DATA/log/CLASS; made where it is missing.
  std::string class_name;       ///< Letters, digits, '-', '_' and '.'.
  std::string node;             ///< As class_name.
  std::uint64_t segment_bytes = std::uint64_t{64} << 20; ///< A segment is sealed before it would grow beyond this.
  std::size_t buffer_bytes = std::size_t{8} << 20;       ///< What is appended beyond this is flushed at once.
  /// Opens a log although records that were synced or signed are damaged or missing at its end: what is bad is kept in
  /// a file of its own, and the log goes on as a new origin. What was lost is noted before anything is changed.
  bool accept_loss = false;
  std::function<std::int64_t()> clock_us = {}; ///< Microseconds since the Unix epoch, for headers; empty: the real one.
};

/// What a person is told, behind the fault, whom `open` refuses a log that is damaged or lost.
inline constexpr std::string_view accept_loss_advice = "; --accept-loss goes on without what is damaged";

/// What opening a log found.
struct opened {
  std::uint64_t torn_bytes = 0; ///< Cut at the end: never synced.
  /// What was accepted to be lost, now or by a start that did not get to recording it: for `losses_are_recorded`.
  std::vector<accepted_loss> losses;
  std::string kept_as; ///< The file that holds what was cut or put aside last.
};

/// Appends records to a log. One writer per folder, which a lock on the folder holds to; one thread at a time.
///
///     append, append, append ... sync, then acknowledge
///
/// A fault of kind `no_space` or `io` changes nothing: what is buffered stays so, and `flush` or `sync` may be called
/// again, or `discard` gives up what was not written. After `sync_failed` every call fails, and the process has to end:
/// what the kernel still holds is no longer known, so nothing more may be acknowledged.
class writer {
public:
  /// Makes the folder and the first segment where there are none; cuts a torn tail (recovery.hpp says what is one).
  /// `in_use`, `damaged` and `lost` are refusals that need a person, or `accept_loss`.
  static result<std::unique_ptr<writer>> open(const writer_options& options, file_ops& ops = system_files());
  ~writer();

  /// Notes a loss that was accepted, synced, as `found().losses` are: before anything is done that builds on it.
  status note_loss(accepted_loss what);
  /// All of `found().losses` are synced records now: forgets the note of them.
  status losses_are_recorded() { return write_losses(ops_, options_.folder, {}); }

  /// Buffers a record. @returns its index
  result<std::uint64_t> append(const record_view& what);
  /// Buffers the body of a record as it is: what `encode` made.
  result<std::uint64_t> append_body(std::string_view body);

  /// Writes what is buffered, with one call where the system lets it.
  status flush();
  /// Flushes, then syncs. Afterwards all that was appended lasts.
  status sync();
  /// Forgets what was appended and not yet written. @returns how many records
  std::uint64_t discard();
  /// Seals the segment, if it holds a record, and starts another.
  status roll();

  std::uint64_t next() const noexcept { return appended_.size(); }   ///< The index of the next record.
  std::uint64_t written() const noexcept { return written_.size(); } ///< Records below were written.
  std::uint64_t synced() const noexcept { return synced_.size(); }   ///< Records below will last.
  std::uint64_t segment_first() const noexcept { return header_.header.first(); }
  /// Where the frame of the last appended record begins in its segment, segment_first(): for cursor::open_at.
  std::uint64_t last_offset() const noexcept { return last_offset_; }
  bool is_dead() const noexcept { return dead_; }
  const std::string& origin() const noexcept { return origin_; }
  const std::filesystem::path& folder() const noexcept { return options_.folder; }
  const opened& found() const noexcept { return found_; }
  /// The tree over what was synced, for a checkpoint.
  const compact_range& synced_tree() const noexcept { return synced_; }
  checkpoint synced_checkpoint() const { return {origin_, synced_.size(), synced_.root()}; }

private:
  writer(const writer_options& options, file_ops& ops);
  status lock_folder();
  status recover();
  struct evidence;
  status find_end(std::vector<std::uint64_t> firsts, evidence& said);
  status put_aside(const std::string& name, const fault& damage, bool breaks_order);
  std::string name_to_keep(const std::string& name) const;
  status start_over(const evidence& said);
  status resume_in(const std::filesystem::path& path, tail& last, const evidence& said);
  status keep_damage(const tail& last, const std::filesystem::path& path);
  bool is_order_broken() const noexcept;
  bool is_noted(const fault& loss) const;
  bool is_accepted(const fault& loss) const { return options_.accept_loss || is_noted(loss); }
  unsigned next_incarnation(unsigned known, const evidence& said) const;
  status start_segment();
  status seal();
  status write(std::string_view bytes);
  void set_space_aside();
  status give_back_space();
  status sync_file();
  status make_room(std::size_t body_bytes);
  std::uint64_t end_frame_of(std::size_t start);
  fault dead() const;

  writer_options options_;
  file_ops& ops_;
  open_file folder_;
  open_file file_;
  sync_marker marker_;
  std::string origin_;
  opened found_;

  placed_header header_;
  std::uint64_t end_ = 0;        ///< Of what was written to file_.
  std::uint64_t synced_end_ = 0; ///< Of what was synced of it.
  std::uint64_t reserved_ = 0;   ///< Up to here file_ has space that was set aside, or is written.
  std::uint64_t try_again_ = 0;  ///< No space is set aside before here: there was none.
  std::uint64_t last_offset_ = 0;
  bool sealed_ = true; ///< file_ takes no more records.
  bool dead_ = false;
  std::string buffer_;
  compact_range appended_;
  compact_range written_;
  compact_range synced_;
};

} // namespace troupe::log
