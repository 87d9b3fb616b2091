#pragma once

#include "runtime/model/type_filter.hpp"

#include <atomic>
#include <mutex>
#include <string_view>

namespace troupe {

/// Which types a connection is sent, for its rooms, which run on other threads: what a room says to a single member it
/// picks by this, what it says to all is picked where it is handed out. Safe from any thread.
class subscription {
public:
  explicit subscription(const type_filter& now) { set(now); }

  void set(const type_filter& now) {
    std::lock_guard guard{lock_};
    filter_ = now;
    open_ = now.open();
  }
  /// Takes no lock where everything passes, as nearly always.
  bool passes(std::string_view type) const {
    if (open_)
      return true;
    std::lock_guard guard{lock_};
    return filter_.passes(type);
  }

private:
  mutable std::mutex lock_;
  std::atomic<bool> open_{true};
  type_filter filter_;
};

} // namespace troupe
