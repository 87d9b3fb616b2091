#include "actors/supervisor.hpp"

#include <algorithm>
#include <chrono>
#include <exception>

namespace troupe {

supervisor::supervisor(caf::actor_config& cfg, supervisor_setup setup)
    : base(cfg)
    , setup_(std::move(setup))
    , plan_(setup_.settings, setup_.random) {
  for (std::size_t i = 0; i < setup_.children.size(); ++i)
    ids_.push_back(plan_.add(setup_.clock()));
}

supervisor_handle::behavior_type supervisor::make_behavior() {
  set_error_handler([](caf::error&) {});
  set_default_handler(caf::drop);
  set_exception_handler([this](std::exception_ptr& thrown) -> caf::error {
    std::string why = "the supervisor itself failed";
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& e) {
      why += std::string{": "} + e.what();
    } catch (...) {
      why += ": something that is no std::exception";
    }
    escalate(why);
    return caf::exit_reason::unhandled_exception;
  });
  set_down_handler([this](caf::down_msg& down) { escalate("a vital actor has ended: " + to_string(down.reason)); });
  for (const auto& actor : setup_.vital)
    monitor(caf::actor_cast<caf::actor>(actor));
  setup_.vital.clear();
  return {
      [this](failed_atom, const std::string& who, const std::string& why) {
        const auto at = std::find_if(setup_.children.begin(), setup_.children.end(),
                                     [&](const child_spec& c) { return c.name == who; });
        if (at != setup_.children.end())
          failed(ids_[static_cast<std::size_t>(at - setup_.children.begin())], why);
      },
      [this](restart_atom) { start_due(); },
      [this](drain_atom) {
        over_ = true;
        for (auto child = setup_.children.rbegin(); child != setup_.children.rend(); ++child)
          child->stop();
        quit();
        return true;
      },
  };
}

child_spec& supervisor::spec_of(supervision_plan::child_id child) {
  return setup_.children[static_cast<std::size_t>(std::find(ids_.begin(), ids_.end(), child) - ids_.begin())];
}

void supervisor::failed(supervision_plan::child_id child, const std::string& why) {
  if (over_ || !plan_.running(child))
    return;
  auto& spec = spec_of(child);
  const auto decision = plan_.failed(child, setup_.clock());
  if (decision.escalate)
    return escalate(spec.name + " failed too often: " + why);
  setup_.told(spec.name, why, false);
  spec.stop();
  for (const auto other : decision.stop) {
    spec_of(other).stop();
    plan_.stopped(other);
  }
  const auto delay = std::max<mono_ms>(decision.start_at - setup_.clock(), 0);
  delayed_send(this, std::chrono::milliseconds{delay}, restart_atom::value);
}

void supervisor::start_due() {
  if (over_)
    return;
  for (const auto child : plan_.take_due(setup_.clock())) {
    if (over_ || !plan_.running(child))
      continue; // one before it could not start, and has taken it along
    auto& spec = spec_of(child);
    try {
      spec.start();
      setup_.told(spec.name, {}, true);
    } catch (const std::exception& thrown) {
      failed(child, thrown.what());
    }
  }
  // The clock of the delay and the plan's may differ by a tick.
  if (const auto next = plan_.next_start())
    delayed_send(this, std::chrono::milliseconds{std::max<mono_ms>(*next - setup_.clock(), 1)}, restart_atom::value);
}

void supervisor::escalate(const std::string& why) {
  if (std::exchange(over_, true))
    return;
  for (auto child = setup_.children.rbegin(); child != setup_.children.rend(); ++child)
    child->stop();
  setup_.escalated(why);
  quit(caf::exit_reason::unhandled_exception);
}

} // namespace troupe
