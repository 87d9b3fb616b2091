#pragma once

#include "runtime/model/mesh/messages.hpp"
#include "runtime/model/mesh/view.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace troupe::mesh {

/// Gives a message to a node's link, or to this node itself. One to a life of a node with which there is no link is
/// lost.
class postman {
public:
  virtual void post(const node_life& to, message what) = 0;

protected:
  ~postman() = default;
};

/// What a room begins with.
struct beginning {
  enum class kind : std::uint8_t {
    nothing,
    snapshot,    ///< `state` is the latest snapshot of another epoch.
    handed_over, ///< `state` is the room, and its epoch goes on after `state.seq`.
  };
  kind what = kind::nothing;
  room_state state;
};

/// What the mesh asks of the node that it decides for: of its rooms, its fan-outs, its publishers, its clients. Calls
/// for one room come in the order in which they are to take effect, and may be carried out later. Out of a call nothing
/// of `mesh_node` may be called but `say`.
class host {
public:
  // Rooms with their home here.

  virtual void open_room(const std::string& room, const epoch_id& epoch, beginning from) = 0;
  /// Begins a new epoch, and tells all nodes that are admitted (`renewed`).
  virtual void renew_room(const std::string& room, const epoch_id& epoch) = 0;
  /// Answers with `attached`; from then on the node is sent `frames`. A node that is admitted already begins anew.
  virtual void admit(const std::string& room, const std::string& node, const attach& asked) = 0;
  virtual void release(const std::string& room, const std::string& node) = 0;
  /// Numbers the message and sends it to all nodes that are admitted.
  virtual void number(const std::string& room, const node_life& from, const publish& what) = 0;
  /// Takes nothing more, and gives all that the room is to `mesh_node::sealed`, once.
  virtual void seal_room(const std::string& room) = 0;
  /// The room ends here and goes on nowhere.
  virtual void drop_room(const std::string& room) = 0;
  /// Gives its latest snapshot, if it has one, to `mesh_node::took_snapshot`: it has a new successor.
  virtual void want_snapshot(const std::string& room) = 0;

  // Fan-outs here.

  /// The room goes on in this epoch after this number.
  /// @param recovered nothing was missed; else members are told of the epoch or of a gap
  virtual void moved(const std::string& room, const epoch_id& epoch, std::uint64_t seq, bool recovered) = 0;
  virtual void deliver(const std::string& room, const epoch_id& epoch, const numbered& what) = 0;

  // Publishers here.

  virtual void refuse(const std::string& room, std::uint64_t id) = 0;

  // The node.

  /// Null: others may have gone on without this node. It is not ready, and its clients are to go elsewhere.
  virtual void view_changed(const view* active) = 0;
  /// A claim is other than before: it is to be persisted.
  virtual void claimed(const claim& what) = 0;
  /// Hands a message to the link of another node. There is one: see `mesh_node::link_up`.
  virtual void send(const std::string& node, message what) = 0;

protected:
  ~host() = default;
};

} // namespace troupe::mesh
