#include "runtime/model/credit.hpp"

#include "tests/model/seeded.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <queue>
#include <thread>

using namespace troupe;

BOOST_AUTO_TEST_SUITE(credit_suite)

BOOST_AUTO_TEST_CASE(the_window_bounds_messages_and_bytes) {
  credit_gate gate{2, 100};
  BOOST_TEST(gate.take(1, 60));
  BOOST_TEST(!gate.take(1, 41));
  BOOST_TEST(gate.take(1, 40));
  BOOST_TEST(!gate.take(1, 0));
  BOOST_TEST(gate.messages_in_flight() == 2u);
  BOOST_TEST(gate.bytes_in_flight() == 100u);
}

BOOST_AUTO_TEST_CASE(a_failed_take_marks_until_the_next_give) {
  credit_gate gate{2, 100};
  BOOST_TEST(gate.take(1, 1));
  BOOST_TEST(gate.take(1, 1));
  BOOST_TEST(!gate.take(1, 1));
  BOOST_TEST(!gate.take(1, 1));
  BOOST_TEST(gate.give(1, 1));  // one for both
  BOOST_TEST(!gate.give(1, 1)); // nobody has failed since
  BOOST_TEST(gate.idle());
}

BOOST_AUTO_TEST_CASE(what_is_larger_than_the_window_passes_alone) {
  credit_gate gate{2, 100};
  BOOST_TEST(gate.take(5, 1'000'000));
  BOOST_TEST(!gate.take(1, 1));
  BOOST_TEST(gate.give(5, 1'000'000));
  BOOST_TEST(gate.take(1, 1));
  BOOST_TEST(!gate.take(1, 1'000'000));
}

namespace {

/// Two senders and a target on a thread each. A lost wake-up would leave a sender waiting for ever.
struct exchange {
  credit_gate gate{4, 1000};
  std::mutex lock;
  std::condition_variable changed;
  std::queue<std::size_t> arrived;
  std::uint64_t wakes = 0;

  bool send(std::size_t bytes) {
    if (!gate.take(1, bytes)) {
      std::unique_lock guard{lock};
      for (;;) {
        auto seen = wakes; // asks to be woken first, then takes again
        guard.unlock();
        auto taken = gate.take(1, bytes);
        guard.lock();
        if (taken)
          break;
        if (!changed.wait_for(guard, std::chrono::seconds{60}, [&] { return wakes != seen; }))
          return false;
      }
    }
    std::lock_guard guard{lock};
    arrived.push(bytes);
    changed.notify_all();
    return true;
  }

  void receive(std::size_t count, bool& within) {
    for (std::size_t i = 0; i < count; ++i) {
      std::unique_lock guard{lock};
      if (!changed.wait_for(guard, std::chrono::seconds{60}, [&] { return !arrived.empty(); })) {
        within = false;
        return;
      }
      auto bytes = arrived.front();
      arrived.pop();
      guard.unlock();
      within = within && gate.messages_in_flight() <= 4 && (gate.bytes_in_flight() <= 1000 || bytes > 1000);
      if (gate.give(1, bytes)) {
        guard.lock();
        ++wakes;
        changed.notify_all();
      }
    }
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(two_threads_never_lose_a_wake_up) {
  for_seeds(10, [](dice& random) {
    constexpr std::size_t each = 2000;
    exchange e;
    bool sent[2] = {true, true};
    bool within = true;
    auto run = [&e](bool& ok, std::uint64_t seed) {
      dice own{seed};
      for (std::size_t i = 0; i < each && ok; ++i)
        ok = e.send(own.once_in(50) ? 1 + own.below(3000) : 1 + own.below(500));
    };
    std::thread a{run, std::ref(sent[0]), random.below(1 << 30)};
    std::thread b{run, std::ref(sent[1]), random.below(1 << 30)};
    e.receive(2 * each, within);
    a.join();
    b.join();
    BOOST_TEST(sent[0]);
    BOOST_TEST(sent[1]);
    BOOST_TEST(within);
    BOOST_TEST(e.gate.idle());
  });
}

BOOST_AUTO_TEST_SUITE_END()
