#pragma once

#include "runtime/log/fault.hpp"
#include "runtime/log/files.hpp"
#include "runtime/log/record.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// What a person accepted to be lost (docs/event-log.md, "What lasts, and what is cut"). It is noted in the file `loss`
/// before anything is cut or renamed, and that file goes when the log itself says the same: so no crash between, and no
/// refusal for something else, leaves a log that has lost something and does not say so.
namespace troupe::log {

/// One loss that was consented to.
struct accepted_loss {
  std::string what;         ///< And where, on one line, for a person.
  bool breaks_order = true; ///< Records may be missing, so offsets may have been given out that nobody finds.

  friend bool operator==(const accepted_loss&, const accepted_loss&) = default;
};

/// What an earlier start noted in this folder and did not get recorded; nothing where there is no note.
result<std::vector<accepted_loss>> read_losses(const std::filesystem::path& folder);
/// Notes all of these, synced, in the place of what is noted; where there are none the note goes.
status write_losses(file_ops& ops, const std::filesystem::path& folder, const std::vector<accepted_loss>& all);

/// The record that says it; its texts are those of `loss`.
record_view record_of(const accepted_loss& loss, std::int64_t now_us);
/// Whether a record `log.damaged` says that records may be missing.
bool breaks_order(const record_view& damaged) noexcept;

} // namespace troupe::log
