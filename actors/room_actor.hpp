#pragma once

#include "actors/home_actor.hpp"
#include "actors/room_audit.hpp"
#include "actors/room_home.hpp"
#include "actors/room_logic.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

/// What a room says of itself.
struct room_report {
  std::string name;
  std::string epoch;
  std::uint64_t seq = 0;
  std::size_t ring = 0; ///< Messages in the ring.
  std::vector<std::pair<room_member, wall_ms>> members;
};

/// Everything that a room is spawned with.
struct room_setup {
  room_home::setup home;
  std::shared_ptr<credit_gate> gate;
  const room_type* type = nullptr; ///< Null: a room without logic of its own.
  std::uint64_t seed = 0;
  std::string snapshot = "null";
};

/// The actor around a `room_home`: takes operations, gives credit back, and tells fan-outs once a turn.
class room_actor final : public home_actor<room_handle> {
public:
  room_actor(caf::actor_config& cfg, loop* home, local_node& owner, room_setup setup);
  ~room_actor() override;

  const char* name() const override { return "room"; }
  room_handle::behavior_type make_behavior() override;
  void on_exit() override;

private:
  void take(room_ops& ops);
  void apply(room_op& op, mono_ms now);
  /// Runs a step of the logic; where it throws, asks to be restarted. @returns whether it worked
  template <class F>
  bool attempt(const room_op* op, F&& step);
  void failed(const room_op* op, const char* what);
  void restart();
  void after_step();
  void flush() override;
  void tick();
  void consider_idleness(mono_ms now);

  // The audit log.
  void start_audit();
  /// What the room has processed gives credit back; where the log has fallen behind, later.
  void give_credit(std::size_t bytes);
  void give_withheld();
  std::shared_ptr<const room_report> report() const;

  std::unique_ptr<audit_gatherer> gatherer_; ///< Its own, where it runs off the loops.
  std::optional<room_audit> audit_;          ///< Nothing where nothing is recorded.
  std::size_t withheld_ = 0;                 ///< Messages whose credit waits for the log, and their bytes.
  std::size_t withheld_bytes_ = 0;
  room_home home_;
  std::optional<room_logic> logic_;
  const room_type* type_;
  std::uint64_t seed_ = 0;        ///< Of the activation that begins.
  bool broken_ = false;           ///< The logic has thrown and waits for the supervisor.
  std::vector<room_op> held_;     ///< What came meanwhile; bounded by the credit that it keeps.
  std::uint64_t incarnation_ = 0; ///< Of the logic: timers of an earlier one are ignored.
  mono_ms next_custom_tick_ = 0;
  mono_ms snapshot_at_ = 0;
};

} // namespace troupe
