#pragma once

#include "runtime/model/ids.hpp"
#include "runtime/model/mesh/claims.hpp"
#include "runtime/model/mesh/following.hpp"
#include "runtime/model/mesh/hearing.hpp"
#include "runtime/model/mesh/homes.hpp"
#include "runtime/model/mesh/host.hpp"
#include "runtime/model/mesh/messages.hpp"
#include "runtime/model/mesh/publishing.hpp"
#include "runtime/model/mesh/roster.hpp"
#include "runtime/model/mesh/timing.hpp"
#include "runtime/model/mesh/views.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

namespace troupe::mesh {

/// One node of the mesh, as far as it decides: puts its parts together, and is told of links, messages and time. Calls
/// must come one at a time, with a clock that never goes back and goes on while the process is stopped; what is to be
/// done comes out of `host`.
class mesh_node final : private postman {
public:
  mesh_node(node_life self, const mesh_timing& timing, const mesh_limits& limits, host& outside, mono_ms now);

  /// To be called every `heartbeat_ms`.
  void tick(mono_ms now);

  // Links, one to a node. What is sent on one arrives in order; after `link_lost` whatever did not is lost.

  void link_up(const node_life& peer, mono_ms now);
  void link_lost(const std::string& node, mono_ms now);
  void receive(const node_life& from, message what, mono_ms now);

  // Publishers and fan-outs of this node.

  /// @param id of this node's choice, for `host::refuse`
  void publish(const std::string& room, std::uint64_t id, cargo what, mono_ms now);
  void follow(const std::string& room, mono_ms now);
  void unfollow(const std::string& room, mono_ms now);

  // Rooms of this node.

  /// What a room says to a node: `attached`, `renewed`, `frames`. May be called out of a call of `host`, unlike all
  /// else.
  void say(const std::string& node, message what, mono_ms now);
  /// The answer to `host::seal_room`.
  void sealed(const std::string& room, room_state state, mono_ms now);
  /// From time to time, as the room sees fit, and after `host::want_snapshot`.
  void took_snapshot(const std::string& room, room_state state, mono_ms now);
  /// The room has ended by itself.
  void ended(const std::string& room, mono_ms now);

  // Claims and connections of this node.

  /// @param tell_others it is a new one, and not from disk
  void claim_name(const claim& what, bool tell_others, mono_ms now);
  void connected(member who, mono_ms now);
  void disconnected(std::string_view connection, mono_ms now);

  // Leaving.

  /// Has the others take over all rooms.
  void leave(mono_ms now);
  /// They have: once the links have delivered what was sent, `part` and end.
  bool may_leave() const;
  void part(mono_ms now);

  // What is so.

  /// Whether clients can be served here.
  bool ready() const noexcept { return views_.active() != nullptr; }
  /// A later life of this node is about; this one has to end.
  bool superseded() const noexcept { return hearing_.superseded(); }
  const node_life& self() const noexcept { return self_; }
  const mesh::views& views() const noexcept { return views_; }
  const mesh::homes& homes() const noexcept { return homes_; }
  const mesh::following& following() const noexcept { return following_; }
  const mesh::claims& claims() const noexcept { return claims_; }
  const mesh::roster& roster() const noexcept { return roster_; }
  /// What all this holds, for a bound to be checked.
  std::size_t entries() const noexcept;

private:
  void post(const node_life& to, message what) override;
  template <class F>
  void in_turn(mono_ms now, F what);
  void enter(mono_ms now);
  void settle(mono_ms now);
  bool notice_views(mono_ms now);
  void view_installed(mono_ms now);
  void view_activated(mono_ms now);
  void view_given_up(mono_ms now);
  void send_heartbeats(mono_ms now);
  void gossip_claims(mono_ms now);
  publishing::reachable reachable() const;
  void release_publishers();
  void lose(const std::string& node);
  void take(const node_life& from, message what, mono_ms now);

  node_life self_;
  mesh_timing timing_;
  host& host_;
  hearing hearing_;
  mesh::views views_;
  mesh::homes homes_;
  mesh::following following_;
  publishing publishing_;
  mesh::claims claims_;
  mesh::roster roster_;
  std::map<std::string, node_life, std::less<>> links_;
  std::deque<message> to_self_;
  view_id installed_; ///< As the parts have been told.
  view_id active_;    ///< As they have been told; number 0: none.
  mono_ms last_;
  mono_ms compared_at_ = 0;
  bool in_turn_ = false;
  bool leaving_ = false;
};

} // namespace troupe::mesh
