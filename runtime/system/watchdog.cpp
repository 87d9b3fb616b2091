#include "runtime/system/watchdog.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <systemd/sd-daemon.h>
#include <thread>

namespace troupe {

void notify_service(const std::string& state) noexcept { sd_notify(0, state.c_str()); }

std::chrono::microseconds watchdog_interval() noexcept {
  std::uint64_t usec = 0;
  return std::chrono::microseconds{sd_watchdog_enabled(0, &usec) > 0 ? usec : 0};
}

struct watchdog::impl {
  std::vector<post_function> loops;
  /// Loops that have not answered this round; shared with what was posted, which may run after we are gone.
  std::shared_ptr<std::atomic<std::size_t>> unanswered = std::make_shared<std::atomic<std::size_t>>(0);
  std::mutex lock;
  std::condition_variable wake;
  bool stopping = false;
  std::thread thread;

  void ask() {
    unanswered = std::make_shared<std::atomic<std::size_t>>(loops.size());
    for (const auto& post : loops)
      post([counter = unanswered] { counter->fetch_sub(1, std::memory_order_acq_rel); });
  }

  void run(std::chrono::microseconds step) {
    ask();
    std::unique_lock guard{lock};
    while (!wake.wait_for(guard, step, [&] { return stopping; })) {
      // A round that is still open is waited for: asking again would only lengthen the queue of a stuck loop.
      if (unanswered->load(std::memory_order_acquire) != 0)
        continue;
      notify_service("WATCHDOG=1");
      ask();
    }
  }
};

watchdog::watchdog(std::chrono::microseconds interval, std::vector<post_function> loops)
    : impl_(std::make_unique<impl>()) {
  impl_->loops = std::move(loops);
  impl_->thread = std::thread{[this, interval] { impl_->run(interval / 2); }};
}

watchdog::~watchdog() {
  {
    const std::lock_guard guard{impl_->lock};
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
}

} // namespace troupe
