#pragma once

#include "runtime/model/ids.hpp"
#include "runtime/model/mesh/timing.hpp"
#include "runtime/model/mesh/view.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::mesh {

/// Whom a node hears: what nodes gossip. It is made by its node alone and passed on by all.
struct hearing_row {
  node_life who;
  std::uint64_t version = 0; ///< Rises with each heartbeat: of two rows of a life the higher one is current.
  std::int64_t age_ms = 0;   ///< How long ago it was made. Who passes it on adds how long it had it.
  bool leaving = false;      ///< It wants no rooms any more.
  std::vector<node_life> hears;
};

/// Knows who hears whom. A heartbeat brings the sender's row and those that it was told of, so that nodes with no
/// link between them, or half a one, still see the same graph (van Renesse et al., "A gossip-style failure detection
/// service", 1998); and it decides which of the nodes are to act together.
class hearing {
public:
  hearing(node_life self, const mesh_timing& timing, std::size_t nodes_max);

  /// A heartbeat's rows, the sender's first.
  void heard(const std::vector<hearing_row>& rows, mono_ms now);
  /// The node said that it ends. What it said before, and arrives later, does not count.
  void gone(const node_life& who, mono_ms now);
  /// Forgets what is too old to count.
  void expire(mono_ms now);
  /// This node's clock made a leap: what it remembers may be long past.
  void forget_all();
  /// From here on this node's row says that it is leaving.
  void leave() noexcept { leaving_ = true; }

  /// What this node's next heartbeat says, its own row first.
  std::vector<hearing_row> rows(mono_ms now);

  /// The nodes that should act together: of those that are connected with this one, by however many steps, a set
  /// of which all hear each other. Every node that sees the same graph names the same set, whether in it or not.
  std::vector<node_life> clique(mono_ms now) const;
  /// Those of a clique that take rooms.
  std::vector<std::string> hosts(const std::vector<node_life>& clique) const;

  bool knows(std::string_view name) const { return name == self_.name || rows_.contains(name); }
  /// A later life of this node is about: this one has to end.
  bool superseded() const noexcept { return superseded_; }
  std::size_t entries() const noexcept { return peers_.size() + rows_.size() + endings_.size(); }

private:
  /// A node whose heartbeats arrive here.
  struct peer {
    node_life life;
    mono_ms since; ///< Its heartbeats come without a break since.
    mono_ms last;
  };
  struct known_row {
    hearing_row row;
    mono_ms made; ///< By the clock of this node.
  };

  void learn(const hearing_row& row, mono_ms now);
  bool has_ended(const node_life& who) const;
  std::vector<node_life> hears(mono_ms now) const;

  node_life self_;
  mesh_timing timing_;
  std::size_t nodes_max_;
  std::uint64_t version_ = 0;
  bool leaving_ = false;
  bool superseded_ = false;
  std::map<std::string, peer, std::less<>> peers_;
  std::map<std::string, known_row, std::less<>> rows_; ///< Of all others, one life of each name.
  struct ending {
    std::uint64_t incarnation;
    mono_ms at;
  };
  std::map<std::string, ending, std::less<>> endings_; ///< Of nodes that said so a short while ago.
};

} // namespace troupe::mesh
