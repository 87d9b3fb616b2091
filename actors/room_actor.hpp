#pragma once

#include "actors/interfaces.hpp"
#include "actors/room_home.hpp"
#include "actors/room_logic.hpp"
#include "runtime/model/credit.hpp"
#include "runtime/system/pinned_actor.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe {

struct local_node;

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
class room_actor final : public pinned_actor<room_handle>, private turn_hook {
public:
  room_actor(caf::actor_config& cfg, loop* home, local_node& owner, room_setup setup);
  ~room_actor() override;

  using pinned_actor::enqueue;
  /// Whatever becomes of an operation from here on, it is answered.
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* from) override;

  const char* name() const override { return "room"; }
  room_handle::behavior_type make_behavior() override;
  void on_exit() override;

private:
  void turn_ended() override;
  void take(room_ops& ops);
  void apply(room_op& op, mono_ms now);
  /// Runs a step of the logic; where it throws, asks to be restarted. @returns whether it worked
  template <class F>
  bool attempt(const room_op* op, F&& step);
  void failed(const room_op* op, const char* what);
  void restart();
  void after_step();
  void flush();
  void tick();
  void schedule_tick(mono_ms at);
  void consider_idleness(mono_ms now);
  void retire(bool granted);
  std::shared_ptr<const room_report> report() const;
  mono_ms now() const;
  wall_ms wall() const;

  local_node& node_;
  room_home home_;
  const std::shared_ptr<const dead_letters> letters_;
  std::shared_ptr<credit_gate> gate_;
  std::optional<room_logic> logic_;
  const room_type* type_;
  bool broken_ = false;           ///< The logic has thrown and waits for the supervisor.
  std::vector<room_op> held_;     ///< What came meanwhile; bounded by the credit that it keeps.
  std::uint64_t incarnation_ = 0; ///< Of the logic: timers of an earlier one are ignored.
  std::unordered_map<std::uint32_t, fan_out_handle> fans_;
  std::uint64_t attaches_ = 0;
  bool credit_wanted_ = false;
  mono_ms tick_at_ = 0; ///< When the next tick message is due; 0: none under way.
  mono_ms next_custom_tick_ = 0;
  mono_ms snapshot_at_ = 0;
  mono_ms idle_since_ = 0;
  bool retiring_ = false;
  caf::strong_actor_ptr kept_alive_; ///< While a turn's end is awaited.
};

} // namespace troupe
