#pragma once

#include "actors/interfaces.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace troupe::testing {

/// Asks a room's supervisor for a room's report. (These are classes: CAF's actors from functions bind a null
/// reference, which sanitizers refuse.)
class asking final : public caf::event_based_actor {
public:
  using on_report = std::function<void(const std::shared_ptr<const room_report>&)>;
  asking(caf::actor_config& cfg, room_supervisor_handle whom, std::string room, on_report then)
      : caf::event_based_actor(cfg)
      , whom_(std::move(whom))
      , room_(std::move(room))
      , then_(std::move(then)) {}
  caf::behavior make_behavior() override {
    request(whom_, caf::infinite, describe_atom::value, room_).then(then_);
    return {};
  }

private:
  room_supervisor_handle whom_;
  std::string room_;
  on_report then_;
};

/// Lives until somebody ends it.
class idling final : public caf::event_based_actor {
public:
  using caf::event_based_actor::event_based_actor;
  caf::behavior make_behavior() override {
    return {[](int) {}};
  }
};

/// An actor system without threads, whose time passes only where the test says so.
class still_stage {
  struct settings : caf::actor_system_config {
    settings() { set("scheduler.policy", caf::atom("testing")); }
  };

  settings settings_;

public:
  still_stage()
      : system(settings_)
      , jobs(dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler())) {}
  ~still_stage() { settle(); }

  /// Lets everything happen that still would: delayed messages keep their receivers alive.
  void settle() {
    for (int i = 0; i < 1000 && (jobs.has_job() || jobs.has_pending_timeout()); ++i) {
      jobs.run();
      jobs.trigger_timeouts();
    }
  }

  void run() { jobs.run(); }
  /// Lets time pass, millisecond by millisecond where somebody waits.
  void pass(std::int64_t ms) {
    run();
    for (; ms > 0; --ms) {
      ++now_;
      jobs.advance_time(std::chrono::milliseconds{1});
      run();
    }
  }
  std::function<mono_ms()> clock() {
    return [this] { return now_; };
  }

  caf::actor_system system;
  caf::scheduler::test_coordinator& jobs;

private:
  mono_ms now_ = 1'000'000;
};

} // namespace troupe::testing
