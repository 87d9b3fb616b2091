#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "runtime/system/scheduler.hpp"
#include "runtime/system/thread_sanitizer.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <chrono>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

struct settings : caf::actor_system_config {
  settings() {
    set("scheduler.max-threads", 2);
    module_factories.emplace_back(make_scheduler);
  }
};

using plain_actor = ordered_actor<caf::event_based_actor>;

/// Answers with one more.
struct adder final : plain_actor {
  using plain_actor::plain_actor;
  caf::behavior make_behavior() override {
    return {[](int n) { return n + 1; }};
  }
};

/// Promises an answer and never gives it.
struct silent_one final : plain_actor {
  using plain_actor::plain_actor;
  caf::behavior make_behavior() override {
    return {[this](int) { return make_response_promise<int>(); }};
  }
};

/// Tells somebody when nothing has come for a while.
struct watchful final : plain_actor {
  watchful(caf::actor_config& cfg, caf::actor tell)
      : plain_actor(cfg)
      , whom(std::move(tell)) {}
  caf::behavior make_behavior() override {
    return {[](int) {}, caf::after(5ms) >>
                            [this] {
                              send(whom, caf::atom("late"));
                              quit();
                            }};
  }
  caf::actor whom;
};

} // namespace

BOOST_AUTO_TEST_SUITE(scheduler_suite)

BOOST_AUTO_TEST_CASE(messages_with_a_delay_arrive) {
  settings how;
  caf::actor_system system{how};
  caf::scoped_actor self{system};
  self->delayed_send(self, 5ms, 7);
  int got = 0;
  self->receive([&](int n) { got = n; });
  BOOST_TEST(got == 7);
}

BOOST_AUTO_TEST_CASE(timeouts_fire_before_and_after_actors_without_any_have_ended) {
  settings how;
  caf::actor_system system{how};
  caf::scoped_actor self{system};
  for (int round = 0; round < 3; ++round) {
    const auto short_lived = system.spawn<adder>();
    self->request(short_lived, caf::infinite, round)
        .receive([&](int n) { BOOST_TEST(n == round + 1); }, [](const caf::error&) { BOOST_ERROR("no answer"); });
    self->send_exit(short_lived, caf::exit_reason::user_shutdown);
    self->wait_for(short_lived);

    const auto silent = system.spawn<silent_one>();
    bool timed_out = false;
    self->request(silent, 5ms, round)
        .receive([](int) { BOOST_ERROR("it never answers"); },
                 [&](const caf::error& e) { timed_out = e == caf::sec::request_timeout; });
    BOOST_TEST(timed_out);
    self->send_exit(silent, caf::exit_reason::user_shutdown);
  }
}

BOOST_AUTO_TEST_CASE(a_receive_timeout_fires_and_is_replaced) {
  settings how;
  caf::actor_system system{how};
  caf::scoped_actor self{system};
  const auto watched = system.spawn<watchful>(caf::actor{self});
  self->send(watched, 1);
  bool late = false;
  self->receive([&](caf::atom_value what) { late = what == caf::atom("late"); });
  BOOST_TEST(late);
}

BOOST_AUTO_TEST_SUITE_END()
