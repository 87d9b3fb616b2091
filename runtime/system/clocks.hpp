#pragma once

#include "runtime/model/ids.hpp"

#include <atomic>

namespace troupe {

/// A time of day that does not jump. Goes with a clock that only ever runs, and follows the system's time of day by at
/// most 1/16 of the time that has passed: small corrections at once, an hour in 16 hours. Safe from any thread.
class calm_clock {
public:
  /// @param wall the time of day at the moment `steady` of the clock that only runs
  calm_clock(wall_ms wall, mono_ms steady) noexcept
      : offset_(wall - steady)
      , looked_at_(steady) {}

  /// @param wall called now and then: what the system says
  template <class Wall>
  wall_ms at(mono_ms steady, Wall wall) noexcept {
    constexpr mono_ms interval_ms = 100;
    constexpr mono_ms parts = 16;
    auto before = looked_at_.load(std::memory_order_relaxed);
    if (steady - before >= interval_ms && looked_at_.compare_exchange_strong(before, steady)) {
      const auto step = (steady - before) / parts;
      const auto offset = offset_.load(std::memory_order_relaxed);
      const auto off_by = wall() - steady - offset;
      offset_.store(offset + (off_by < -step ? -step : off_by > step ? step : off_by), std::memory_order_relaxed);
    }
    return steady + offset_.load(std::memory_order_relaxed);
  }

private:
  std::atomic<std::int64_t> offset_;
  std::atomic<mono_ms> looked_at_;
};

/// What the system takes for the time of day: for what outsiders say about time, such as the expiry of a token.
wall_ms system_wall() noexcept;

/// The time of day of this process, as a `calm_clock` has it: for messages, their `ttl_ms`, and retention.
wall_ms calm_wall() noexcept;

} // namespace troupe
