#pragma once

#include <csignal>
#include <functional>
#include <thread>

namespace troupe {

class kernel;

/// What signals do to a program. Both run on threads of their own, so they may lock, allocate and block.
struct signal_actions {
  std::function<void()> drain;       ///< The first SIGINT or SIGTERM.
  std::function<void()> reload = {}; ///< Each SIGHUP before that. Empty: SIGHUP is left as it is.
};

/// Waits for signals: the first SIGINT or SIGTERM drains, a second one ends the process at once with 128 plus its
/// number, SIGHUP reloads. Make it before `kernel::start`: threads that are older than it take the signals themselves.
class signal_watch {
public:
  /// Holds the signals back until `begin`. Throws std::system_error where the system gives no descriptors.
  explicit signal_watch(signal_actions what);
  /// Waits for an action that is under way; the signals are then what they were before.
  ~signal_watch();
  signal_watch(const signal_watch&) = delete;
  signal_watch& operator=(const signal_watch&) = delete;

  /// Acts on signals from now on, those that have come already included. Called once, when the actions can be.
  void begin();

private:
  void run();

  signal_actions what_;
  sigset_t before_{};
  int signals_ = -1; ///< signalfd(2)
  int leave_ = -1;   ///< eventfd(2)
  std::thread drainer_;
  std::thread watcher_;
};

/// `kernel::run` for a program that has nothing else to do: SIGINT and SIGTERM drain it.
/// @returns what `kernel::wait` returns: the program's exit status
int run_until_signal(kernel& of);

} // namespace troupe
