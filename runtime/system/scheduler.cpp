#include "runtime/system/scheduler.hpp"

#include <caf/policy/work_sharing.hpp>
#include <caf/scheduler/coordinator.hpp>

#include <atomic>
#include <utility>

namespace troupe {
namespace {

/// Passes everything on to another clock, except for what concerns timeouts while nobody has ever set one. Messages
/// that are sent with a delay are no timeouts.
class quiet_clock final : public caf::detail::thread_safe_actor_clock {
public:
  explicit quiet_clock(caf::actor_clock& inner)
      : inner_(inner) {}

  time_point now() const noexcept override { return inner_.now(); }

  void set_ordinary_timeout(time_point at, caf::abstract_actor* whose, caf::atom_value type,
                            std::uint64_t id) override {
    used_ = true;
    inner_.set_ordinary_timeout(at, whose, type, id);
  }
  void set_multi_timeout(time_point at, caf::abstract_actor* whose, caf::atom_value type, std::uint64_t id) override {
    used_ = true;
    inner_.set_multi_timeout(at, whose, type, id);
  }
  void set_request_timeout(time_point at, caf::abstract_actor* whose, caf::message_id id) override {
    used_ = true;
    inner_.set_request_timeout(at, whose, id);
  }
  void cancel_ordinary_timeout(caf::abstract_actor* whose, caf::atom_value type) override {
    if (used_)
      inner_.cancel_ordinary_timeout(whose, type);
  }
  void cancel_request_timeout(caf::abstract_actor* whose, caf::message_id id) override {
    if (used_)
      inner_.cancel_request_timeout(whose, id);
  }
  void cancel_timeouts(caf::abstract_actor* whose) override {
    if (used_)
      inner_.cancel_timeouts(whose);
  }
  void schedule_message(time_point at, caf::strong_actor_ptr to, caf::mailbox_element_ptr what) override {
    inner_.schedule_message(at, std::move(to), std::move(what));
  }
  void schedule_message(time_point at, caf::group to, caf::strong_actor_ptr from, caf::message what) override {
    inner_.schedule_message(at, std::move(to), std::move(from), std::move(what));
  }
  void cancel_all() override { inner_.cancel_all(); }

private:
  caf::actor_clock& inner_;
  std::atomic<bool> used_{false};
};

class quiet_scheduler final : public caf::scheduler::coordinator<caf::policy::work_sharing> {
  using super = caf::scheduler::coordinator<caf::policy::work_sharing>;

public:
  using super::super;
  caf::detail::thread_safe_actor_clock& clock() noexcept override { return clock_; }

private:
  quiet_clock clock_{super::clock()};
};

} // namespace

caf::actor_system::module* make_scheduler(caf::actor_system& system) { return new quiet_scheduler{system}; }

} // namespace troupe
