#pragma once

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>

namespace troupe {

/// The window of a target, for example of a room: how many messages and bytes may be on their way to it.
/// Senders on any thread take, the target gives back what it has processed.
///
/// Messages, bytes and a mark that someone waits are one atomic word, so no wake-up is lost:
/// a `take` that fails sets the mark in the same step in which it sees the window full, and the next `give` both
/// makes room and takes the mark away, in one step, and returns it. Hence every failed `take` is followed by
/// a `give` that returns true, as long as anything is in flight. What is left to the user:
///
/// 1. A sender whose `take` failed parks its message and asks the target to be woken (a mailbox message, for example).
/// 2. A target for which `give` returned true wakes all who asked; they take again, and a failure marks anew.
/// 3. The request of step 1 may come after that `give`. So a target that receives it while `idle()`
///    is true, or while it has given since, wakes the asker at once; waking all with each `give` while the list of
///    askers is not empty does the same and is simpler.
///
/// Where the list of askers is shared memory instead of a mailbox, a sender that failed puts itself on it first and
/// then takes once more: either that succeeds, or it marks anew and a later `give` finds the asker on the list.
class credit_gate {
public:
  /// @param messages_max at least 1, less than 2^23
  /// @param bytes_max at least 1, less than 2^39
  credit_gate(std::size_t messages_max, std::size_t bytes_max) noexcept
      : messages_max_{messages_max}
      , bytes_max_{bytes_max} {
    assert(messages_max > 0 && messages_max < (std::size_t{1} << 23));
    assert(bytes_max > 0 && bytes_max < (std::size_t{1} << 39));
  }

  /// Takes credit for messages of together `bytes` bytes, or marks that someone waits. A message (or batch)
  /// larger than the whole window passes when nothing is in flight.
  bool take(std::size_t messages, std::size_t bytes) noexcept {
    auto seen = state_.load(std::memory_order_relaxed);
    for (;;) {
      auto ok = fits(seen, messages, bytes);
      auto wanted = ok ? seen + word(messages, bytes) : seen | waiting_bit;
      if (seen == wanted || state_.compare_exchange_weak(seen, wanted, std::memory_order_acq_rel))
        return ok;
    }
  }

  /// Takes credit even where there is none: for what was sent before the window was known.
  void take_anyway(std::size_t messages, std::size_t bytes) noexcept {
    state_.fetch_add(word(messages, bytes), std::memory_order_acq_rel);
  }

  /// Gives back what was taken.
  /// @returns whether someone's `take` failed since the last `give` that returned true
  bool give(std::size_t messages, std::size_t bytes) noexcept {
    auto seen = state_.load(std::memory_order_relaxed);
    for (;;) {
      assert(messages_of(seen) >= messages && bytes_of(seen) >= bytes);
      auto wanted = (seen & ~waiting_bit) - word(messages, bytes);
      if (state_.compare_exchange_weak(seen, wanted, std::memory_order_acq_rel))
        return (seen & waiting_bit) != 0;
    }
  }

  /// Nothing is in flight.
  bool idle() const noexcept { return (state_.load(std::memory_order_acquire) & ~waiting_bit) == 0; }
  std::size_t messages_in_flight() const noexcept { return messages_of(state_.load(std::memory_order_relaxed)); }
  std::size_t bytes_in_flight() const noexcept { return bytes_of(state_.load(std::memory_order_relaxed)); }

private:
  // Bit 63: someone waits; bits 40-62: messages; bits 0-39: bytes.
  static constexpr std::uint64_t waiting_bit = std::uint64_t{1} << 63;
  static constexpr std::uint64_t bytes_mask = (std::uint64_t{1} << 40) - 1;

  static constexpr std::uint64_t word(std::size_t messages, std::size_t bytes) noexcept {
    return (static_cast<std::uint64_t>(messages) << 40) + bytes;
  }
  static constexpr std::size_t messages_of(std::uint64_t w) noexcept { return (w & ~waiting_bit) >> 40; }
  static constexpr std::size_t bytes_of(std::uint64_t w) noexcept { return w & bytes_mask; }

  bool fits(std::uint64_t seen, std::size_t messages, std::size_t bytes) const noexcept {
    if (messages_of(seen) == 0)
      return true;
    return messages_of(seen) + messages <= messages_max_ && bytes_of(seen) + bytes <= bytes_max_;
  }

  const std::size_t messages_max_;
  const std::size_t bytes_max_;
  std::atomic<std::uint64_t> state_{0};
};

} // namespace troupe
