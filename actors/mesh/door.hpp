#pragma once

// The seam between the gate, which knows sockets, and the actors of the mesh, which know CAF. Neither appears here.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace troupe::mesh {

/// Who a node is, as it tells its peers inside TLS.
struct node_identity {
  std::string name;              ///< Unique in the mesh: letters, digits, '-', '_', '.'; at most 64 bytes.
  std::uint64_t incarnation = 0; ///< Of its process; a later one is greater.
  std::string node;              ///< CAF's id of it, `node_id_bytes` long.
};

/// A node at the gate, whose proof was accepted.
struct peer {
  node_identity who;
  std::string address;    ///< Of its socket.
  bool accepted = false;  ///< It has connected to us; else we to it.
  std::uint8_t minor = 0; ///< Of the protocol version that it speaks.
};

/// A way to CAF: one end of a socket pair of which CAF's network layer has the other.
struct line {
  int fd = -1;             ///< Non-blocking; whoever gets it closes it.
  std::uint64_t actor = 0; ///< The one local actor that the peer may speak with.
};

/// What the gate asks and tells. All calls on the gate's loop; none blocks.
class door {
public:
  virtual ~door() = default;

  virtual const node_identity& self() const noexcept = 0;

  /// A peer has come in: makes a way to CAF for it, or says why not.
  virtual std::variant<line, std::string> open(const peer& who) = 0;
  /// Its connection is gone; the line is closed.
  virtual void closed(const peer& who, std::string_view why) = 0;
  /// Somebody was turned away, or cut off: counted and recorded.
  /// @param reason a label with few values, for example "frame_length"
  /// @param who the peer's name where it has proved one, else its address
  virtual void turned_away(std::string_view reason, std::string_view who, std::string_view detail) = 0;
};

} // namespace troupe::mesh
