#pragma once

#include "runtime/log/files.hpp"
#include "runtime/log/frame_reader.hpp"
#include "runtime/log/record.hpp"
#include "runtime/log/segment.hpp"

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string_view>

namespace troupe::log {

/// A record that a cursor stands at; its views are valid until the cursor moves.
struct entry {
  std::uint64_t index = 0;
  std::string_view body; ///< What the tree is built over.
  record_view what;
  place where() const;
  std::uint64_t segment = 0; ///< First index of the segment that it lies in.
  std::uint64_t offset = 0;  ///< Of its frame in that file.
};

/// Reads a log in order, and checks every record before it gives it. May run beside a writer, in the same process or
/// another: at the end of what was written it says `end`, and goes on from there when asked again. Without a limit it
/// gives what is written and not synced as well: a crash, or a writer that finds the disk full, may take that back.
class cursor {
public:
  enum class step : std::uint8_t {
    ready,  ///< `at()` has the record.
    end,    ///< Nothing more for now, or the limit was reached.
    failed, ///< `why()`: damage, with its place, or a read that failed. The cursor does not move on by itself.
  };

  /// Stands before the record with this index, or before the oldest that is kept. An index in the future is waited for.
  static result<cursor> open(const std::filesystem::path& folder, std::uint64_t from);

  /// As `open`, which the first `next` does: what fails there can be passed over as what fails later.
  static cursor unopened(std::filesystem::path folder, std::uint64_t from);

  /// Stands before a record whose place is known: `segment` and `offset` as an entry or a writer said them. A place
  /// where no record begins is found damaged by `next`; that the index is the right one is for the caller to know.
  static result<cursor> open_at(const std::filesystem::path& folder, std::uint64_t segment, std::uint64_t offset,
                                std::uint64_t index);

  step next();
  const entry& at() const noexcept { return entry_; }
  const fault& why() const noexcept { return *why_; }

  /// The index of the record that `next` gives, unless retention overtakes it: then `at().index` is larger.
  std::uint64_t index() const noexcept { return index_; }
  /// Does not give records from this index on: for example what a writer has not synced yet.
  void set_limit(std::uint64_t index) noexcept { limit_ = index; }
  /// As set_limit, as far as the mark beside the log says it was synced; for readers in another process.
  void limit_to_synced();
  /// Past damage: where in the same segment the next good record begins; nothing where there is none before `end`,
  /// an offset in its file.
  result<std::optional<std::uint64_t>> next_good(std::uint64_t end = std::numeric_limits<std::uint64_t>::max()) const;
  /// Past damage: goes on at the next segment. @returns false where there is none
  bool skip_segment();
  /// What the segment that the cursor is in says about itself; empty before the first record of a new log.
  const std::optional<placed_header>& segment() const noexcept { return header_; }

private:
  explicit cursor(std::filesystem::path folder)
      : folder_{std::move(folder)} {}
  status enter(std::uint64_t first);
  status position(std::uint64_t from);
  step stopped(const frame& got);
  step next_segment(std::uint64_t first);
  step fail(fault why);
  step fail_here(fault_kind kind, const char* message);
  bool was_synced() const;

  std::filesystem::path folder_;
  open_file file_;
  std::optional<placed_header> header_;
  frame_reader frames_;
  std::uint64_t index_ = 0; ///< Of the next frame.
  std::uint64_t from_ = 0;  ///< Records before it are passed over.
  std::uint64_t limit_ = std::numeric_limits<std::uint64_t>::max();
  bool at_footer_ = false; ///< The segment is read to its end.
  entry entry_;
  std::optional<fault> why_;
};

} // namespace troupe::log
