#include "runtime/system/clocks.hpp"

#include <ctime>

namespace troupe {
namespace {

std::int64_t read_ms(clockid_t which) noexcept {
  timespec t{};
  ::clock_gettime(which, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1000 + t.tv_nsec / 1'000'000;
}

/// Runs on while the machine sleeps.
mono_ms steady() noexcept { return read_ms(CLOCK_BOOTTIME); }

} // namespace

wall_ms system_wall() noexcept { return read_ms(CLOCK_REALTIME); }

wall_ms calm_wall() noexcept {
  static calm_clock clock{system_wall(), steady()};
  return clock.at(steady(), &system_wall);
}

} // namespace troupe
