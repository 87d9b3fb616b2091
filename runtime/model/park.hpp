#pragma once

#include "runtime/model/ids.hpp"
#include "runtime/model/limits.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace troupe {

/// The messages of one connection that wait for credit of their targets (docs/guarantees.md, "Flow"). First in, first
/// out for each target; targets do not wait for one another. A message for a target that `holds`
/// must be added behind, even where there would be credit for it now.
/// @tparam T what waits, for example a `message_ptr`
/// @tparam Target what names a target; compared with ==
template <class T, class Target = std::uint32_t>
class park {
public:
  struct entry {
    Target target;
    T what;
    std::size_t bytes;
    mono_ms deadline;
  };

  explicit park(std::size_t messages_max = limits::park_messages_max,
                std::size_t bytes_max = limits::park_bytes_max) noexcept
      : messages_max_{messages_max}
      , bytes_max_{bytes_max} {}

  /// Adds a message at the end. The last one may pass the bound on bytes, so that nobody is left with a message
  /// in hand: stop reading as soon as `full()`.
  /// @returns false when the park was full already; then nothing was added
  bool add(Target target, T what, std::size_t bytes, mono_ms deadline) {
    if (full())
      return false;
    entries_.push_back({std::move(target), std::move(what), bytes, deadline});
    bytes_ += bytes;
    return true;
  }

  bool full() const noexcept { return entries_.size() >= messages_max_ || bytes_ >= bytes_max_; }
  bool empty() const noexcept { return entries_.empty(); }
  std::size_t size() const noexcept { return entries_.size(); }
  std::size_t bytes() const noexcept { return bytes_; }

  /// Whether something waits for this target.
  bool holds(const Target& target) const noexcept { return front(target) != nullptr; }

  /// The oldest that waits for this target, to ask for its credit first; null where nothing does.
  const entry* front(const Target& target) const noexcept {
    for (const auto& e : entries_)
      if (e.target == target)
        return &e;
    return nullptr;
  }

  /// Takes out the oldest that waits for this target.
  std::optional<entry> take_for(const Target& target) {
    auto it = std::find_if(entries_.begin(), entries_.end(), [&](const entry& e) { return e.target == target; });
    if (it == entries_.end())
      return std::nullopt;
    std::optional<entry> result{std::move(*it)};
    bytes_ -= result->bytes;
    entries_.erase(it);
    release_if_empty();
    return result;
  }

  /// Takes out all that wait for this target, oldest first: it is gone.
  std::vector<entry> take_all_for(const Target& target) {
    return take_if([&](const entry& e) { return e.target == target; });
  }

  /// Takes out all, oldest first: who sent them is gone.
  std::vector<entry> take_all() {
    return take_if([](const entry&) { return true; });
  }

  /// Takes out all whose deadline has passed, oldest first; their senders get `unavailable`.
  std::vector<entry> expired(mono_ms now) {
    return take_if([&](const entry& e) { return e.deadline <= now; });
  }

  /// When `expired` will next have something.
  std::optional<mono_ms> next_deadline() const noexcept {
    std::optional<mono_ms> result;
    for (const auto& e : entries_)
      if (!result || e.deadline < *result)
        result = e.deadline;
    return result;
  }

private:
  template <class P>
  std::vector<entry> take_if(P wanted) {
    std::vector<entry> result;
    std::vector<entry> rest;
    for (auto& e : entries_) {
      auto& to = wanted(e) ? result : rest;
      to.push_back(std::move(e));
    }
    entries_ = std::move(rest);
    for (const auto& e : result)
      bytes_ -= e.bytes;
    release_if_empty();
    return result;
  }

  /// Nearly all connections never park: one that has is not left with the memory.
  void release_if_empty() {
    if (entries_.empty())
      entries_ = std::vector<entry>{};
  }

  std::size_t messages_max_;
  std::size_t bytes_max_;
  std::vector<entry> entries_;
  std::size_t bytes_ = 0;
};

} // namespace troupe
