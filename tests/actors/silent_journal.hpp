#pragma once

#include "actors/interfaces.hpp"
#include "actors/journal_traffic.hpp"
#include "runtime/system/thread_sanitizer.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <memory>
#include <string>

namespace troupe::testing {

/// Stands where a node's journal would, and hears nothing but what a test overrides.
class silent_journal : public ordered_actor<journal_handle::base> {
public:
  explicit silent_journal(caf::actor_config& cfg)
      : ordered_actor<journal_handle::base>(cfg) {}

  journal_handle::behavior_type make_behavior() final {
    return {[this](const std::shared_ptr<const channel_opening>& what, const log_client_handle& from) {
              opening(*what, from);
            },
            [this](const std::shared_ptr<const channel_entries>& what, const log_client_handle&) { entries(what); },
            [](commit_atom) {},
            [](const std::shared_ptr<const channel_reading>&, const log_client_handle&) {},
            [](tick_atom) {},
            [](forget_atom) {},
            [this](forget_atom, const std::string& subject, bool lasts) { forgotten(subject, lasts); }};
  }

protected:
  virtual void opening(const channel_opening&, const log_client_handle& /*from*/) {}
  virtual void entries(const std::shared_ptr<const channel_entries>&) {}
  virtual void forgotten(const std::string& /*subject*/, bool /*lasts*/) {}
};

} // namespace troupe::testing
