#pragma once

#include "runtime/model/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// A random number in [0, bound); bound is at least 1.
using random_below = std::function<std::uint64_t(std::uint64_t bound)>;

/// How delays are spread, so that what failed together does not return together ("Exponential Backoff And Jitter",
/// AWS Architecture Blog, 2015).
enum class jitter : std::uint8_t {
  none,
  full,  ///< Anything from 0 to the delay.
  equal, ///< Half of the delay, and anything up to the other half.
};

/// How long to wait before a restart.
struct backoff_settings {
  std::int64_t first_ms = 100; ///< Delay after the first failure.
  std::int64_t max_ms = 30'000;
  troupe::jitter jitter = troupe::jitter::equal;
};

/// Delays that double up to a cap.
class backoff {
public:
  explicit backoff(backoff_settings settings = {}) noexcept
      : settings_{settings} {}

  /// The delay after one more failure, milliseconds.
  std::int64_t next(const random_below& random);

  /// It works again: the next failure is a first one.
  void reset() noexcept { failures_ = 0; }

  std::uint32_t failures() const noexcept { return failures_; }

private:
  backoff_settings settings_;
  std::uint32_t failures_ = 0;
};

/// At most so many restarts in so long a time; past it the supervisor gives up and escalates.
class restart_intensity {
public:
  restart_intensity(std::size_t restarts_max, std::int64_t window_ms) noexcept
      : restarts_max_{restarts_max}
      , window_ms_{window_ms} {}

  /// Counts a restart. @returns false where it is one too many
  bool allow(mono_ms now);

private:
  std::size_t restarts_max_;
  std::int64_t window_ms_;
  std::vector<mono_ms> times_;
};

/// Who is restarted with a child that failed (as in Erlang/OTP's supervisor).
enum class strategy : std::uint8_t {
  one_for_one,  ///< The child alone.
  one_for_all,  ///< All children.
  rest_for_one, ///< The child and those that were started after it.
};

std::string_view to_string(strategy s) noexcept;

/// How a supervisor restarts, and when it gives up.
struct supervision_settings {
  troupe::strategy strategy = troupe::strategy::one_for_one;
  std::size_t restarts_max = 10;
  std::int64_t window_ms = 60'000;
  backoff_settings delays;
  /// A child that ran for so long has recovered: its delays begin anew.
  std::int64_t stable_ms = 30'000;
};

/// The decisions of a supervisor, without an actor: it is told what happened to the children and says what to stop,
/// what to start, and when. Children are known by numbers, in the order in which they were added, which is the order of
/// starting; stopping goes the other way round. Nothing is started while something is still stopping.
class supervision_plan {
public:
  using child_id = std::uint64_t;

  /// What to do about a failure.
  struct decision {
    bool escalate = false;      ///< Too many restarts: stop everything and fail. All else is empty then.
    std::vector<child_id> stop; ///< In this order; report each with `stopped`.
    mono_ms start_at = 0;       ///< When `take_due` will have the children, if all have stopped by then.
  };

  supervision_plan(supervision_settings settings, random_below random)
      : settings_{settings}
      , intensity_{settings.restarts_max, settings.window_ms}
      , random_{std::move(random)} {}

  /// Adds a child that was just started.
  child_id add(mono_ms now);

  /// A child ended as it should, or was taken away: it is not restarted.
  void remove(child_id child);

  /// A running child failed. One that is stopping counts as stopped; one that waits for its start, or is unknown,
  /// changes nothing.
  decision failed(child_id child, mono_ms now);

  /// A child that a decision had stopped is down.
  void stopped(child_id child);

  /// The children to start now, in this order; they count as running from here on. One whose start fails is
  /// reported with `failed`.
  std::vector<child_id> take_due(mono_ms now);

  /// When `take_due` will have something; nothing while nothing waits, or while something is still stopping.
  std::optional<mono_ms> next_start() const noexcept;

  std::size_t size() const noexcept { return children_.size(); }
  bool running(child_id child) const noexcept;

private:
  enum class phase : std::uint8_t { running, stopping, waiting };
  struct entry {
    child_id id;
    phase now;
    mono_ms started;  ///< While it runs.
    mono_ms start_at; ///< While it is stopping or waits.
    backoff delays;
  };

  std::vector<entry>::iterator find(child_id child) noexcept;
  bool any_stopping() const noexcept;

  supervision_settings settings_;
  restart_intensity intensity_;
  random_below random_;
  std::vector<entry> children_;
  child_id next_id_ = 1;
};

} // namespace troupe
