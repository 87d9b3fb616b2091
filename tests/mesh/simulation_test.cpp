#include "tests/mesh/cluster.hpp"

#include <algorithm>

// Nodes as they are decide in a simulated world: a clock, links and processes that a seed lets fail. At every moment
// `witness` and `cluster::require_one_home` hold what happens against what is promised.
//
// A failure prints its seed: TROUPE_TEST_SEED=N runs it alone, and TROUPE_TEST_TRACE=1 tells its story.

using namespace troupe;

namespace {

/// Waits until all act by one view. @returns after how long, in virtual milliseconds
mono_ms settle(cluster& c, mono_ms ms_max = 10'000) {
  const auto since = c.days.now();
  while (!c.agree() && c.days.now() - since < ms_max)
    c.run_for(50);
  BOOST_TEST_REQUIRE(c.agree());
  return c.days.now() - since;
}

std::size_t some_nodes(dice& random) { return 3 + random.below(6); }

/// Of the seeds of a case, those that are tried: a tenth under sanitizers, which make each some ten times as long.
constexpr std::uint64_t some_of(std::uint64_t seeds) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return (seeds + 9) / 10;
#else
  return seeds;
#endif
}

/// Messages that rooms refused, and losses that fan-outs were told of.
std::uint64_t troubles(const cluster& c) {
  std::uint64_t count = 0;
  for (const auto* p : c.alive()) {
    count += p->refused;
    for (const auto& [room, listener] : p->listeners)
      count += listener.losses();
  }
  return count;
}

} // namespace

BOOST_AUTO_TEST_SUITE(simulation)

BOOST_AUTO_TEST_CASE(whatever_fails_the_promises_hold_and_all_is_well_after_healing) {
  for_seeds(some_of(200), [](dice& random) {
    cluster c{random, some_nodes(random), 5};
    c.run_for(static_cast<mono_ms>(random.below(8'000)));
    for (auto faults = 5 + random.below(20); faults > 0; --faults) {
      c.any_fault();
      c.run_for(static_cast<mono_ms>(random.below(3'000)));
    }
    c.heal();
    c.run_for(7'000);
    c.publishers_busy = c.fan_outs_busy = false;
    c.run_for(2'000);
    BOOST_TEST_REQUIRE(c.all_rooms_answer(1'000));
    c.require_agreement();
    BOOST_TEST_REQUIRE(c.sees.messages() > 100u);
  });
}

BOOST_AUTO_TEST_CASE(all_rooms_answer_within_5_s_of_a_crash) {
  for_seeds(some_of(60), [](dice& random) {
    cluster c{random, some_nodes(random), 12};
    c.fan_outs_busy = false;
    settle(c);
    c.run_for(static_cast<mono_ms>(random.below(3'000)));
    for (auto crashes = 1 + random.below(2); crashes > 0; --crashes)
      c.crash(random.below(c.processes.size()));
    c.run_for(4'500);
    BOOST_TEST_REQUIRE(c.agree());
    BOOST_TEST_REQUIRE(c.all_rooms_answer(500));
  });
}

BOOST_AUTO_TEST_CASE(all_rooms_answer_within_10_s_of_a_freeze) {
  for_seeds(some_of(30), [](dice& random) {
    cluster c{random, some_nodes(random), 12};
    c.fan_outs_busy = false;
    settle(c);
    c.run_for(static_cast<mono_ms>(random.below(3'000)));
    const auto one = random.below(c.processes.size());
    c.freeze(one, static_cast<mono_ms>(random.once_in(2) ? random.below(5'000) : 10'001 + random.below(20'000)));
    c.run_for(9'500);
    BOOST_TEST_REQUIRE(c.all_rooms_answer(500));
    c.heal();
    c.run_for(9'000);
    BOOST_TEST_REQUIRE(c.all_rooms_answer(1'000));
    c.publishers_busy = false;
    c.run_for(1'000);
    c.require_agreement();
  });
}

// It has agreed to seal what moves, and does not get to it: the new home begins anew before it wakes up.
BOOST_AUTO_TEST_CASE(a_home_that_is_stopped_while_its_rooms_move_takes_nothing_when_it_goes_on) {
  for_seeds(some_of(100), [](dice& random) {
    cluster c{random, 3 + random.below(3), 12};
    settle(c);
    const auto one = random.below(c.processes.size());
    const auto other = (one + 1 + random.below(c.processes.size() - 1)) % c.processes.size();
    c.leave(one);
    const auto agreed_to = c.processes[other]->mesh.views().installed().id;
    for (int ms = 0; ms < 5'000 && c.processes[other]->mesh.views().installed().id == agreed_to; ++ms)
      c.run_for(1);
    BOOST_TEST_REQUIRE((c.processes[other]->mesh.views().installed().id > agreed_to));
    c.run_for(static_cast<mono_ms>(random.below(20)));
    c.freeze(other, 1'500 + static_cast<mono_ms>(random.below(6'000)));
    c.run_for(9'000);
    c.heal();
    c.run_for(9'000);
    BOOST_TEST_REQUIRE(c.agree());
  });
}

BOOST_AUTO_TEST_CASE(who_comes_and_goes_in_order_loses_nothing) {
  for_seeds(some_of(60), [](dice& random) {
    cluster c{random, some_nodes(random), 12};
    c.fan_outs_busy = false;
    settle(c);
    c.run_for(3'000);
    const auto before = troubles(c);
    const auto epochs = c.sees.epochs();
    const auto from_the_start = c.alive();
    c.said.clear();
    for (int i = 0; i < 4; ++i) {
      const auto one = random.below(c.processes.size());
      if (c.processes[one] == nullptr)
        c.start(one);
      else if (c.staying() > 1)
        c.leave(one);
      c.run_for(static_cast<mono_ms>(random.below(4'000)));
    }
    c.publishers_busy = false;
    c.run_for(6'000);
    BOOST_TEST_REQUIRE(c.agree());
    for (const auto* p : c.alive())
      BOOST_TEST_REQUIRE(!p->leaving);
    BOOST_TEST_REQUIRE(troubles(c) == before);
    BOOST_TEST_REQUIRE(c.sees.epochs() == epochs);
    for (const auto* p : from_the_start)
      if (c.processes[p->machine].get() == p)
        for (const auto& [room, listener] : p->listeners)
          for (const auto& [where, what] : c.said)
            if (where == room)
              witness::require(listener.has(what), "nothing is lost", p->mesh.self().name + ' ' + room + ' ' + what);
  });
}

BOOST_AUTO_TEST_CASE(with_half_a_link_one_of_two_is_left_out_and_the_rest_goes_on) {
  for_seeds(some_of(40), [](dice& random) {
    cluster c{random, some_nodes(random), 8};
    c.fan_outs_busy = false;
    settle(c);
    const auto one = random.below(c.processes.size());
    const auto other = (one + 1 + random.below(c.processes.size() - 1)) % c.processes.size();
    c.net.cut(one, other, 0);
    c.run_for(8'000);
    std::size_t ready = 0;
    for (const auto* p : c.alive())
      ready += p->mesh.ready() ? 1 : 0;
    BOOST_TEST_REQUIRE(ready + 1 == c.processes.size());
    BOOST_TEST_REQUIRE(c.processes[std::min(one, other)]->mesh.ready());
    BOOST_TEST_REQUIRE(c.all_rooms_answer(500));
  });
}

BOOST_AUTO_TEST_CASE(two_sides_of_a_split_serve_each_its_own_and_become_one) {
  for_seeds(some_of(40), [](dice& random) {
    cluster c{random, some_nodes(random), 8};
    settle(c);
    const auto half = 1 + random.below(c.processes.size() - 1);
    std::set<std::size_t> side;
    while (side.size() < half)
      side.insert(random.below(c.processes.size()));
    c.split(side, static_cast<mono_ms>(random.below(1'000)));
    c.run_for(8'000);
    for (const auto* p : c.alive()) {
      BOOST_TEST_REQUIRE(p->mesh.ready());
      BOOST_TEST_REQUIRE(p->mesh.views().active()->members.size() ==
                         (side.contains(p->machine) ? half : c.processes.size() - half));
    }
    c.heal();
    c.run_for(8'000);
    c.publishers_busy = c.fan_outs_busy = false;
    c.run_for(1'000);
    BOOST_TEST_REQUIRE(c.all_rooms_answer(1'000));
    c.require_agreement();
  });
}

BOOST_AUTO_TEST_CASE(two_hundred_flaps_of_a_link_leave_nothing_behind) {
  for_seeds(some_of(1), [](dice& random) {
    cluster c{random, 4, 6};
    settle(c);
    c.run_for(300'000); // the roster's list of changes is full
    const auto entries = [&] {
      c.publishers_busy = c.fan_outs_busy = false;
      c.run_for(10'000);
      for (const auto* p : c.alive()) {
        while (!p->connections.empty())
          c.processes[p->machine]->disconnect(p->connections.begin()->first);
        for (const auto& room : c.rooms)
          c.processes[p->machine]->follow(room);
      }
      c.run_for(5'000);
      std::size_t sum = 0;
      for (const auto* p : c.alive())
        sum += p->mesh.entries();
      c.publishers_busy = c.fan_outs_busy = true;
      return sum;
    };
    const auto before = entries();
    for (int flap = 0; flap < 200; ++flap) {
      c.cut_both(0, 1 + random.below(3), static_cast<mono_ms>(random.below(1'000)));
      c.run_for(500 + static_cast<mono_ms>(random.below(4'000)));
      c.net.heal_all();
      c.run_for(500 + static_cast<mono_ms>(random.below(3'000)));
    }
    c.heal();
    c.run_for(10'000);
    const auto after = entries();
    BOOST_TEST_REQUIRE(after * 100 <= before * 105);
    c.fan_outs_busy = false;
    BOOST_TEST_REQUIRE(c.all_rooms_answer(1'000));
  });
}

BOOST_AUTO_TEST_SUITE_END()
