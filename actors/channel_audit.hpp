#pragma once

#include "actors/audit_gatherer.hpp"
#include "actors/traffic.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

/// Records who subscribes to a channel, reads its history, and goes (docs/audit.md). Without an actor.
class channel_audit {
public:
  channel_audit(std::string channel, audit_gatherer& into)
      : channel_(std::move(channel))
      , into_(into) {}

  /// The time of what follows.
  void at(wall_ms now) noexcept { now_ = now; }

  /// @param offset after which it begins
  /// @param durable as channel_home::durable_key; empty: none
  void subscribed(const sender& who, std::string_view epoch, std::uint64_t offset, std::string_view durable);
  /// @param offset the last that it was given
  void unsubscribed(const sender& who, std::string_view epoch, std::uint64_t offset, std::string_view durable,
                    std::string_view why);
  /// @param offset the newest that is stored
  void read(const sender& who, std::string_view epoch, std::uint64_t offset, const room_request& asked);

private:
  void add(log::record_kind kind, const sender& who, std::string_view epoch, std::uint64_t offset,
           std::string_view durable, std::string_view detail);

  std::string channel_;
  audit_gatherer& into_;
  wall_ms now_ = 0;
};

} // namespace troupe
