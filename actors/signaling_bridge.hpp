#pragma once

#include "actors/kernel.hpp"

namespace troupe {

/// What the bridge does beyond passing signals on.
struct signaling_bridge_options {
  bool auto_join_rooms = false; ///< Who signals to a room becomes its member.
};

/// WebRTC signaling beyond the default: `signal:*` messages pass by themselves, to a connection or to the members
/// of a room; with this a room can be signaled to without having been joined.
class signaling_bridge {
public:
  explicit signaling_bridge(signaling_bridge_options options = {})
      : options_(options) {}

  void attach(kernel& to) const {
    if (!options_.auto_join_rooms)
      return;
    to.on("signal:*", [](const message& m, context&, toolkit& kit) {
      if (!m.room().empty())
        kit.rooms.join(m.room(), {.keep = true});
      return verdict::pass;
    });
  }

private:
  signaling_bridge_options options_;
};

} // namespace troupe
