#pragma once

#include "runtime/model/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// A connection in a room. Of two entries of a connection the one with the higher
/// (incarnation, version) is current.
struct member {
  std::string connection;
  std::optional<std::string> user;
  std::string state;             ///< Raw JSON; empty means null.
  std::string node;              ///< Where the connection is attached.
  wall_ms since = 0;             ///< When it joined.
  std::uint64_t incarnation = 0; ///< Rises each time the connection attaches anew.
  std::uint64_t version = 0;     ///< Rises with each change within an incarnation.
  bool told = true;              ///< It wants to be told of others (`payload.presence`).
  bool gone = false;             ///< It has left; only kept where nodes merge what they know.

  friend bool operator==(const member&, const member&) = default;
};

using member_ptr = std::shared_ptr<const member>;

/// The current one of two entries of a connection: the higher (incarnation, version), and of equals one that does
/// not depend on the order of the arguments.
const member& newer(const member& a, const member& b) noexcept;

/// Entries by connection, those that are gone included.
using presence_map = std::map<std::string, member, std::less<>>;

/// Merges what two nodes know: a join of a semilattice (commutative, associative, idempotent), so nodes
/// that exchange what they know in any order, any number of times, end with the same.
presence_map merge(const presence_map& a, const presence_map& b);

/// When presence is told at once and when in a diff; the bounds of a diff.
struct presence_limits {
  std::size_t immediate_max = 100; ///< Members above which changes are gathered.
  std::int64_t interval_ms = 1000; ///< How long they are gathered.
  std::size_t entries_max = 100;   ///< Of each kind in one diff.
};

/// What changed in an interval: the content of a `presence:diff`. Who receives it is skipped by the caller.
struct presence_diff {
  std::vector<member_ptr> joins;
  std::vector<member_ptr> leaves;
  std::vector<member_ptr> updates;
  std::size_t more_joins = 0; ///< How many `joins` leaves out.
  std::size_t more_leaves = 0;
  std::size_t more_updates = 0;
};

/// The members of a room as its home sees them, and what the members are told of one another. In small rooms each
/// change is told at once; in large ones changes are merged into one diff an interval, and what
/// cancels out is not told at all.
class presence {
public:
  enum class change : std::uint8_t { none, joined, updated, left };

  /// What a call changed and when to tell. `who` is null where nothing changed.
  struct outcome {
    change what = change::none;
    bool immediate = false; ///< Tell it now; otherwise it will be in a diff (or is not to be told).
    member_ptr who;
  };

  /// A page of `presence:state`, in order of connection ids.
  struct page {
    std::vector<member_ptr> members;
    bool more = false; ///< Ask on with the last connection of this page.
  };

  explicit presence(presence_limits bounds = {}) noexcept
      : bounds_{bounds} {}

  /// Adds a member. Of one that is there already it updates state and place, unannounced (`change::none`, with
  /// `who`); an entry older than the current one changes nothing.
  outcome join(member who, mono_ms now);

  /// Changes a member's state; the version rises by one.
  outcome update(std::string_view connection, std::string state, mono_ms now);

  /// Removes a member.
  /// @param incarnation of the connection that left; a higher one that is there stays
  outcome leave(std::string_view connection, std::uint64_t incarnation, mono_ms now);

  /// Removes all members of a lost node; each is an outcome as from `leave`.
  std::vector<outcome> leave_node(std::string_view node, mono_ms now);

  /// Adds or renews a member without telling anybody: a re-registration at a new home.
  /// @returns whether the entry is the current one now
  bool adopt(member who);

  /// When `take_diff` will have something; nothing where nothing is to be told.
  std::optional<mono_ms> next_diff() const noexcept;

  /// What is to be told, once its interval is over.
  std::optional<presence_diff> take_diff(mono_ms now);

  /// Members after this connection id ("" for the first page), at most `entries_max` of them.
  page list(std::string_view after, std::size_t entries_max) const;

  /// Null where it is no member.
  member_ptr find(std::string_view connection) const;
  std::size_t size() const noexcept { return members_.size(); }
  const std::map<std::string, member_ptr, std::less<>>& members() const noexcept { return members_; }

private:
  /// Whether a change in a room of `size` members is gathered. What is gathered already keeps later changes from
  /// overtaking it.
  bool gathers(std::size_t size) const noexcept { return size > bounds_.immediate_max || !before_.empty(); }
  outcome tell(change what, member_ptr who, member_ptr before, std::size_t size, mono_ms now);

  presence_limits bounds_;
  std::map<std::string, member_ptr, std::less<>> members_;
  /// Whose changes are gathered: each with what the others were last told (null: nothing).
  std::map<std::string, member_ptr, std::less<>> before_;
  mono_ms gathering_since_ = 0;
};

} // namespace troupe
