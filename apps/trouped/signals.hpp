#pragma once

#include <csignal>
#include <functional>
#include <thread>

namespace troupe::trouped {

/// Waits for signals on a thread of its own, so that what they start may lock and allocate. The first SIGTERM or
/// SIGINT drains, a second one ends the process at once with 128 + its number; SIGHUP reloads.
class signal_thread {
public:
  struct actions {
    std::function<void()> drain;  ///< Called once; may block.
    std::function<void()> reload; ///< Never called after `drain`.
  };

  /// Keeps these signals from the calling thread and from all that it starts later.
  static void block();

  explicit signal_thread(actions what);
  /// Waits for an action that is under way.
  ~signal_thread();
  signal_thread(const signal_thread&) = delete;
  signal_thread& operator=(const signal_thread&) = delete;

private:
  void run();

  actions what_;
  std::thread drainer_;
  std::thread waiter_;
};

} // namespace troupe::trouped
