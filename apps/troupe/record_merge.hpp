#pragma once

#include "apps/troupe/record_stream.hpp"
#include "runtime/log/subject_keys.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

/// The flag --decrypt.
std::vector<flag> decrypt_flags();

/// The records of several logs of a node as one stream, by their times. Within a log the order is that of the log, also
/// where the clock was set back. A log that is damaged ends there, the others go on, and the damage comes at the end.
class record_merge {
public:
  using step = record_stream::step;

  /// Throws command_failed where a log cannot be opened, or where the filter speaks of an index and there are several
  /// logs, each with indices of its own.
  record_merge(const std::vector<log_folder>& where, const record_filter& filter, const arguments& given);

  step next();
  void look_again();
  /// With --decrypt the payload is as it was published, or empty where it was forgotten.
  const log::entry& at() const noexcept { return keys_ ? opened_ : current_->records->at(); }
  std::string_view origin() const noexcept { return current_->records->origin(); }
  /// Retention class of the log that `at()` is of.
  const std::string& log_name() const noexcept { return current_->name; }
  const log::fault& why() const noexcept;
  bool passed_damage() const noexcept;

  std::uint64_t read() const noexcept;
  std::uint64_t all() const noexcept;

  /// The record as `at` gives it; valid until the next call of this or `next`.
  const log::entry& opened(const log::entry& one);

  /// A record that is kept while the stream goes on.
  struct kept {
    const record_stream::kept* what = nullptr;
    std::string_view log_name;
  };
  /// As record_stream::last, over all logs. What it gives is valid as long as the merge.
  std::vector<kept> last(std::size_t count, step& ended);

private:
  struct source {
    std::string name;
    std::unique_ptr<record_stream> records;
    step state = step::end;
    bool fresh = true; ///< `state` is to be asked for.
  };

  step ended() const;

  std::optional<log::subject_keys> keys_; ///< Where payloads are to be decrypted.
  log::entry opened_;
  std::string payload_;
  bool bad_payload_ = false;
  std::vector<source> sources_;
  source* current_ = nullptr;
  std::vector<std::deque<record_stream::kept>> kept_;
};

} // namespace troupe::cli
