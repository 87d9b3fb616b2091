#pragma once

#include "runtime/model/ids.hpp"
#include "runtime/model/limits.hpp"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {

/// The bounds of a history.
struct history_limits {
  std::size_t messages_max = limits::ring_messages_max;
  std::size_t bytes_max = limits::ring_bytes_max;
  std::int64_t age_ms_max = limits::ring_age_ms_max;
};

/// A bounded, ordered stream of one epoch: what a returning member is given. Says `recovered` only where nothing
/// after the asked position has been lost. Numbers rise and may skip, so it remembers the number of the newest
/// entry that it has let go instead of counting.
/// @tparam T what an entry holds; cheap to move
template <class T>
class history {
public:
  struct entry {
    std::uint64_t seq;
    std::size_t bytes;
    mono_ms at;
    T what;
  };

  /// What `since` found. The span is valid until the history changes.
  struct recovery {
    bool recovered = false;          ///< `missed` is all that came after the asked position.
    std::span<const entry> missed{}; ///< Empty where not recovered.
  };

  /// @param epoch of all entries
  /// @param last the number after which this history begins: 0 in a new epoch, the last seq after a hand-over
  explicit history(std::string epoch, std::uint64_t last = 0, history_limits bounds = {})
      : bounds_{bounds}
      , epoch_{std::move(epoch)}
      , last_{last}
      , lost_{last} {}

  /// Adds an entry. An entry beyond the bounds is let go at once, and truthfully counts as lost.
  /// Precondition: `seq` is higher than `last_seq()`.
  void push(std::uint64_t seq, std::size_t bytes, mono_ms now, T what) {
    assert(seq > last_);
    last_ = seq;
    entries_.push_back({seq, bytes, now, std::move(what)});
    bytes_ += bytes;
    trim(now);
  }

  /// Uses a number for something that nobody needs to recover.
  /// Precondition: `seq` is not lower than `last_seq()`.
  void skip_to(std::uint64_t seq) noexcept {
    assert(seq >= last_);
    last_ = seq;
  }

  /// What came after a position. Not recovered where the epoch differs, where something after it has been let go, and
  /// where the position lies ahead of everything that was ever numbered here.
  recovery since(std::string_view epoch, std::uint64_t seq, mono_ms now) {
    trim(now);
    if (epoch != epoch_ || seq < lost_ || seq > last_)
      return {};
    auto from = first_;
    auto to = entries_.size();
    while (from < to) { // the first entry with a higher number
      auto middle = from + (to - from) / 2;
      if (entries_[middle].seq <= seq)
        from = middle + 1;
      else
        to = middle;
    }
    return {true, std::span<const entry>{entries_}.subspan(from)};
  }

  /// @copydoc since
  recovery since(const position& at, mono_ms now) { return since(at.epoch, at.seq, now); }

  /// Lets go of what is too old.
  void trim(mono_ms now) {
    while (first_ < entries_.size() && beyond(entries_[first_], now))
      drop_first();
    if (first_ == entries_.size()) {
      entries_ = {}; // an idle room holds no memory
      first_ = 0;
    } else if (first_ >= 16 && first_ * 2 >= entries_.size()) {
      entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(first_));
      first_ = 0;
    }
  }

  /// Empties the entries that hold what `gone` says; their numbers stay, with a `T{}` that is given in their place.
  template <class F>
  void forget_if(F gone) {
    for (auto at = first_; at < entries_.size(); ++at) {
      auto& e = entries_[at];
      if (!gone(e.what))
        continue;
      bytes_ -= std::exchange(e.bytes, 0);
      e.what = T{};
    }
  }

  /// Begins a new epoch after `last`; nothing of the old one can be recovered any more.
  void restart(std::string epoch, std::uint64_t last = 0) {
    epoch_ = std::move(epoch);
    last_ = lost_ = last;
    entries_ = {};
    first_ = bytes_ = 0;
  }

  const std::string& epoch() const noexcept { return epoch_; }
  /// The highest number used so far.
  std::uint64_t last_seq() const noexcept { return last_; }
  /// The number of the newest entry that was let go; what came up to it cannot be recovered.
  std::uint64_t lost_seq() const noexcept { return lost_; }
  std::size_t size() const noexcept { return entries_.size() - first_; }
  std::size_t bytes() const noexcept { return bytes_; }
  /// All entries, oldest first; valid until the history changes.
  std::span<const entry> entries() const noexcept { return std::span<const entry>{entries_}.subspan(first_); }

private:
  bool beyond(const entry& oldest, mono_ms now) const noexcept {
    return size() > bounds_.messages_max || bytes_ > bounds_.bytes_max || now - oldest.at > bounds_.age_ms_max;
  }

  void drop_first() {
    auto& e = entries_[first_++];
    lost_ = e.seq;
    bytes_ -= e.bytes;
    e.what = T{};
  }

  history_limits bounds_;
  std::string epoch_;
  std::uint64_t last_;
  std::uint64_t lost_;
  std::size_t bytes_ = 0;
  std::size_t first_ = 0; ///< Entries before it are empty and wait for the next compaction.
  std::vector<entry> entries_;
};

} // namespace troupe
