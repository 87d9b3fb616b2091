#pragma once

#include "apps/troupe/command.hpp"
#include "apps/troupe/log_folder.hpp"
#include "apps/troupe/record_filter.hpp"
#include "runtime/log/cursor.hpp"

#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

/// The flags --unsynced and --past-damage.
std::vector<flag> reading_flags();

/// The records of a log that pass a filter, in order. Reads beside a running node, and by default only what is synced:
/// what is not may be gone after a crash.
class record_stream {
public:
  enum class step : std::uint8_t {
    ready,       ///< `at()` has a record.
    end,         ///< No more for now.
    done,        ///< No more that the filter lets through, ever.
    damaged,     ///< `why()`; the stream ends there.
    interrupted, ///< Ctrl-C.
  };

  /// Throws command_failed where the log cannot be opened.
  record_stream(const log_folder& where, record_filter filter, const arguments& given);

  step next();
  /// After `end`: learns what has been synced meanwhile.
  void look_again();
  const log::entry& at() const noexcept { return cursor_->at(); }
  const log::fault& why() const noexcept { return *why_; }
  /// Name of the log in checkpoints, as the segment of `at()` has it.
  std::string_view origin() const noexcept;
  /// Damage was passed over (--past-damage), and named on standard error.
  bool passed_damage() const noexcept { return passed_damage_; }

  /// How far it has come: records of all that there are now. All are 0 where that is not known.
  std::uint64_t read() const noexcept;
  std::uint64_t all() const noexcept;

  /// A record that is kept while the stream goes on.
  struct kept {
    std::string body;
    log::entry entry; ///< Its views look into `body`.
    std::string origin;
  };
  /// The last records that are there, at most so many. Then the stream stands behind them, and `next` gives what comes
  /// later. Reads backwards, one segment at a time.
  /// @param ended how reading of the newest segment ended: `end`, `done`, `damaged` or `interrupted`
  std::deque<kept> last(std::size_t count, step& ended);

private:
  void open(std::uint64_t from);
  void pass_over();
  bool entered_late_segment();
  std::uint64_t first_wanted() const;
  void read_part(std::size_t count, std::deque<kept>& into, step& ended);

  log_folder where_;
  record_filter filter_;
  bool unsynced_;
  bool past_damage_;
  bool passed_damage_ = false;
  std::vector<std::uint64_t> firsts_; ///< Of the segments when the stream was opened.
  std::uint64_t start_ = 0;           ///< First index that is read.
  std::uint64_t limit_ = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t until_ = std::numeric_limits<std::uint64_t>::max(); ///< `last` reads a part of the log.
  std::uint64_t segment_ = std::numeric_limits<std::uint64_t>::max();
  std::optional<log::cursor> cursor_;
  std::optional<log::fault> why_;
};

} // namespace troupe::cli
