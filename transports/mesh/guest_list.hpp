#pragma once

#include "actors/mesh/door.hpp"
#include "runtime/model/ids.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace troupe::mesh {

/// Who is connected, and what becomes of a node that comes as well: one connection for each pair of nodes, since CAF
/// knows no more, and one node for each name and each id.
class guest_list {
public:
  enum class verdict : std::uint8_t {
    welcome,
    self,      ///< The node itself.
    name,      ///< Another node under this node's name, or under a name that is taken by one that began later.
    node,      ///< Another node under a node id that is taken.
    duplicate, ///< There is a connection already, which stays.
    replaces,  ///< There is a connection, which is to go; the peer may come again when it is gone.
  };

  /// Two connections that cross each other are this close, at most; both sides then keep the one that the node with the
  /// lower name made.
  static constexpr mono_ms crossing_ms_max = 2'000;

  explicit guest_list(node_identity self)
      : self_{std::move(self)} {}

  verdict decide(const peer& who, mono_ms now) const;
  void add(const peer& who, mono_ms now) { guests_[who.who.name] = {who, now}; }
  void remove(std::string_view name) { guests_.erase(std::string{name}); }
  std::size_t size() const noexcept { return guests_.size(); }

private:
  struct entry {
    peer who;
    mono_ms since = 0;
  };
  node_identity self_;
  std::unordered_map<std::string, entry> guests_;
};

std::string_view to_string(guest_list::verdict v) noexcept;

} // namespace troupe::mesh
