#pragma once

#include <csignal>
#include <thread>

namespace troupe {

class kernel;

/// While it lives, the first SIGINT or SIGTERM drains the kernel, and a second one ends the process at once with 128
/// plus its number. Make it before `kernel::start`: threads that are older than it take the signals themselves.
class drain_on_signals {
public:
  /// Throws std::system_error where the system gives no descriptors.
  explicit drain_on_signals(kernel& of);
  /// Waits for a drain that is under way; the signals are then what they were before.
  ~drain_on_signals();
  drain_on_signals(const drain_on_signals&) = delete;
  drain_on_signals& operator=(const drain_on_signals&) = delete;

private:
  void watch();

  kernel& kernel_;
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
