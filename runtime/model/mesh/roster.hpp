#pragma once

#include "runtime/model/ids.hpp"
#include "runtime/model/mesh/host.hpp"
#include "runtime/model/mesh/messages.hpp"
#include "runtime/model/mesh/timing.hpp"
#include "runtime/model/mesh/view.hpp"
#include "runtime/model/presence.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace troupe::mesh {

/// Who is connected, anywhere. Each node owns its part and tells the others its state, never an operation on it: what
/// changed since the version that the other one has, or all of it where that is too long ago. Of two parts' entries
/// for a connection (it has moved) the `newer` one counts. One page is under way to a peer at a time.
class roster {
public:
  roster(node_life self, const mesh_timing& timing, const mesh_limits& limits, postman& post);

  // This node's own part.

  void add(member who); ///< A new connection, or another state of it: then with a higher (incarnation, version).
  void remove(std::string_view connection);

  // The others'.

  void activated(const view& active, mono_ms now);
  void stepped_down(mono_ms now);
  void link_up(const node_life& peer);
  /// Has a member of the view tell what this node does not know of its part.
  void ask(const node_life& who);
  void link_lost(const std::string& node);
  /// Only members of the active view are to be listened to.
  void given(const node_life& from, const roster_page& page);
  void received(const node_life& by, const roster_receipt& receipt);
  /// Removes those whose node has been lost for longer than the grace period.
  void pass_time(mono_ms now);

  // Who is there.

  /// Null where nobody.
  const member* find(std::string_view connection) const;
  /// Connection ids; null where the user has none.
  const std::set<std::string, std::less<>>* connections_of(std::string_view user) const;
  const presence_map& all() const noexcept { return all_; }
  std::size_t entries() const noexcept { return own_.size() + all_.size() + changes_.size() + readers_.size(); }

private:
  /// Another node's part.
  struct part {
    node_life life;
    std::uint64_t version = 0;
    presence_map entries;
    presence_map coming; ///< A full list, as far as it has come.
    std::string coming_last;
    std::optional<mono_ms> lost_since;
  };
  /// What another node has of this one's.
  struct reader {
    node_life life;
    std::uint64_t version = 0;
    std::uint64_t page = 0; ///< The number of the last one.
    bool under_way = false; ///< It is not answered yet.
    bool listing = false;   ///< It is sent a full list, and has it up to `after`.
    std::string after;
    std::uint64_t to = 0; ///< What it has with the page, or list, that is under way.
  };
  struct change {
    std::uint64_t version;
    std::string connection;
  };

  void changed(std::string_view connection);
  void tell(reader& p);
  bool fits(std::size_t& bytes, const member& entry) const noexcept;
  roster_page next_changes(const reader& p) const;
  roster_page next_of_list(reader& p) const;
  void replace(part& p, presence_map entries);
  void recount(std::string_view connection);

  node_life self_;
  mesh_timing timing_;
  mesh_limits limits_;
  postman& post_;
  presence_map own_;
  std::uint64_t version_ = 0;
  std::deque<change> changes_; ///< The newest ones.
  std::map<std::string, part, std::less<>> parts_;
  std::map<std::string, reader, std::less<>> readers_; ///< Those with a link.
  presence_map all_;
  std::map<std::string, std::set<std::string, std::less<>>, std::less<>> by_user_;
};

} // namespace troupe::mesh
