#pragma once

#include "runtime/system/loop.hpp"
#include "runtime/system/thread_sanitizer.hpp"

#include <caf/actor_system.hpp>
#include <caf/execution_unit.hpp>
#include <caf/prohibit_top_level_spawn_marker.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <utility>

namespace troupe {

/// An actor that always runs on one loop, as CAF's brokers run on their multiplexer: whoever sends to it,
/// its messages are handled on the loop's thread, where it may touch that thread's sockets and its fellow
/// pinned actors without a lock. Without a loop it runs on CAF's scheduler like any other actor.
template <class Handle>
class pinned_actor : public ordered_actor<typename Handle::base>, public caf::prohibit_top_level_spawn_marker {
public:
  using base = ordered_actor<typename Handle::base>;

  pinned_actor(caf::actor_config& cfg, loop* home)
      : base(cfg)
      , home_(home) {}

  using base::enqueue;

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* from) override {
    base::enqueue(std::move(what), home_ == nullptr ? from : &home_->unit());
  }

  void launch(caf::execution_unit* from, bool lazy, bool hide) override {
    base::launch(home_ == nullptr ? from : &home_->unit(), lazy, hide);
  }

  caf::resumable::subtype_t subtype() const override {
    return home_ == nullptr ? base::subtype() : caf::resumable::io_actor;
  }

  /// The loop that it runs on; null on the scheduler.
  loop* home() const noexcept { return home_; }

private:
  loop* home_;
};

/// Spawns `Actor(cfg, home, args...)` on a loop, or on the scheduler where `home` is null. The lazy start
/// makes the actor's first message run `make_behavior`, on its own thread.
/// @tparam Options caf::hidden: the actor system does not wait for its end
template <class Actor, caf::spawn_options Options = caf::no_spawn_options, class... Args>
auto spawn_pinned(caf::actor_system& system, loop* home, Args&&... args) {
  caf::actor_config cfg{home == nullptr ? nullptr : &home->unit()};
  return system.template spawn_class<Actor, Options>(cfg, home, std::forward<Args>(args)...);
}

} // namespace troupe
