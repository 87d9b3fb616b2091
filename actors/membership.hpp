#pragma once

#include "actors/traffic.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace troupe {

struct local_room;

/// The name of a room or of a channel: one of each may have the same.
struct place_view {
  bool channel = false;
  std::string_view name;

  target_kind kind() const noexcept { return channel ? target_kind::channel : target_kind::room; }
  /// As rights name it.
  std::string_view noun() const noexcept { return channel ? "channel" : "room"; }
};

constexpr place_view a_room(std::string_view name) noexcept { return {false, name}; }
constexpr place_view a_channel(std::string_view name) noexcept { return {true, name}; }

/// The same, with a name of its own.
struct place {
  explicit place(place_view of)
      : channel(of.channel)
      , name(of.name) {}

  bool channel;
  std::string name;

  operator place_view() const noexcept { return {channel, name}; }
};

/// Rooms first, then channels, each by name.
struct place_less {
  using is_transparent = void;
  bool operator()(place_view a, place_view b) const noexcept {
    return std::tie(a.channel, a.name) < std::tie(b.channel, b.name);
  }
};

/// Where in a stream somebody begins who joins a room or subscribes to a channel: with what comes, unless it says more.
struct starting_point {
  std::optional<position> since = {}; ///< Behind what it has seen.

  // Of channels only.
  bool earliest = false;    ///< From the oldest message that is kept.
  std::string durable = {}; ///< The name of the user's durable subscription; empty: none.
};

/// A room or channel that a connection is in.
struct membership {
  std::shared_ptr<local_room> room;
  std::shared_ptr<const member_info> info;
  starting_point from; ///< Of a channel: asked for again by who resumes, where it has not been answered.
  bool joined = false; ///< The room has said so.
  bool may_write = true;
  bool recovering = false;
  bool recovered = false;
};

} // namespace troupe
