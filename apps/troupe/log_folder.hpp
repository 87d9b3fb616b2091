#pragma once

#include "apps/troupe/command.hpp"
#include "runtime/log/checkpoint.hpp"
#include "runtime/log/fault.hpp"
#include "runtime/log/key.hpp"
#include "runtime/log/segment.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/// The log that a command is about, in a data folder of a node that may be running.
namespace troupe::cli {

/// The flags --data and --class, which every command on a log has.
std::vector<flag> folder_flags();
/// The same for commands that are about one log.
std::vector<flag> one_folder_flags();

/// DATA and DATA/log/CLASS.
struct log_folder {
  std::filesystem::path data;
  std::filesystem::path log;

  /// Its retention class, by which people tell the logs of a node apart.
  std::string name() const { return log.filename().string(); }
};

/// Those that --class names, or all that there are, ordered by name. Throws command_failed (exit_cannot) where there is
/// none, and says which classes there are.
std::vector<log_folder> log_folders_of(const arguments& given);

/// The one that --class names, or `channels`: for commands that are about one log. Throws as log_folders_of.
log_folder log_folder_of(const arguments& given);

/// exit_false for damage, exit_cannot for what cannot be read.
int status_of(const log::fault& why) noexcept;
[[noreturn]] void fail_with(const log::fault& why);

/// The bytes of a file, "-" for standard input; at most 64 MiB. Throws command_failed.
std::string read_input(const std::string& path);

/// What a person gave as --public-key: a file with a key or a vkey, or the vkey itself. Throws command_failed.
log::public_key public_key_from(const std::string& given);

/// The open half of the key in DATA/log.key; nothing where the file cannot be read.
std::optional<log::public_key> key_of_node(const log_folder& where);

/// The newest checkpoint of this log; nothing where there is none yet. Throws command_failed where it is damaged or
/// cannot be read.
std::optional<log::signed_checkpoint> latest_checkpoint(const log_folder& where);

/// What its newest segment says about this log. Throws command_failed.
log::segment_header header_of_log(const log_folder& where);

/// The checkpoints in a file (`-`: standard input): one, or one for each log as `troupe log head` prints them. Throws
/// command_failed where there is none.
std::vector<log::signed_checkpoint> checkpoints_in(const std::string& file);
/// Whether a checkpoint speaks of this log, in any of its incarnations. A log that cannot say who it is takes any: then
/// verifying says what is wrong with it.
bool speaks_of(const log::signed_checkpoint& note, const log_folder& where);

} // namespace troupe::cli
