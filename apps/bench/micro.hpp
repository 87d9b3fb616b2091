#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>

namespace troupe::bench {

/// Keeps the compiler from leaving out what computes `value`.
template <class T>
inline void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

/// Prints one line of results: {"name":..,"ns":..}.
void print_result(std::string_view name, double ns);

/// Calls `batch(n)` with growing `n` until a call takes 0.2 s, then five times more.
/// @returns the fastest call's nanoseconds for one of its `n`
template <class Batch>
double nanoseconds_of(Batch batch) {
  using clock = std::chrono::steady_clock;
  const auto time = [&](std::size_t n) {
    const auto start = clock::now();
    batch(n);
    return std::chrono::duration<double, std::nano>{clock::now() - start}.count();
  };
  std::size_t n = 1000;
  double best = time(n);
  while (best < 2e8)
    best = time(n *= 2);
  for (int i = 0; i < 5; ++i) {
    const double again = time(n);
    best = again < best ? again : best;
  }
  return best / static_cast<double>(n);
}

/// Wire formats and messages. Runs those whose name contains `only`.
void measure_wire(std::string_view only);

/// Mailboxes of actors on loops. Runs those whose name contains `only`.
void measure_mailboxes(std::string_view only);

/// The event log: verifying against hashing alone. Runs where a name contains `only`.
void measure_log(std::string_view only);

/// A channel's log, read again. Runs those whose name contains `only`.
void measure_channels(std::string_view only);

/// All. @returns an exit status
int run_micro(std::string_view only);

} // namespace troupe::bench
