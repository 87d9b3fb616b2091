#pragma once

#include "actors/fan_out.hpp"
#include "actors/interfaces.hpp"
#include "runtime/model/restart.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

namespace troupe {

struct local_node;

/// A room's logic threw; the room waits for the supervisor's word.
struct room_failure {
  std::uint32_t id = 0;
  std::string name;
  std::string what;
};

/// A room without members and without fan-outs asks to end.
struct room_retiring {
  std::uint32_t id = 0;
  std::string name;
  std::uint64_t attaches = 0; ///< How many it has seen: if the supervisor knows of more, somebody is coming.
  std::string snapshot;       ///< Raw JSON; empty, or "null", for none.
};

/// Spawns a room or channel where somebody wants one, tells fan-outs how to reach it, starts it anew when it fails
/// and keeps the snapshots of rooms that sleep. Never blocks; one for a node.
class room_supervisor : public pinned_actor<room_supervisor_handle> {
public:
  room_supervisor(caf::actor_config& cfg, loop* home, local_node& owner);

  const char* name() const override { return "room_supervisor"; }
  room_supervisor_handle::behavior_type make_behavior() override;
  void on_exit() override;

private:
  struct child {
    std::string name;
    room_handle home;
    std::shared_ptr<credit_gate> gate;
    std::uint64_t attaches = 0;
    bool custom = false;
    bool channel = false;
    bool dead = false; ///< Its actor has ended; the next start spawns it again.
    std::string user;  ///< Of a channel: who woke it. Empty: nobody that counts.
    std::string address;
    std::unordered_map<std::uint32_t, fan_out_handle> fans; ///< By loop; may hold some that have detached since.
  };

  void claim(const room_claim& what, const fan_out_handle& fan);
  /// Why one more room or channel cannot be had; counted.
  std::optional<std::string> lacks_place(const room_claim& what);
  /// Spawns what the child is, and watches it.
  void start_child(std::uint32_t id, child& c, std::uint32_t loop);
  void spawn_channel(std::uint32_t id, child& c, std::uint32_t loop);
  void spawn_room(std::uint32_t id, child& c, std::uint32_t loop);
  void arrive(const child& c, std::uint32_t id, const fan_out_handle& fan, bool reborn);
  void failed(const std::string& name, std::uint32_t id, const std::string& what);
  void restart(std::uint32_t id);
  void retire(const room_retiring& what);

  local_node& node_;
  std::array<std::unordered_map<std::string, std::uint32_t>, 2> by_name_; ///< Rooms, channels.
  std::unordered_map<std::uint32_t, child> rooms_;
  using counts = std::unordered_map<std::string, std::size_t>;
  counts woken_by_user_; ///< Channels that are awake.
  counts woken_by_address_;
  std::unordered_map<caf::actor_addr, std::uint32_t> by_address_;
  std::unordered_map<std::string, std::string> snapshots_; ///< Of rooms that sleep, bounded by `limits.rooms`.
  struct failures {
    failures(std::size_t restarts_max, std::int64_t window_ms, backoff_settings b)
        : intensity(restarts_max, window_ms)
        , delays(b) {}
    restart_intensity intensity;
    backoff delays;
    mono_ms last = 0;
  };

  std::unordered_map<std::uint32_t, failures> histories_; ///< Of rooms that have failed.
  std::uint32_t last_id_ = 0;
};

} // namespace troupe
