#pragma once

#include "runtime/model/ids.hpp"
#include "runtime/model/mesh/host.hpp"
#include "runtime/model/mesh/messages.hpp"
#include "runtime/model/mesh/shelf.hpp"
#include "runtime/model/mesh/timing.hpp"
#include "runtime/model/mesh/views.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace troupe::mesh {

/// The rooms whose home is this node: opens them, lets fan-outs of other nodes in, and seals them and hands them over
/// when a view moves them.
///
/// An epoch of a room is a token: its home holds it, or it is on its way in a `hand_over` that is sent once. A home
/// that is given a token goes on with the epoch. One that is given none, and has been told by all members that they
/// have none left, or has waited for `hand_over_ms`, begins a new epoch, from the latest snapshot that it has.
class homes {
public:
  homes(node_life self, const mesh_timing& timing, const mesh_limits& limits, postman& post, host& rooms);

  // The view.

  /// A view was installed: rooms that it moves are sealed when it becomes active, or after `flush_ms`.
  void installed(const view& next, mono_ms now);
  void activated(const views& now_active, mono_ms now);
  /// Ends all rooms.
  void stepped_down();
  void settled_by(const node_life& who, const settled& what);
  void pass_time(mono_ms now);

  // What nodes ask for.

  void attach_asked(const node_life& from, attach what);
  void published(const node_life& from, publish what);
  void detached(const std::string& node, const std::string& room);
  void handed_over(hand_over what);
  void given_snapshot(snapshot what);
  /// What was said to the node may not have arrived.
  void link_lost(const std::string& node);
  void link_up(const node_life& peer);

  // What rooms say.

  void sealed(const std::string& room, room_state state);
  void took_snapshot(const std::string& room, room_state state);
  /// Failed, or gone idle: there is no such room any more until it is asked for.
  void ended(const std::string& room);

  /// Nothing is here that another node has to have before this one ends.
  bool empty() const noexcept { return rooms_.empty() && tokens_.empty(); }
  bool is_open(std::string_view room) const;
  std::size_t rooms() const noexcept { return rooms_.size(); }
  std::size_t entries() const noexcept;
  /// Rooms that were handed over to this node too late, or twice, or where it had no place for them.
  std::uint64_t tokens_dropped() const noexcept { return tokens_dropped_; }

private:
  struct request {
    node_life from;
    std::variant<attach, publish> what;
  };
  struct room_here {
    enum class stage : std::uint8_t {
      awaited, ///< Another node may still hand it over.
      open,
      sealing, ///< The room has been told, and has not answered yet.
    };
    stage at = stage::awaited;
    epoch_id epoch;
    std::set<std::string> followers;
    std::deque<request> waiting; ///< While `awaited`.
  };
  using room_map = std::map<std::string, room_here, std::less<>>;

  bool is_home(const view& v, std::string_view room) const noexcept;
  void ask(const node_life& from, std::variant<attach, publish> what);
  void serve(const std::string& room, room_here& here, const request& r);
  void refuse(const request& r);
  bool is_current(const request& r) const;
  bool keep_request(std::deque<request>& in, request r);
  void open(const std::string& room, room_here& here, beginning from);
  void open_awaited();
  bool moves(std::string_view room) const noexcept;
  bool sealed_early(std::string_view room) const noexcept { return !agreed_.empty() && !seal_at_ && moves(room); }
  void seal_early();
  void seal_moved();
  void place_token(const std::string& room, room_state state);
  void keep_token(const std::string& room, room_state state);
  void place_tokens();
  void release_strangers();
  void renew_successors();
  void say_settled();
  bool all_settled() const;

  node_life self_;
  mesh_timing timing_;
  mesh_limits limits_;
  postman& post_;
  host& host_;
  std::optional<view> active_;
  view_id before_;                 ///< Which view was active before it.
  std::set<std::string> together_; ///< Whose was, too.
  room_map rooms_;
  std::map<std::string, room_state, std::less<>> tokens_; ///< Sealed rooms on their way through here.
  std::size_t sealing_ = 0;
  std::size_t requests_ = 0;                            ///< In `early_` and all `waiting`.
  std::deque<request> early_;                           ///< By views that are not active here yet.
  std::vector<view> agreed_;                            ///< Installed since `active_`, and not active.
  std::optional<mono_ms> seal_at_;                      ///< When rooms that these move are sealed, active or not.
  std::map<std::string, view_id, std::less<>> settled_; ///< What each node has settled last.
  view_id own_settled_;
  std::optional<mono_ms> open_at_; ///< Rooms wait for the other members no longer than until then.
  shelf shelf_;
  std::uint64_t serial_ = 0;
  std::uint64_t tokens_dropped_ = 0;
};

} // namespace troupe::mesh
