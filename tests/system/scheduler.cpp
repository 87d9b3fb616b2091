#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "runtime/system/scheduler.hpp"

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
    const auto short_lived =
        system.spawn([](caf::event_based_actor*) { return caf::behavior{[](int n) { return n + 1; }}; });
    self->request(short_lived, caf::infinite, round)
        .receive([&](int n) { BOOST_TEST(n == round + 1); }, [](const caf::error&) { BOOST_ERROR("no answer"); });
    self->send_exit(short_lived, caf::exit_reason::user_shutdown);
    self->wait_for(short_lived);

    const auto silent = system.spawn([](caf::event_based_actor* me) {
      return caf::behavior{[me](int) { return me->make_response_promise<int>(); }};
    });
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
  const caf::actor watched = system.spawn([whom = caf::actor{self}](caf::event_based_actor* me) {
    return caf::behavior{[](int) {}, caf::after(5ms) >>
                                         [me, whom] {
                                           me->send(whom, caf::atom("late"));
                                           me->quit();
                                         }};
  });
  self->send(watched, 1);
  bool late = false;
  self->receive([&](caf::atom_value what) { late = what == caf::atom("late"); });
  BOOST_TEST(late);
}

BOOST_AUTO_TEST_SUITE_END()
