#pragma once

#include "runtime/model/ids.hpp"
#include "runtime/model/mesh/hearing.hpp"
#include "runtime/model/mesh/messages.hpp"
#include "runtime/model/mesh/timing.hpp"
#include "runtime/model/mesh/view.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::mesh {

/// Agrees with the other nodes on one view after the other, in two steps: a node first installs a view, and tells its
/// members so; it acts by it once all of them have said the same. So no member acts by a view while another one has
/// not yet heard of it (view synchrony: Birman and Joseph, "Exploiting virtual synchrony in distributed systems",
/// 1987). A node installs only ever higher views, as an acceptor of Paxos takes only higher ballots (Lamport, "The
/// part-time parliament", 1998): of two issuers at the same time one wins everywhere.
class views {
public:
  views(node_life self, const mesh_timing& timing, mono_ms now);

  /// A heartbeat's view: installed if it has this node as a member and is higher than all before.
  void learn(const node_life& from, const view& theirs);
  void agreed_by(const node_life& who, const agreed& what);
  /// Issues a view where it is this node's turn and the one that is does not fit whom it hears.
  void decide(const hearing& ears, mono_ms now);
  /// Gives up the view: others may have gone on without this node.
  void step_down();

  /// The last one, active or not; without members where it was given up.
  const view& installed() const noexcept { return installed_; }
  /// What this node tells the members of the installed view.
  const agreed& agreement() const noexcept { return agreement_; }
  /// The view that this node acts by; null where there is none, and the node is not ready for clients.
  const view* active() const noexcept { return active_ ? &*active_ : nullptr; }
  /// A higher one is installed than is active: not everybody has agreed yet.
  bool pending() const noexcept { return !active_ || active_->id != installed_.id; }
  /// Whether a member acted by the same view as this node before the active one: what the two had begun goes on.
  bool together_before(std::string_view name) const;
  /// All of these, by name.
  const std::vector<std::string>& together() const noexcept { return together_; }
  /// Which view was active before; number 0: none was.
  const view_id& before() const noexcept { return before_; }

  std::size_t entries() const noexcept { return seen_.size() + agreements_.size() + together_.size(); }

private:
  struct sighting {
    node_life who;
    view_id id;
    bool given_up = false;
  };
  struct agreement_of {
    node_life who;
    agreed what;
  };

  void install(view next);
  void activate_if_agreed();
  bool fits(const std::vector<node_life>& members, const std::vector<std::string>& hosts) const;
  bool steady(const std::vector<node_life>& members, const std::vector<std::string>& hosts, mono_ms now);
  void prune(const hearing& ears);

  node_life self_;
  mesh_timing timing_;
  mono_ms born_;
  std::uint64_t highest_ = 0; ///< Of all numbers heard of.
  view installed_;
  agreed agreement_;
  std::optional<view> active_;
  std::map<std::string, sighting, std::less<>> seen_;           ///< What each node has installed.
  std::map<std::string, agreement_of, std::less<>> agreements_; ///< The last one of each.
  std::vector<std::string> together_;
  view_id before_;
  view wanted_; ///< Members and hosts only.
  std::optional<mono_ms> wanted_since_;
  std::optional<mono_ms> unfit_since_;
  std::optional<mono_ms> left_out_since_;
};

} // namespace troupe::mesh
