#pragma once

#include "runtime/log/cursor.hpp"
#include "runtime/log/record.hpp"
#include "runtime/model/patterns.hpp"
#include "runtime/model/value.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::cli {

/// Which rooms and channels a person wants to see. Where neither is named: all, and the connections as well.
struct replay_scope {
  pattern_table<bool> rooms = {};
  pattern_table<bool> channels = {};

  bool is_everything() const noexcept { return rooms.empty() && channels.empty(); }
  bool has_room(std::string_view name) const noexcept { return is_everything() || rooms.find(name) != nullptr; }
  bool has_channel(std::string_view name) const noexcept { return is_everything() || channels.find(name) != nullptr; }
};

/// What a node was like at a moment, put together from the records up to it (docs/event-log.md).
class replay_state {
public:
  /// Someone in a room.
  struct member {
    std::string user;
    std::int64_t since_us = 0;
    std::optional<value> state; ///< Presence state; nothing where the level of the room does not record it.
  };
  /// The newest state of a room with custom logic that the log has.
  struct snapshot {
    value state;
    std::uint64_t seq = 0;
    std::uint64_t index = 0; ///< Of its record.
    std::int64_t time_us = 0;
  };
  struct room {
    std::string epoch;
    std::uint64_t seq = 0;      ///< The last one given.
    std::uint64_t messages = 0; ///< Recorded in this epoch.
    std::map<std::string, member> members;
    std::string code_version; ///< Of custom logic; empty: the room has none.
    std::optional<snapshot> base;
    std::uint64_t steps_since = 0; ///< Inputs after the snapshot: the state itself is that many steps further.
    std::string state_hash;        ///< After the last step that recorded one.
  };
  struct channel {
    std::string epoch;
    std::optional<std::uint64_t> first; ///< The oldest of this epoch that the log still has.
    std::uint64_t last = 0;
    std::uint64_t messages = 0;                   ///< In the log, of this epoch.
    std::map<std::string, std::uint64_t> durable; ///< Acknowledged, by "user/name".
  };
  struct connection {
    std::string user;
    std::int64_t since_us = 0;
  };

  /// Goes on by one record. Those of each log must come in order.
  void take(std::string_view log_name, const log::entry& one);

  const std::map<std::string, room>& rooms() const noexcept { return rooms_; }
  const std::map<std::string, channel>& channels() const noexcept { return channels_; }
  const std::map<std::string, connection>& connections() const noexcept { return connections_; }
  bool is_running() const noexcept { return running_; }

  /// All of it in JSON, with objects by name, so that two states can be compared member by member.
  value to_json_value(const replay_scope& scope) const;
  /// The record that was taken last: `{"class", "index", "time"}`, null where there was none.
  value position() const;
  /// For people, several lines.
  std::string text(const replay_scope& scope) const;

private:
  void take_node(const log::record_view& what);
  void take_room(const log::entry& one);
  void take_logic(room& in, const log::entry& one);
  void take_channel(const log::record_view& what);
  void everybody_left();

  std::string node_;
  std::string version_;
  std::int64_t node_since_us_ = 0;
  bool running_ = false;
  std::map<std::string, connection> connections_;
  std::map<std::string, room> rooms_;
  std::map<std::string, channel> channels_;
  std::map<std::string, std::uint64_t> firsts_; ///< By log: the index of the first record.
  std::string last_log_;
  std::uint64_t last_index_ = 0;
  std::int64_t last_time_us_ = 0;
};

} // namespace troupe::cli
