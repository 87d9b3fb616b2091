#pragma once

#include "actors/channel_audit.hpp"
#include "actors/channel_home.hpp"
#include "actors/home_actor.hpp"
#include "actors/journal_traffic.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

/// Everything that a channel is spawned with.
struct channel_setup {
  std::uint32_t id = 0;
  std::string name;
  channel_settings settings;
  std::shared_ptr<credit_gate> gate;
};

/// The actor around a `channel_home`: between the fan-outs on one side and the journal on the other. A message keeps
/// its credit until the log has it, so that what waits for the disk is bounded.
class channel_actor final : public home_actor<channel_handle> {
public:
  channel_actor(caf::actor_config& cfg, loop* home, local_node& owner, channel_setup setup);
  ~channel_actor() override;

  const char* name() const override { return "channel"; }
  channel_handle::behavior_type make_behavior() override;
  void on_exit() override;

private:
  struct credit {
    std::uint64_t offset;
    std::size_t bytes;
  };

  /// What channels count, together with all others of the same pattern in `channels.patterns`.
  struct numbers {
    numbers(metrics& of, const std::string& pattern);
    counter& stored;
    counter& refused;
    gauge& subscribers;
  };

  void ask_the_log();
  void opened(const channel_opened& what);
  void take(room_ops& ops);
  void apply(room_op& op, mono_ms now);
  void publish(room_op& op, mono_ms now);
  void happened(const channel_outcome& what);
  void found(const channel_found& what);
  void cut(const channel_cut& what);
  void give_back_until(std::uint64_t offset);
  void after_step();
  void flush() override;
  void tick();
  void consider_idleness(mono_ms now);
  /// The time of day for what follows.
  void tell_time();
  std::shared_ptr<const room_report> report() const;

  channel_setup what_;
  numbers numbers_;
  std::size_t counted_subscribers_ = 0; ///< So many are in `numbers_`.
  std::optional<channel_audit> audit_;  ///< Nothing where nothing is recorded.
  std::optional<channel_home> home_;    ///< Nothing until the log has answered.
  std::vector<room_op> held_;           ///< What came before; bounded by the credit that it keeps.
  std::uint64_t run_ = 0;
  std::deque<credit> owed_;   ///< Of what is on its way to the log.
  mono_ms open_again_at_ = 0; ///< The log could not serve it: when to ask again.
};

} // namespace troupe
