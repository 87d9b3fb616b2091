#pragma once

#include "actors/channel_home.hpp"
#include "actors/interfaces.hpp"
#include "actors/journal_traffic.hpp"
#include "runtime/model/credit.hpp"
#include "runtime/system/pinned_actor.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe {

struct local_node;

/// Everything that a channel is spawned with.
struct channel_setup {
  std::uint32_t id = 0;
  std::string name;
  channel_settings settings;
  std::shared_ptr<credit_gate> gate;
};

/// The actor around a `channel_home`: between the fan-outs on one side and the journal on the other. A message keeps
/// its credit until the log has it, so that what waits for the disk is bounded.
class channel_actor final : public pinned_actor<channel_handle>, private turn_hook {
public:
  channel_actor(caf::actor_config& cfg, loop* home, local_node& owner, channel_setup setup);
  ~channel_actor() override;

  using pinned_actor::enqueue;
  /// Whatever becomes of an operation from here on, it is answered.
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* from) override;

  const char* name() const override { return "channel"; }
  channel_handle::behavior_type make_behavior() override;
  void on_exit() override;

private:
  struct credit {
    std::uint64_t offset;
    std::size_t bytes;
  };

  void turn_ended() override;
  void opened(const channel_opened& what);
  void take(room_ops& ops);
  void apply(room_op& op, mono_ms now);
  void publish(room_op& op, mono_ms now);
  void happened(const channel_outcome& what);
  void found(const channel_found& what);
  void give_back_until(std::uint64_t offset);
  void after_step();
  void flush();
  void hand_out(const room_news_ptr& news);
  void tick();
  void schedule_tick(mono_ms at);
  void consider_idleness(mono_ms now);
  void retire(bool granted);
  std::shared_ptr<const room_report> report() const;
  mono_ms now() const;

  local_node& node_;
  channel_setup what_;
  std::shared_ptr<const dead_letters> letters_;
  std::optional<channel_home> home_; ///< Nothing until the log has answered.
  std::vector<room_op> held_;        ///< What came before; bounded by the credit that it keeps.
  std::uint64_t run_ = 0;
  std::deque<credit> owed_; ///< Of what is on its way to the log.
  std::unordered_map<std::uint32_t, fan_out_handle> fans_;
  std::uint64_t attaches_ = 0;
  bool credit_wanted_ = false;
  mono_ms tick_at_ = 0; ///< When the next tick message is due; 0: none under way.
  mono_ms idle_since_ = 0;
  mono_ms open_again_at_ = 0; ///< The log could not serve it: when to ask again.
  bool retiring_ = false;
  caf::strong_actor_ptr kept_alive_; ///< While a turn's end is awaited.
};

} // namespace troupe
