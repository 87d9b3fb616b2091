#pragma once

#include "actors/interfaces.hpp"
#include "runtime/model/restart.hpp"
#include "runtime/system/thread_sanitizer.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <functional>
#include <string>
#include <vector>

namespace troupe {

/// Something that a supervisor keeps running.
struct child_spec {
  std::string name;
  std::function<void()> start; ///< Throws std::exception where it cannot.
  std::function<void()> stop;  ///< Throws nothing; may be called on something that has failed.
};

/// What a supervisor is given.
struct supervisor_setup {
  supervision_settings settings;
  std::vector<child_spec> children;         ///< Running already, in the order of their start.
  std::vector<caf::strong_actor_ptr> vital; ///< Actors that nothing can replace: the end of one escalates.
  std::function<mono_ms()> clock;
  random_below random;
  /// A child failed and will be started again; or it has been.
  std::function<void(const std::string& child, const std::string& why, bool running)> told;
  /// Too many restarts, or a vital actor has ended: everything is stopped.
  std::function<void(const std::string& why)> escalated;
};

/// Starts children again as its plan says. Runs on the scheduler, where a start that takes its time disturbs no loop.
class supervisor : public ordered_actor<supervisor_handle::base> {
public:
  supervisor(caf::actor_config& cfg, supervisor_setup setup);

  using base = ordered_actor<supervisor_handle::base>;
  const char* name() const override { return "supervisor"; }
  supervisor_handle::behavior_type make_behavior() override;

private:
  void failed(supervision_plan::child_id child, const std::string& why);
  void start_due();
  void escalate(const std::string& why);
  child_spec& spec_of(supervision_plan::child_id child);

  supervisor_setup setup_;
  supervision_plan plan_;
  std::vector<supervision_plan::child_id> ids_; ///< As `setup_.children`.
  bool over_ = false;
};

} // namespace troupe
