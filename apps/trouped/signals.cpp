#include "apps/trouped/signals.hpp"

#include <cstdlib>
#include <pthread.h>
#include <utility>

namespace troupe::trouped {

namespace {

/// Ends the waiting thread: nobody else sends it.
constexpr int leave_signal = SIGUSR2;

sigset_t awaited() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, leave_signal})
    sigaddset(&set, number);
  return set;
}

} // namespace

void signal_thread::block() {
  const auto set = awaited();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

signal_thread::signal_thread(actions what)
    : what_(std::move(what))
    , waiter_([this] { run(); }) {}

signal_thread::~signal_thread() {
  pthread_kill(waiter_.native_handle(), leave_signal);
  waiter_.join();
  if (drainer_.joinable())
    drainer_.join();
}

void signal_thread::run() {
  const auto set = awaited();
  for (;;) {
    int number = 0;
    if (sigwait(&set, &number) != 0)
      continue;
    if (number == leave_signal)
      return;
    if (number == SIGHUP) {
      if (!drainer_.joinable())
        what_.reload();
    } else if (drainer_.joinable()) {
      std::_Exit(128 + number);
    } else {
      drainer_ = std::thread{what_.drain};
    }
  }
}

} // namespace troupe::trouped
