#pragma once

// Rooms with logic of their own: derive from `room`, register with `kernel::add_room`.

#include "actors/payload.hpp"
#include "runtime/model/errors.hpp"
#include "runtime/model/ids.hpp"
#include "runtime/model/message.hpp"
#include "runtime/model/outgoing.hpp"
#include "runtime/model/value.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// A member of a room as its logic sees it.
struct room_member {
  std::string connection;          ///< Its id: what `send` takes.
  std::optional<std::string> user; ///< Nothing for an anonymous client.
  std::string state;               ///< Presence state, raw JSON.
};

/// Who is left out of a broadcast.
struct broadcast_options {
  bool except_self = false; ///< Leave out whoever caused it.
};

/// What a room's logic may use. Time, ids and random numbers come from here only, so that a recorded run can
/// be replayed. What a hook says takes effect when the hook returns; if it throws, nothing of it does.
class room_context {
public:
  virtual ~room_context() = default;

  virtual const std::string& name() const noexcept = 0;
  /// The time of this step in milliseconds since the epoch; it does not pass within a hook.
  virtual wall_ms now() const noexcept = 0;
  /// 64 random bits from a generator that is seeded for each activation; not for secrets.
  virtual std::uint64_t random() noexcept = 0;
  /// An id that no other call of this room returns.
  virtual std::string next_id() = 0;
  /// Everyone in the room, in order of their connection ids. Who is joining is not in it yet, who has left no more.
  virtual std::vector<room_member> members() const = 0;
  /// How many `members` has.
  virtual std::size_t count() const noexcept = 0;
  /// Whether `members` has this connection.
  virtual bool contains(std::string_view connection) const = 0;

  /// Numbers a message and gives it to all members.
  virtual void broadcast(outgoing what, broadcast_options options = {}) = 0;
  /// Passes the message on, unchanged, as a room without logic would.
  virtual void forward(const message& m) = 0;
  /// Gives a message to one member, or to who is joining, where it wants the type (`subscribe`); an unknown
  /// connection is ignored.
  virtual void send(std::string_view connection, outgoing what) = 0;
  /// Answers the message that is being handled with an `ack` that carries this; without it the `ack` is empty.
  virtual void reply(value payload) = 0;
  /// Answers the message that is being handled with an `error`; a join is refused by it.
  virtual void reject(failure why) = 0;
  /// Calls `on_timer(token)` once after a delay. Timers end with the activation.
  virtual void after(std::chrono::milliseconds delay, std::uint64_t token) = 0;
};

/// The logic of a room: one object for each activation, its hooks called one after the other, never two at a time. A
/// hook that throws costs its sender an `error` (`internal`); the logic is then started anew from its last snapshot
/// while its members stay.
///
/// Who is a member is always settled: each member was either in `members()` at `on_start` or has passed `on_join`, and
/// `on_leave` is called for each that leaves from then on. So a logic that remembers members in its snapshot, which may
/// be older than the last join or leave, compares it with `members()` in `on_start`. Nobody leaves while a logic
/// waits to be started anew: what comes meanwhile, leaves as well, is handled after `on_start`. Where the actor around
/// the logic has ended too, `members()` is empty at `on_start`, there is no snapshot, and the members pass `on_join`.
class room {
public:
  virtual ~room() = default;

  /// The room has started, after `restore` where there was a snapshot. Where the logic before it has thrown, its
  /// members are here already.
  virtual void on_start(room_context&) {}
  /// Somebody wants to join, and is not a member yet; `reject` keeps them out.
  virtual void on_join(const room_member&, room_context&) {}
  /// Somebody has left, or their session has ended; no member any more.
  virtual void on_leave(const room_member&, room_context&) {}
  /// A message of a member, or of the program itself (`from()` is null). `parse_payload(m)` reads what it says.
  virtual void on_message(const message& m, room_context& ctx) { ctx.forward(m); }
  /// Every `room_options::tick`.
  virtual void on_tick(room_context&) {}
  virtual void on_timer(std::uint64_t, room_context&) {}

  /// What a later activation begins with; null: nothing to keep. Taken after hooks, at most once a second, and when
  /// the room passivates.
  virtual value snapshot() const { return {}; }
  virtual void restore(const value&) {}
};

/// How rooms of a type are run.
struct room_options {
  std::chrono::milliseconds tick{0}; ///< How often `on_tick` is called; 0: never.
  bool off_loop = false;             ///< Run on the scheduler: for logic that computes long or blocks.
  /// Of the rules, recorded with each activation: a check of what was recorded says where it differs. Any text.
  std::string code_version = {};
};

} // namespace troupe
