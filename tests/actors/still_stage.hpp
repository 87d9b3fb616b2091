#pragma once

#include "actors/interfaces.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <algorithm>
#include <chrono>
#include <functional>

namespace troupe::testing {

/// An actor system without threads, whose time passes only where the test says so.
class still_stage {
  struct settings : caf::actor_system_config {
    settings() { set("scheduler.policy", caf::atom("testing")); }
  };

  settings settings_;

public:
  still_stage() : system(settings_), jobs(dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler())) {}
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
