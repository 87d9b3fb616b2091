#pragma once

#include "actors/fan_out.hpp"
#include "actors/last_words.hpp"
#include "actors/node.hpp"
#include "actors/room_supervisor.hpp"
#include "runtime/model/credit.hpp"
#include "runtime/system/pinned_actor.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace troupe {

/// What the actors around a room and around a channel share: the fan-outs that they tell once a turn, ticks, and sleep
/// where nobody is there. The supervisor of rooms is the parent of both.
template <class Handle>
class home_actor : public pinned_actor<Handle>, private turn_hook {
public:
  using pinned_actor<Handle>::enqueue;
  /// Whatever becomes of an operation from here on, it is answered.
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* from) override {
    stamp_letters(*what, letters_);
    pinned_actor<Handle>::enqueue(std::move(what), from);
  }

protected:
  home_actor(caf::actor_config& cfg, loop* home, local_node& owner, std::shared_ptr<const dead_letters> letters,
             std::shared_ptr<credit_gate> gate)
      : pinned_actor<Handle>(cfg, home)
      , node_(owner)
      , letters_(std::move(letters))
      , gate_(std::move(gate)) {}

  mono_ms now() const { return node_.mono_clock(); }
  wall_ms wall() const { return node_.wall_clock(); }

  // Fan-outs.

  void attach(std::uint32_t at, const fan_out_handle& fan) {
    fans_[at] = fan;
    ++attaches_;
    idle_since_ = 0;
  }

  /// Hands out what there is to tell.
  virtual void flush() = 0;

  /// What a step has led to leaves at the end of the turn, together with what other connections bring in it.
  void flush_at_turn_end() {
    if (this->home() == nullptr)
      return flush();
    if (kept_alive_ == nullptr) {
      kept_alive_ = caf::strong_actor_ptr{this->ctrl()};
      this->home()->at_turn_end(turn_stage::publish, *this);
    }
  }

  void hand_out(const room_news_ptr& news) {
    if (news == nullptr)
      return;
    for (const auto& [at, fan] : fans_) {
      if (this->home() != nullptr && at == this->home()->index())
        node_.fans[at]->take(*news); // a mailbox between two actors of one loop would only cost
      else
        caf::anon_send(fan, news);
    }
  }

  // Time.

  // A delayed message keeps its actor in memory, also one that has ended: none is under way for long, and none begins
  // once the end has been asked for.
  void schedule_tick(mono_ms at) {
    constexpr mono_ms wait_ms_max = 60'000;
    at = std::min(at, now() + wait_ms_max);
    if (retiring_ || (tick_at_ != 0 && tick_at_ <= at))
      return;
    tick_at_ = at;
    this->delayed_send(this, std::chrono::milliseconds{std::max<mono_ms>(at - now(), 1)}, tick_atom::value);
  }

  /// The same for what a home has to do next, if anything.
  void schedule_tick(std::optional<mono_ms> next) {
    constexpr mono_ms tick_ms_min = 10;
    if (next && (tick_at_ == 0 || *next < tick_at_))
      schedule_tick(std::max(*next, now() + tick_ms_min));
  }

  /// Whether a tick is one that was scheduled, or an earlier one has been served meanwhile.
  bool is_due(mono_ms at) {
    if (at < tick_at_)
      return false;
    tick_at_ = 0;
    return true;
  }

  // Sleep.

  /// Whether it is time to ask for the end: nobody has been here for `timeout` ms. Looks again when that may be so.
  /// @param populated whether there are members or subscribers
  /// @param busy whether something else keeps it awake
  bool has_idled(mono_ms at, mono_ms timeout, bool populated, bool busy) {
    if (populated || busy || !fans_.empty()) {
      idle_since_ = 0;
      if (!populated)
        schedule_tick(at + timeout);
      return false;
    }
    if (idle_since_ == 0)
      idle_since_ = at;
    if (at - idle_since_ < timeout) {
      schedule_tick(idle_since_ + timeout);
      return false;
    }
    return !std::exchange(retiring_, true);
  }

  /// @param snapshot raw JSON; empty for none
  void ask_to_retire(std::uint32_t id, const std::string& name, std::string snapshot = {}) {
    auto notice = std::make_shared<room_retiring>();
    notice->id = id;
    notice->name = name;
    notice->attaches = attaches_;
    notice->snapshot = std::move(snapshot);
    this->send(node_.rooms, std::shared_ptr<const room_retiring>{std::move(notice)});
  }

  /// The supervisor's answer.
  void retire(bool granted) {
    retiring_ = false;
    if (granted)
      this->quit();
    else
      schedule_tick(now());
  }

  local_node& node_;
  const std::shared_ptr<const dead_letters> letters_;
  const std::shared_ptr<credit_gate> gate_;
  std::unordered_map<std::uint32_t, fan_out_handle> fans_; ///< By loop.
  bool credit_wanted_ = false;                             ///< Somebody waits for credit that was given back.

private:
  void turn_ended() override {
    const auto keep = std::exchange(kept_alive_, nullptr);
    flush();
  }

  std::uint64_t attaches_ = 0;
  mono_ms tick_at_ = 0; ///< When the next tick message is due; 0: none under way.
  mono_ms idle_since_ = 0;
  bool retiring_ = false;
  caf::strong_actor_ptr kept_alive_; ///< While a turn's end is awaited.
};

} // namespace troupe
