#pragma once

#include "actors/interfaces.hpp"
#include "actors/traffic.hpp"
#include "runtime/model/credit.hpp"
#include "runtime/model/outbox.hpp"
#include "runtime/system/pinned_actor.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace troupe {

class egress;
struct local_node;

/// A fan-out asks the room supervisor for a room or channel.
struct room_claim {
  std::string name;
  bool channel = false; ///< Of the two that may have the name.
  std::uint32_t loop = 0;
  std::string user;    ///< Who wants it: a channel that this wakes counts as theirs. Empty: nobody.
  std::string address; ///< The same of the client's address.
};

/// The supervisor's answer: how to reach the room. Comes again when the room has a new home.
struct room_arrival {
  std::string name;
  bool channel = false;
  std::uint32_t id = 0;
  room_handle home;
  std::shared_ptr<credit_gate> gate;
  overflow policy = overflow::disconnect;
  bool custom = false; ///< A registered room type handles its messages.
  bool reborn = false; ///< Members register again, silently.
  std::string refused; ///< Not empty: there is no such room and will be none (limit, shutdown).
};

struct local_room;

/// A connection as the fan-out of its loop sees it. All calls on the loop, none throws.
class member_port {
public:
  virtual egress& out() noexcept = 0;
  virtual member_key key() const noexcept = 0;
  /// How often its session has been resumed.
  virtual std::uint32_t incarnation() const noexcept = 0;
  /// Whether the client has been told who it is: before, nothing is for it.
  virtual bool greeted() const noexcept = 0;
  /// The node ends.
  virtual void shut_down() noexcept = 0;
  /// The node drains: end once what is queued is sent. Idempotent.
  virtual void go_away() noexcept = 0;
  virtual void room_joined(local_room& room) noexcept = 0;
  /// The room did not take it: the answer is on its way to the client already.
  virtual void room_left(local_room& room) noexcept = 0;
  /// A resumed membership is complete; `recovered` as the room's ring says.
  virtual void room_rebound(local_room& room, bool recovered) noexcept = 0;
  /// The room has credit again: parked messages may be tried.
  virtual void room_credit(local_room& room) noexcept = 0;
  /// A new home is told of its membership: adds what only the connection knows.
  virtual void complete(const local_room& room, room_request& how) noexcept = 0;

protected:
  ~member_port() = default;
};

/// A room or channel as one loop sees it.
struct local_room final : turn_hook, std::enable_shared_from_this<local_room> {
  struct member {
    member_port* port;
    egress* out; ///< Of the port.
    std::shared_ptr<const member_info> info;
    std::uint64_t mark = 0; ///< The delivery in which this member needs a look of its own.
    bool leaving = false;   ///< Its leave is on the way: a new home is not told of it.

    // Of channels only.
    bool paused = false;          ///< It is given no frames: it catches up.
    bool spilled = false;         ///< Its home does not know yet that it was not given all.
    bool draining = false;        ///< Its home waits for `drained`.
    std::uint32_t live_since = 0; ///< The room's `batches` when it went live.
  };
  struct entrant {
    member_port* port;
    std::shared_ptr<const member_info> info;
    std::string request;    ///< The `id` that is owed an answer.
    bool rebind = false;    ///< It waits for `rebound`: what an earlier connection asked for is not for it.
    bool restoring = false; ///< A member already, that a new home is told of.
  };

  explicit local_room(class fan_out& owner)
      : fans(owner) {}
  void turn_ended() override;

  class fan_out& fans;
  std::string name;
  bool channel = false;
  std::uint32_t id = 0;
  room_handle home; ///< Null until the supervisor has answered.
  std::shared_ptr<credit_gate> gate;
  overflow policy = overflow::disconnect;
  bool refused = false;
  room_ops_ptr pending;
  std::shared_ptr<local_room> kept_alive; ///< While it is queued for the end of the turn.
  std::vector<member> members;
  std::unordered_map<member_key, std::uint32_t> at;              ///< Index into `members`.
  std::unordered_map<member_key, std::vector<entrant>> entering; ///< Asked to join, not answered yet; in order.
  std::vector<member_key> waiting;                               ///< Parked for this room's credit.
  std::uint32_t idle_sweeps = 0;
  bool watched = false; ///< In the list of rooms that may be let go.

  // Of channels only.
  std::uint32_t batches = 0;  ///< How many have been handed out, modulo 2^32.
  std::uint64_t seq_last = 0; ///< Of the last of them.
};

/// The actor that all rooms and channels share on one loop. Connections and rooms of the loop call it directly, rooms
/// of other loops through its mailbox; it hands a batch to each local member as one slice of a buffer that all share.
class fan_out : public pinned_actor<fan_out_handle> {
public:
  fan_out(caf::actor_config& cfg, loop* home, local_node& owner);

  const char* name() const override { return "fan_out"; }
  fan_out_handle::behavior_type make_behavior() override;
  void on_exit() override;

  // For connections of this loop.

  void enroll(member_port& port);
  /// Tells every connection of this loop that the node drains, those that nobody knows yet included.
  void drain();
  /// The connection is gone or detached: nothing reaches it any more. Rooms keep its membership.
  void forget(member_port& port, std::span<const std::shared_ptr<local_room>> rooms);

  /// The room or channel with this name, asked for where it is not known yet.
  /// @param kind target_kind::room or target_kind::channel
  /// @param user, address who wants it; empty: nobody whom it counts against
  std::shared_ptr<local_room> reach(std::string_view name, target_kind kind = target_kind::room,
                                    std::string_view user = {}, std::string_view address = {});

  /// Takes the room's credit for an operation.
  /// @returns false where there is none: `port` is told when there is again
  bool take_credit(local_room& room, std::size_t bytes, member_port& port);
  /// Sends an operation, for which credit has been taken, at the end of the turn.
  void submit(local_room& room, room_op op);
  /// As `take_credit` and `submit`, for what must not wait: bounded by its sender in another way.
  void submit_anyway(local_room& room, room_op op);

  /// The next `added` or `rebound` of this key is this connection.
  void expect(local_room& room, member_port& port, std::shared_ptr<const member_info> info, std::string request,
              bool rebind = false);
  /// The join with this request's id will not come: it was never sent. @returns whether another one is expected
  bool expect_no_more(local_room& room, const member_port& port, std::string_view request);
  /// The connection may not be in the room any more: from now on nothing of it reaches the connection.
  void drop(local_room& room, member_port& port);
  /// Replaces what a new home would be told of the member.
  void remember(local_room& room, member_key who, std::string state);
  /// Nothing waits in the connection's outbox any more: homes of channels that asked to be told are.
  void outbox_sent(member_port& port);

  // For rooms of this loop; those of others send it.

  /// Hands out what a room says.
  void take(const room_news& what);

private:
  friend struct local_room;

  struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  using rooms_by_name = std::unordered_map<std::string, std::shared_ptr<local_room>, text_hash, std::equal_to<>>;

  rooms_by_name& names(bool channels) noexcept { return by_name_[channels ? 1 : 0]; }
  void gather(local_room& room);
  void arrived(const room_arrival& arrival);
  void refuse(local_room& room, const std::string& why);
  void restore_members(local_room& room);
  static bool pending_for(const local_room& room, const local_room::entrant& m);
  void lose_entrant(local_room& room, local_room::entrant m);
  void detach(const room_handle& from);
  void tell_everybody(const message& m);
  void deliver(local_room& room, const std::shared_ptr<const room_batch>& batch);
  void deliver_slices(local_room& room, local_room::member& m, const std::shared_ptr<const room_batch>& shared,
                      egress& out);
  void deliver_strays(local_room& room, const room_batch& batch);

  // Members that catch up (fan_out_catch_up.cpp).
  void pause(local_room& room, const room_event& event);
  void go_live(local_room& room, member_key who);
  void spill(local_room& room, local_room::member& m, std::uint64_t offset);
  void give_stored(local_room& room, local_room::member& m, const single_frame& piece);
  void owe_drained(local_room& room, local_room::member& m);
  static std::uint64_t last_given(const local_room& room, const local_room::member& m) noexcept;

  void wake(local_room& room);
  void add_member(local_room& room, const room_event& event);
  void turn_away(local_room& room, const room_event& event);
  void remove_member(local_room& room, member_key who);
  void sweep();
  void watch(local_room& room);

  local_node& node_;
  std::array<rooms_by_name, 2> by_name_; ///< Rooms, channels.
  std::unordered_map<std::uint32_t, std::shared_ptr<local_room>> by_id_;
  std::unordered_map<member_key, member_port*> ports_;
  std::unordered_map<member_key, std::vector<std::weak_ptr<local_room>>> draining_; ///< Where `drained` is owed.
  std::vector<std::weak_ptr<local_room>> watched_; ///< Rooms that had no member here at some time.
  std::uint64_t marks_ = 0;
};

} // namespace troupe
