#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

/// Tells the service manager a state (sd_notify(3)), for example "READY=1". Does nothing where none listens.
void notify_service(const std::string& state) noexcept;

/// How often the service manager wants to hear that the process lives (WATCHDOG_USEC); 0: it does not ask.
std::chrono::microseconds watchdog_interval() noexcept;

/// Says "WATCHDOG=1" twice an interval, and only while every loop answers: a function that each loop got in the
/// last round has run. One loop that is stuck for an interval makes the service manager restart the process.
class watchdog {
public:
  /// Gives a loop something to run, from any thread.
  using post_function = std::function<void(std::function<void()>)>;

  /// Starts a thread of its own.
  /// @param interval above zero
  watchdog(std::chrono::microseconds interval, std::vector<post_function> loops);
  ~watchdog();
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe
