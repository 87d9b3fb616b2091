#include "runtime/system/loop.hpp"

#include "runtime/system/clocks.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <caf/actor_system.hpp>
#include <caf/execution_unit.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <array>
#include <cerrno>
#include <ctime>
#include <deque>
#include <mutex>
#include <pthread.h>
#include <string>
#include <sys/eventfd.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace troupe {
namespace {

constexpr std::size_t messages_per_resume_max = 256;
constexpr std::size_t actor_runs_per_turn_max = 4096; // then sockets get their turn
constexpr std::size_t wheel_slots = 1024;
constexpr mono_ms wheel_tick_ms = 50;
constexpr std::size_t stages = 3;
constexpr std::size_t used_bytes = 320; // of a hook and of what it uses: a connection's egress, link and socket

std::int64_t read_clock(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1'000'000;
}

int make_bell() {
  const int made = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (made < 0)
    throw std::system_error{errno, std::generic_category(), "eventfd"};
  return made;
}

thread_local const void* current_loop = nullptr;

} // namespace

struct loop::impl final : caf::execution_unit {
  struct queued_hook {
    turn_hook* hook;
    used_memory uses;

    void fetch() const noexcept {
      fetch_early(hook, used_bytes);
      for (const auto* also : uses)
        if (also != nullptr)
          fetch_early(also, used_bytes);
    }
  };

  impl(caf::actor_system& system, std::size_t number)
      : execution_unit(&system)
      , index(number)
      , ticker(io)
      , work(asio::make_work_guard(io))
      , bell(io, make_bell()) {
    hear_bell();
  }

  bool on_thread() const noexcept { return current_loop == this; }

  // Takes over the reference that the actor's enqueue has added for this job.
  void exec_later(caf::resumable* job) override {
    if (job->subtype() != caf::resumable::io_actor) {
      system().scheduler().enqueue(job);
      return;
    }
    if (on_thread()) {
      ready.push_back(job);
      open_turn();
      return;
    }
    hand_over(inbox, job);
  }

  void post(std::function<void()> f) {
    if (on_thread())
      asio::post(io, std::move(f));
    else
      hand_over(posted, std::move(f));
  }

  /// From another thread. What came before this ring is heard with it or before it; functions that come with messages
  /// run before the actors do, unless a turn is open already.
  template <class T>
  void hand_over(std::vector<T>& to, T what) {
    bool first = false;
    {
      std::lock_guard guard{inbox_lock};
      to.push_back(std::move(what));
      first = !std::exchange(rung, true);
    }
    if (first)
      ring();
  }

  // -- the bell: how other threads wake this one. Not asio::post: that wakes with Asio's lock held, so that a thread
  // that wakes on the same core only finds it locked, and both are switched to and fro once more.

  void ring() noexcept {
    const std::uint64_t once = 1;
    [[maybe_unused]] const auto written =
        ::write(bell.native_handle(), &once, sizeof once); // fails only where it has rung 2^64 times
  }

  void hear_bell() {
    bell.async_read_some(asio::buffer(&rings, sizeof rings),
                         [this](const boost::system::error_code& failed, std::size_t) {
                           if (failed)
                             return;
                           take_posted();
                           hear_bell();
                         });
  }

  void take_posted() {
    std::vector<std::function<void()>> functions;
    {
      std::lock_guard guard{inbox_lock};
      rung = false;
      functions.swap(posted);
    }
    for (auto& f : functions)
      asio::post(io, std::move(f));
    open_turn(); // for the inbox
  }

  // A posted handler runs after all that the reactor has reported so far: that is the end of a turn.
  void open_turn() {
    if (turn_open)
      return;
    turn_open = true;
    asio::post(io, [this] { end_turn(); });
  }

  void end_turn() {
    wall_cache = 0;
    take_inbox();
    std::size_t budget = actor_runs_per_turn_max;
    while (run_actors(budget) && run_next_stage()) {
    }
    turn_open = false;
    if (!ready.empty())
      open_turn();
  }

  void take_inbox() {
    std::lock_guard guard{inbox_lock};
    ready.insert(ready.end(), inbox.begin(), inbox.end());
    inbox.clear();
  }

  bool run_actors(std::size_t& budget) {
    while (!ready.empty()) {
      if (budget-- == 0) {
        budget = 0;
        return false;
      }
      caf::resumable* job = ready.front();
      ready.pop_front();
      switch (job->resume(this, messages_per_resume_max)) {
      case caf::resumable::resume_later:
        ready.push_back(job);
        break;
      default:
        caf::intrusive_ptr_release(job);
      }
    }
    return true;
  }

  // The hooks of the earliest stage that has any; false when none is left.
  bool run_next_stage() {
    for (auto& waiting : hooks) {
      if (waiting.empty())
        continue;
      running.swap(waiting); // what a hook queues is for the next round
      for (std::size_t i = 0; i < running.size(); ++i) {
        if (i + 1 < running.size())
          running[i + 1].fetch();
        turn_hook& hook = *running[i].hook;
        hook.queued_ = false;
        hook.turn_ended();
      }
      running.clear();
      return true;
    }
    return false;
  }

  // -- timers: a hashed wheel (Varghese and Lauck, 1987); a timer beyond a revolution stays in its slot.

  static loop_timer*& head_of(std::array<loop_timer*, wheel_slots>& slots, mono_ms due) {
    return slots[static_cast<std::size_t>(due / wheel_tick_ms) % wheel_slots];
  }

  void tick() {
    const mono_ms now = read_clock(CLOCK_MONOTONIC);
    const mono_ms last = now / wheel_tick_ms;
    const mono_ms first = std::max(wheel_at, last - static_cast<mono_ms>(wheel_slots) + 1);
    wheel_at = last; // up to and including the previous tick's slots is done afterwards
    for (mono_ms at = first; at < last; ++at)
      fire_slot(static_cast<std::size_t>(at) % wheel_slots, now);
    ticking = false;
    start_ticking();
  }

  // A timer that fires may arm or cancel any other, so the due ones move to a list of their own first.
  void fire_slot(std::size_t slot, mono_ms now) {
    loop_timer* kept = nullptr;
    loop_timer* timer = slots[slot];
    slots[slot] = nullptr;
    while (timer != nullptr) {
      loop_timer* next = timer->next_;
      loop_timer*& list = timer->due_ <= now ? due : kept;
      timer->next_ = list;
      timer->prev_ = timer; // stands for "in a list"; fixed below
      list = timer;
      timer = next;
    }
    slots[slot] = kept;
    relink(slots[slot]);
    relink(due);
    while (due != nullptr) {
      loop_timer* next_due = due;
      unlink(*next_due, due);
      next_due->fired();
    }
  }

  static void relink(loop_timer* head) {
    loop_timer* previous = nullptr;
    for (loop_timer* t = head; t != nullptr; t = t->next_) {
      t->prev_ = previous == nullptr ? t : previous; // the head points to itself: armed, nothing before it
      previous = t;
    }
  }

  void unlink(loop_timer& t, loop_timer*& head) {
    if (t.next_ != nullptr)
      t.next_->prev_ = t.prev_ == &t ? t.next_ : t.prev_;
    if (t.prev_ == &t)
      head = t.next_;
    else
      t.prev_->next_ = t.next_;
    t.prev_ = t.next_ = nullptr;
    --timers;
  }

  void start_ticking() {
    if (ticking || timers == 0)
      return;
    ticking = true;
    ticker.expires_after(std::chrono::milliseconds{wheel_tick_ms});
    ticker.async_wait([this](const boost::system::error_code& failed) {
      if (!failed)
        tick();
    });
  }

  std::size_t index;
  asio::io_context io{1};
  asio::steady_timer ticker;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  asio::posix::stream_descriptor bell; ///< An eventfd.
  std::uint64_t rings = 0;
  std::thread thread;

  std::deque<caf::resumable*> ready;
  bool turn_open = false;
  std::array<std::vector<queued_hook>, stages> hooks;
  std::vector<queued_hook> running;
  wall_ms wall_cache = 0;

  std::mutex inbox_lock;
  std::vector<caf::resumable*> inbox;
  std::vector<std::function<void()>> posted;
  bool rung = false; ///< And not heard yet.

  std::array<loop_timer*, wheel_slots> slots{};
  loop_timer* due = nullptr;
  mono_ms wheel_at = read_clock(CLOCK_MONOTONIC) / wheel_tick_ms;
  std::size_t timers = 0;
  bool ticking = false;
};

loop_timer::~loop_timer() {
  if (armed() && wheel_ != nullptr)
    wheel_->disarm(*this);
}

loop::loop(caf::actor_system& system, std::size_t index)
    : impl_(std::make_unique<impl>(system, index)) {}

loop::~loop() {
  stop();
  for (auto* job : impl_->ready)
    caf::intrusive_ptr_release(job);
  for (auto* job : impl_->inbox)
    caf::intrusive_ptr_release(job);
}

void loop::start() {
  impl_->thread = std::thread{[this] {
    current_loop = impl_.get();
    pthread_setname_np(pthread_self(), ("loop-" + std::to_string(impl_->index)).c_str());
    impl_->io.run();
    current_loop = nullptr;
  }};
}

void loop::stop() {
  if (!impl_->thread.joinable())
    return;
  impl_->work.reset();
  impl_->io.stop();
  impl_->thread.join();
}

std::size_t loop::index() const noexcept { return impl_->index; }

bool loop::on_thread() const noexcept { return impl_->on_thread(); }

asio::io_context& loop::io() noexcept { return impl_->io; }

caf::execution_unit& loop::unit() noexcept { return *impl_; }

void loop::post(std::function<void()> f) { impl_->post(std::move(f)); }

void loop::queue(turn_stage stage, turn_hook& hook, const used_memory& uses) {
  hook.queued_ = true;
  impl_->hooks[static_cast<std::size_t>(stage)].push_back({&hook, uses});
  impl_->open_turn();
}

void loop::arm(loop_timer& timer, mono_ms delay) {
  disarm(timer);
  timer.wheel_ = this;
  timer.due_ = read_clock(CLOCK_MONOTONIC) + std::max<mono_ms>(delay, 0);
  loop_timer*& head = impl::head_of(impl_->slots, timer.due_);
  timer.next_ = head;
  timer.prev_ = &timer;
  if (head != nullptr)
    head->prev_ = &timer;
  head = &timer;
  ++impl_->timers;
  impl_->start_ticking();
}

void loop::disarm(loop_timer& timer) noexcept {
  if (!timer.armed())
    return;
  // The head of a list points to itself, so the list can be told from the timer alone, but for the due list.
  loop_timer*& slot = impl::head_of(impl_->slots, timer.due_);
  impl_->unlink(timer, impl_->due == &timer ? impl_->due : slot);
}

mono_ms loop::now() const noexcept { return read_clock(CLOCK_MONOTONIC_COARSE); }

wall_ms loop::wall() const noexcept {
  if (impl_->wall_cache == 0 || !impl_->turn_open)
    impl_->wall_cache = calm_wall();
  return impl_->wall_cache;
}

} // namespace troupe
