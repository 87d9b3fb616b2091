#pragma once

#include "runtime/model/ids.hpp"
#include "runtime/model/limits.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace troupe {

/// A token bucket: so many messages a second on average, and at most as many at once. Also counts how long
/// a sender has kept passing its limit, for 3029 (docs/protocol.md, "Errors and close codes").
class rate_meter {
public:
  /// @param per_second 0: no limit
  /// @param seconds_borne how many seconds in a row may have a message too many before it is hopeless
  explicit rate_meter(std::uint32_t per_second, std::size_t seconds_borne = limits::rate_limited_seconds_max) noexcept
      : per_second_{per_second}
      , seconds_borne_{seconds_borne}
      , thousandths_{std::int64_t{per_second} * 1000} {}

  /// Counts a message. @returns false where it is one too many
  bool allow(mono_ms now) noexcept {
    if (per_second_ == 0)
      return true;
    refill(now);
    if (thousandths_ >= 1000) {
      thousandths_ -= 1000;
      return true;
    }
    refused(now);
    return false;
  }

  /// How many seconds in a row, up to this one or the one before, had a message too many.
  std::uint32_t seconds_in_a_row_over(mono_ms now) const noexcept {
    return run_ != 0 && second_of(now) - last_over_ <= 1 ? run_ : 0;
  }

  /// Whether what was refused last was the first of its second.
  bool first_of_its_second() const noexcept { return first_of_second_; }

  /// Whether it is time for 3029.
  bool hopeless(mono_ms now) const noexcept { return seconds_in_a_row_over(now) > seconds_borne_; }

private:
  static std::int64_t second_of(mono_ms t) noexcept { return t >= 0 ? t / 1000 : (t - 999) / 1000; }

  void refill(mono_ms now) noexcept {
    if (!started_) {
      started_ = true;
      filled_at_ = now;
    }
    auto full = std::int64_t{per_second_} * 1000;
    auto passed = std::clamp<std::int64_t>(now - filled_at_, 0, 1000);
    thousandths_ = std::min(full, thousandths_ + passed * per_second_);
    filled_at_ = std::max(filled_at_, now);
  }

  void refused(mono_ms now) noexcept {
    auto second = second_of(now);
    first_of_second_ = run_ == 0 || second != last_over_;
    if (!first_of_second_)
      return;
    run_ = run_ != 0 && second == last_over_ + 1 ? run_ + 1 : 1;
    last_over_ = second;
  }

  std::uint32_t per_second_;
  std::size_t seconds_borne_;
  std::uint32_t run_ = 0;
  std::int64_t thousandths_; ///< Of a token.
  mono_ms filled_at_ = 0;
  std::int64_t last_over_ = 0; ///< The last second with a message too many.
  bool started_ = false;
  bool first_of_second_ = false;
};

/// Counts the `bad_message` errors of a connection: more than ten within a minute close it with 3503.
class bad_message_meter {
public:
  /// Counts one. @returns true where it is one too many
  bool one_too_many(mono_ms now) {
    std::erase_if(times_, [&](mono_ms t) { return now - t >= 60'000; });
    times_.push_back(now);
    return times_.size() > limits::bad_messages_per_minute_max;
  }

private:
  std::vector<mono_ms> times_; ///< Of the last minute; empty with nearly everybody.
};

} // namespace troupe
