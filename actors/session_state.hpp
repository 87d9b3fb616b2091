#pragma once

#include "actors/interfaces.hpp"
#include "actors/membership.hpp"
#include "actors/traffic.hpp"
#include "runtime/model/type_filter.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

/// What one connection leaves to the one that resumes its session.
struct session_state {
  /// A room or channel.
  struct room {
    place where;
    std::string state; ///< Presence state, raw JSON.
    bool presence = true;
    bool joined = false; ///< The room has said so.
    wall_ms since = 0;
    starting_point from; ///< As its `membership` has it.
  };

  member_key key = 0;
  std::uint32_t incarnation = 0; ///< Of the heir.
  connection_handle holder;      ///< Who had the session.
  bool signaled = false;
  std::shared_ptr<const sender> who;
  std::vector<room> rooms;
  type_filter filter;
};

} // namespace troupe
