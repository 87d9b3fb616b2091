#include "apps/bench/micro.hpp"

#include "runtime/system/loop.hpp"
#include "runtime/system/pinned_actor.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/replies_to.hpp>
#include <caf/send.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>
#include <semaphore>
#include <string_view>

namespace troupe::bench {
namespace {

/// Takes how many hops are left.
using hop_handle = caf::typed_actor<caf::reacts_to<std::uint64_t>>;

/// Passes the count on to its partner, one less each time, and says when it is used up.
class hopper final : public pinned_actor<hop_handle> {
public:
  hopper(caf::actor_config& cfg, loop* home, std::binary_semaphore& finished)
      : pinned_actor(cfg, home)
      , done_(finished) {}

  /// Called before the first message is sent.
  void meet(hop_handle partner) { partner_ = std::move(partner); }

  behavior_type make_behavior() override {
    return {[this](std::uint64_t left) {
      if (left == 0)
        done_.release();
      else
        this->send(partner_, left - 1);
    }};
  }

  void on_exit() override { partner_ = nullptr; }

private:
  std::binary_semaphore& done_;
  hop_handle partner_;
};

double hop_between(caf::actor_system& system, loop& first, loop& second) {
  std::binary_semaphore done{0};
  const auto a = spawn_pinned<hopper>(system, &first, done);
  const auto b = spawn_pinned<hopper>(system, &second, done);
  caf::actor_cast<hopper*>(a)->meet(b);
  caf::actor_cast<hopper*>(b)->meet(a);
  const auto ns = nanoseconds_of([&](std::size_t n) {
    caf::anon_send(a, static_cast<std::uint64_t>(n));
    done.acquire();
  });
  caf::anon_send_exit(a, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(b, caf::exit_reason::user_shutdown);
  return ns;
}

} // namespace

void measure_mailboxes(std::string_view only) {
  constexpr std::string_view same = "mailbox hop between two actors of one loop";
  constexpr std::string_view other = "mailbox hop between actors of two loops";
  const bool same_wanted = same.find(only) != std::string_view::npos;
  const bool other_wanted = other.find(only) != std::string_view::npos;
  if (!same_wanted && !other_wanted)
    return;
  caf::actor_system_config config;
  config.set("scheduler.max-threads", 1);
  caf::actor_system system{config};
  {
    loop first{system, 0};
    loop second{system, 1};
    first.start();
    second.start();
    if (same_wanted)
      print_result(same, hop_between(system, first, first));
    if (other_wanted)
      print_result(other, hop_between(system, first, second));
    system.await_all_actors_done();
    first.stop();
    second.stop();
  }
}

} // namespace troupe::bench
