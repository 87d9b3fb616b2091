#pragma once

#include "runtime/model/ids.hpp"

#include <algorithm>
#include <cstdint>

namespace troupe {

/// A token bucket in bytes for a reader: it may read while it owes nothing, and what it has read it owes. At most one
/// second's bytes come at once, and one read more.
class byte_meter {
public:
  /// @param per_second 0: no limit
  explicit byte_meter(std::uint64_t per_second) noexcept
      : per_second_{static_cast<std::int64_t>(per_second)} {}

  void spend(std::uint64_t bytes, mono_ms now) noexcept {
    if (per_second_ == 0)
      return;
    refill(now);
    left_ -= static_cast<std::int64_t>(bytes);
  }

  /// How long to wait before the next read, milliseconds; 0: not at all.
  mono_ms wait_ms(mono_ms now) noexcept {
    if (per_second_ == 0)
      return 0;
    refill(now);
    return left_ > 0 ? 0 : 1 + -left_ * 1000 / per_second_;
  }

private:
  void refill(mono_ms now) noexcept {
    if (!started_) {
      started_ = true;
      filled_at_ = now;
      left_ = per_second_;
    }
    const auto passed = std::clamp<std::int64_t>(now - filled_at_, 0, 3'600'000);
    if (passed * per_second_ < 1000)
      return; // not a byte yet
    left_ = std::min(per_second_, left_ + passed * per_second_ / 1000);
    filled_at_ = now;
  }

  std::int64_t per_second_; ///< At most 1 TiB: an hour of it in milliseconds fits.
  std::int64_t left_ = 0;   ///< Less than 0: owed.
  mono_ms filled_at_ = 0;
  bool started_ = false;
};

} // namespace troupe
