#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::mesh {

/// One life of a node: from its start to its end. Of two lives of a name the one with the higher incarnation is later.
struct node_life {
  std::string name;
  std::uint64_t incarnation = 0; ///< Higher with each start of the node.

  friend auto operator<=>(const node_life&, const node_life&) = default;
};

/// Higher numbers of views are no numbers: nobody could issue the next one.
inline constexpr std::uint64_t view_numbers_max = std::uint64_t{1} << 62;

/// Names a view. Nobody gives the same one twice: an issuer counts up, two issuers have two names, and one that has
/// been restarted and has forgotten how far it counted has another incarnation.
struct view_id {
  std::uint64_t number = 0; ///< 0: no view.
  node_life issuer;

  friend auto operator<=>(const view_id&, const view_id&) = default;
};

/// Which nodes act together: they all hear each other, and they all agree on it. Rooms have their homes by it.
struct view {
  view_id id;
  std::vector<node_life> members; ///< By name, ascending.
  std::vector<std::string> hosts; ///< Those of the members that take rooms: all but who is about to leave. Ascending.

  /// As said above; `has` and all else rely on it.
  bool well_formed() const noexcept;
  bool has(const node_life& who) const noexcept;
  /// Null where no life of that name is a member.
  const node_life* find(std::string_view name) const noexcept;
  /// Which member is home to a room; null where nobody hosts.
  const node_life* home_of(std::string_view room) const noexcept;
  /// Who would be the room's home without the one that is; null where nobody.
  const node_life* successor_of(std::string_view room) const;

  friend bool operator==(const view&, const view&) = default;
};

/// One activation of a room, in an order that all nodes see alike: a later view gives a higher epoch. A fan-out
/// goes only to higher ones, and so it never returns to one that it has left.
struct epoch_id {
  view_id view;             ///< In which the room's home began it.
  std::uint64_t serial = 0; ///< Rises with each epoch that the home began.

  friend auto operator<=>(const epoch_id&, const epoch_id&) = default;
};

/// An epoch as clients see it: ASCII letters and digits, other ones for other epochs.
std::string text_of(const epoch_id& epoch);

} // namespace troupe::mesh
