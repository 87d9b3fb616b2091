#pragma once

#include "actors/room.hpp"
#include "actors/room_home.hpp"
#include "actors/room_witness.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace troupe {

/// What a registered room type is made of.
struct room_type {
  std::function<std::unique_ptr<room>()> make;
  room_options options;
};

/// Runs a room's own logic against its home: each hook's effects are kept back until the hook has returned, and
/// dropped where it throws. Without an actor, so that a recorded run can be replayed.
class room_logic final : public room_context {
public:
  struct timer {
    std::chrono::milliseconds delay;
    std::uint64_t token;
  };

  /// @param home must outlive the logic
  /// @param seed of the generator behind `random` and `next_id`
  room_logic(const room_type& type, room_home& home, std::uint64_t seed);

  /// Tells what goes in and what comes out, from here on. @param by outlives the logic; null: nobody
  void watch(room_witness* by) noexcept { witness_ = by; }
  /// Seeds the generator anew. @param ids how many `next_id` has given before
  void reseed(std::uint64_t seed, std::uint64_t ids);
  std::uint64_t ids() const noexcept { return ids_; }

  /// Makes a new object and starts it from the last snapshot.
  /// @throws what the program's code throws
  void start(wall_ms wall, mono_ms now);

  // Each runs one hook and applies what it said. Throws what the hook throws; nothing was applied then.

  void joining(const room_op& op, wall_ms wall, mono_ms now);
  void left(const room_member& who, wall_ms wall, mono_ms now);
  void received(const room_op& op, wall_ms wall, mono_ms now);
  void ticked(wall_ms wall, mono_ms now);
  void timed(std::uint64_t token, wall_ms wall, mono_ms now);

  /// Timers that hooks have set since the last call.
  std::vector<timer> take_timers() { return std::exchange(timers_, {}); }
  /// Remembers the state for `start`. @throws what the program's code throws
  void keep_snapshot();
  /// The state as it is, raw JSON; empty where the program's code throws.
  std::string state() const noexcept;
  /// As kept last, raw JSON; "null" for none.
  const std::string& snapshot() const noexcept { return snapshot_; }
  void snapshot(std::string json) { snapshot_ = std::move(json); }

  // room_context

  const std::string& name() const noexcept override { return home_.name(); }
  wall_ms now() const noexcept override { return wall_; }
  std::uint64_t random() noexcept override { return generator_(); }
  std::string next_id() override;
  std::vector<room_member> members() const override;
  std::size_t count() const noexcept override { return home_.members(); }
  bool contains(std::string_view connection) const override { return home_.contains(connection); }
  void broadcast(outgoing what, broadcast_options options) override;
  void forward(const message& m) override;
  void send(std::string_view connection, outgoing what) override;
  void reply(value payload) override;
  void reject(failure why) override { rejection_ = std::move(why); }
  void after(std::chrono::milliseconds delay, std::uint64_t token) override;

private:
  struct effect {
    message_ptr what;
    member_key to = 0; ///< 0: everybody.
    member_key except = 0;
  };

  template <class F>
  void run(const room_input& in, mono_ms now, F&& hook);
  template <class F>
  void run_watched(const room_input& in, mono_ms now, F&& hook);
  std::string what_was_said() const;
  const std::string* connection_of(member_key who) const;
  void apply(const room_op* op, mono_ms now);

  const room_type& type_;
  room_home& home_;
  room_witness* witness_ = nullptr;
  std::unique_ptr<room> logic_;
  std::mt19937_64 generator_;
  std::uint64_t ids_ = 0;
  std::string snapshot_ = "null";
  // Of the hook that runs:
  wall_ms wall_ = 0;
  const room_op* op_ = nullptr;
  std::vector<effect> effects_;
  std::vector<timer> timers_;
  std::vector<timer> new_timers_;
  std::optional<std::string> reply_;
  std::optional<failure> rejection_;
};

room_member describe(const member_info& info);

} // namespace troupe
