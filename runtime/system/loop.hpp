#pragma once

#include "runtime/model/ids.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace caf {
class actor_system;
class execution_unit;
class resumable;
} // namespace caf

namespace troupe {

class loop;

/// Something that wants to run once when the current turn of its loop ends; queueing it twice in a turn runs it once.
/// Must not be destroyed while queued.
class turn_hook {
public:
  virtual ~turn_hook() = default;
  virtual void turn_ended() = 0;

private:
  friend class loop;
  bool queued_ = false;
};

/// Where the memory begins that a hook will use besides its own; null: nowhere. The loop has it fetched while the hook
/// before runs, since thousands of connections do not stay in the processor's caches from turn to turn.
using used_memory = std::array<const void*, 2>;

/// Has the cache lines of an object fetched that is about to be used.
/// @param bytes how much of it, from its beginning
inline void fetch_early(const void* object, std::size_t bytes) noexcept {
  constexpr std::size_t cache_line = 64;
  for (std::size_t at = 0; at < bytes; at += cache_line)
    __builtin_prefetch(static_cast<const char*>(object) + at);
}

/// What a turn does last, in this order; actors that a stage wakes run before the next stage.
enum class turn_stage : std::size_t {
  gather,  ///< Fan-outs send what connections brought to the rooms' homes.
  publish, ///< Rooms hand their batch to the fan-outs.
  flush,   ///< Connections write what their outboxes hold: one system call each.
};

/// A one-shot timer of a loop's wheel, with a resolution of 50 ms. Intrusive: one allocation for its
/// owner, none for the wheel. Destroying it cancels it. Fires on the loop's thread, never inside a
/// call of its owner.
class loop_timer {
public:
  loop_timer() = default;
  loop_timer(const loop_timer&) = delete;
  loop_timer& operator=(const loop_timer&) = delete;
  virtual ~loop_timer();
  bool armed() const noexcept { return prev_ != nullptr; }

protected:
  virtual void fired() = 0;

private:
  friend class loop;
  loop_timer* prev_ = nullptr;
  loop_timer* next_ = nullptr;
  loop* wheel_ = nullptr;
  mono_ms due_ = 0;
};

/// One thread with one `asio::io_context` that is also an execution unit of CAF: sockets and the
/// actors that own them run here, and no lock stands between them.
class loop {
public:
  loop(caf::actor_system& system, std::size_t index);
  ~loop();
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;

  /// Starts the thread.
  void start();
  /// Ends the thread after what is queued. Callable from any other thread; idempotent.
  void stop();

  std::size_t index() const noexcept;
  bool on_thread() const noexcept;
  boost::asio::io_context& io() noexcept;
  caf::execution_unit& unit() noexcept;

  /// Runs `f` on the loop's thread, later. Callable from any thread.
  void post(std::function<void()> f);

  // The rest only on the loop's thread.

  /// Runs the hook when the turn ends.
  void at_turn_end(turn_stage stage, turn_hook& hook, const used_memory& uses = {}) {
    if (!hook.queued_)
      queue(stage, hook, uses);
  }
  void arm(loop_timer& timer, mono_ms delay);
  void disarm(loop_timer& timer) noexcept;
  /// The time at which the turn began (coarse) in monotonic and wall milliseconds.
  mono_ms now() const noexcept;
  wall_ms wall() const noexcept;

private:
  struct impl;

  void queue(turn_stage stage, turn_hook& hook, const used_memory& uses);

  std::unique_ptr<impl> impl_;
};

} // namespace troupe
