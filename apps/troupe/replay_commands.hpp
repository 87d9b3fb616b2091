#pragma once

#include "apps/troupe/command.hpp"
#include "apps/troupe/log_folder.hpp"
#include "apps/troupe/moment.hpp"
#include "apps/troupe/replay_state.hpp"

#include <optional>
#include <string>
#include <vector>

/// `troupe replay`: the log as what happened, not as records.
namespace troupe::cli {

command replay();

/// The logs that say what happened, those of `audit` and `channels` that there are; as log_folders_of with --class.
std::vector<log_folder> replay_folders(const arguments& given);

/// The flags --room and --channel.
replay_scope scope_of(const arguments& given);

/// A moment as --at and --diff take it.
struct replay_stop {
  std::string text;                    ///< As it was given.
  std::optional<std::int64_t> time_us; ///< What was recorded later does not count.
  std::optional<std::uint64_t> index;  ///< Of the last record that counts.
  std::string log_name;                ///< The log that `index` is a place in.
};
/// Reads "end", an index, "CLASS:INDEX", a time, or a time before now. Throws command_failed.
replay_stop stop_from(const std::string& text, const arguments& given, const std::vector<log_folder>& where);

/// troupe replay --check: runs a program on its own log.
int replay_check(const arguments& given);
/// troupe replay --into: sends what was recorded to a server.
int replay_into(const arguments& given);

} // namespace troupe::cli
