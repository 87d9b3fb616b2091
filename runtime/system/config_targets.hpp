#pragma once

// What the configuration says of single rooms and channels, by name. Part of config.hpp.

#include "runtime/model/limits.hpp"
#include "runtime/model/outbox.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

using std::chrono::milliseconds;

/// What the log keeps of a room, or the audit log of a channel.
enum class audit_level : std::uint8_t {
  off,      ///< Nothing.
  metadata, ///< Who did what and when, without payloads.
  full,     ///< Payloads too. Not of channels, whose messages are in the log at any level.
};

/// What holds for one room: the defaults of the `rooms` section with the first matching pattern laid over them.
struct room_settings {
  troupe::overflow overflow = troupe::overflow::disconnect;
  std::size_t ring_messages = limits::ring_messages_max;
  std::size_t ring_bytes = limits::ring_bytes_max;
  milliseconds ring_age{limits::ring_age_ms_max};
  milliseconds idle_timeout{60'000};
  std::size_t presence_immediate_members_max = 100;
  milliseconds presence_interval{1000};
  audit_level audit = audit_level::metadata;
  audit_level audit_floor = audit_level::off; ///< Least that a message's `privacy` can ask for.
};

/// Overrides for the rooms whose name matches; what is not given keeps the default.
struct room_pattern {
  std::string name; ///< A room's name, or a prefix followed by `*`.
  std::optional<troupe::overflow> overflow{};
  std::optional<std::size_t> ring_messages{};
  std::optional<std::size_t> ring_bytes{};
  std::optional<milliseconds> ring_age{};
  std::optional<milliseconds> idle_timeout{};
  std::optional<std::size_t> presence_immediate_members_max{};
  std::optional<milliseconds> presence_interval{};
  std::optional<audit_level> audit{};
  std::optional<audit_level> audit_floor{};
};

/// When what is published in a channel counts as stored.
enum class fsync_policy : std::uint8_t {
  always,   ///< After fdatasync(2): acknowledged means on disk.
  interval, ///< After write(2); a sync follows within `journal.sync_interval`.
  never,    ///< After write(2); the kernel syncs when it likes.
};

/// What holds for one channel: the defaults of the `channels` section with the first matching pattern laid over them.
struct channel_settings {
  fsync_policy fsync = fsync_policy::always;
  troupe::overflow overflow = troupe::overflow::spill;
  std::size_t history_messages = 100'000;
  std::size_t history_bytes = 256 * 1024 * 1024;
  milliseconds history_age{7LL * 24 * 3600 * 1000};
  std::size_t qos_floor = 0;
  std::size_t ring_messages = 1024;
  std::size_t ring_bytes = 1024 * 1024;
  std::size_t window = 256;
  milliseconds redeliver_after{30'000};
  std::size_t dedupe_messages = 1024;
  milliseconds idle_timeout{60'000};
  std::size_t durables = 100'000; ///< The same for every channel, as the next two.
  std::size_t durables_per_user = 100;
  std::size_t histories = 64;
  std::vector<std::string> readers{}; ///< Users, or prefixes followed by `*`; empty: everybody whose token allows it.
  std::vector<std::string> writers{};
  audit_level audit = audit_level::metadata;
};

/// Overrides for the channels whose name matches; what is not given keeps the default.
struct channel_pattern {
  std::string name; ///< A channel's name, or a prefix followed by `*`.
  std::optional<fsync_policy> fsync{};
  std::optional<troupe::overflow> overflow{};
  std::optional<std::size_t> history_messages{};
  std::optional<std::size_t> history_bytes{};
  std::optional<milliseconds> history_age{};
  std::optional<std::size_t> qos_floor{};
  std::optional<std::size_t> ring_messages{};
  std::optional<std::size_t> ring_bytes{};
  std::optional<std::size_t> window{};
  std::optional<milliseconds> redeliver_after{};
  std::optional<std::size_t> dedupe_messages{};
  std::optional<milliseconds> idle_timeout{};
  std::optional<std::vector<std::string>> readers{};
  std::optional<std::vector<std::string>> writers{};
  std::optional<audit_level> audit{};
};

} // namespace troupe
