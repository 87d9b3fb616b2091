#pragma once

#include "actors/replay_report.hpp"
#include "actors/room_logic.hpp"
#include "runtime/log/record.hpp"
#include "runtime/model/patterns.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace troupe {

/// Runs recorded rooms again: gives each step to the same code at its recorded time, from the recorded snapshot and
/// seed, and compares what comes with what is recorded. No clock, no thread, no actor; records in the order of their
/// log. Where a step differs, what follows in its activation is not compared: it would follow from the difference.
class room_replay {
public:
  /// @param types outlive this
  explicit room_replay(const pattern_table<room_type>& types);
  ~room_replay();
  room_replay(const room_replay&) = delete;
  room_replay& operator=(const room_replay&) = delete;

  /// The next record of the log; those that are not about rooms with logic are passed over.
  void take(std::uint64_t index, const log::record_view& what);
  /// What was found. Call once, behind the last record.
  replay_report finish();

private:
  class activation;
  using key = std::pair<std::string, std::string>; ///< Room and epoch.

  void begin(const log::record_view& what);
  void step(const log::record_view& what);
  void compare(std::uint64_t index, const log::record_view& what);
  void note(std::string what);

  const pattern_table<room_type>& types_;
  std::map<key, std::unique_ptr<activation>> running_;
  replay_report report_;
};

/// Runs the rooms that the audit log in a data folder has recorded.
replay_report replay_log(const std::string& data_folder, const pattern_table<room_type>& types);

/// Where the environment variable TROUPE_REPLAY_CHECK names a data folder: replays its log, prints the report, and ends
/// the process with `replay_report::exit_code`. Returns where it is not set.
void end_if_only_checked(const pattern_table<room_type>& types);

} // namespace troupe
