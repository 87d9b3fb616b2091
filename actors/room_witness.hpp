#pragma once

#include "actors/room.hpp"
#include "actors/traffic.hpp"

#include <cstdint>
#include <string_view>

namespace troupe {

/// What a room's logic is given: one call of one hook.
struct room_input {
  enum class kind : std::uint8_t { start, join, left, message, tick, timer };
  kind what = kind::start;
  wall_ms at = 0;
  const room_op* op = nullptr;      ///< join, message.
  const room_member* who = nullptr; ///< left.
  std::uint64_t token = 0;          ///< timer.
};

/// What came of it.
struct room_output {
  std::string_view said = {};  ///< JSON: a list of what it sent, its answer, its timers (docs/audit.md).
  std::string_view state = {}; ///< JSON: the snapshot afterwards; empty where it threw.
  std::string_view threw = {}; ///< What the hook threw; then nothing of what it said took effect.
  std::uint64_t seq = 0;       ///< Of the room's last message.
};

/// Is told of each step of a room's logic. The views live for the call.
class room_witness {
public:
  virtual ~room_witness() = default;
  /// Before the hook is called.
  virtual void given(const room_input& in) = 0;
  /// After it has taken effect, or has thrown.
  virtual void gave(const room_input& in, const room_output& out) = 0;
};

} // namespace troupe
