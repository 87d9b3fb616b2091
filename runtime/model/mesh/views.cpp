#include "runtime/model/mesh/views.hpp"

#include <algorithm>
#include <utility>

namespace troupe::mesh {

views::views(node_life self, const mesh_timing& timing, mono_ms now)
    : self_(std::move(self))
    , timing_(timing)
    , born_(now) {}

void views::learn(const node_life& from, const view& theirs) {
  if (!theirs.well_formed() || theirs.id.number > view_numbers_max)
    return;
  highest_ = std::max(highest_, theirs.id.number);
  seen_[from.name] = {from, theirs.id, theirs.members.empty()};
  if (theirs.has(self_) && theirs.id > installed_.id)
    install(theirs);
}

// It may come before the heartbeat with its view: so the last one of each node is kept, whatever it is for.
void views::agreed_by(const node_life& who, const agreed& what) {
  if (what.id.number > view_numbers_max)
    return;
  highest_ = std::max(highest_, what.id.number);
  agreements_[who.name] = {who, what};
  activate_if_agreed();
}

void views::install(view next) {
  agreement_ = {next.id, active_ ? active_->id : view_id{}};
  installed_ = std::move(next);
  agreements_[self_.name] = {self_, agreement_};
  activate_if_agreed();
}

void views::activate_if_agreed() {
  if (!pending() || installed_.members.empty())
    return;
  std::vector<std::string> together;
  for (const auto& member : installed_.members) {
    const auto at = agreements_.find(member.name);
    if (at == agreements_.end() || at->second.who != member || at->second.what.id != installed_.id)
      return;
    if (agreement_.before.number != 0 && at->second.what.before == agreement_.before)
      together.push_back(member.name);
  }
  together_ = std::move(together);
  before_ = agreement_.before;
  active_ = installed_;
}

bool views::together_before(std::string_view name) const {
  return std::binary_search(together_.begin(), together_.end(), name, std::less<>{});
}

// The number stays, so that nothing older is installed; the heartbeats say that the view is given up, and so its
// issuer makes another one.
void views::step_down() {
  active_.reset();
  installed_.members.clear();
  installed_.hosts.clear();
  together_.clear();
  before_ = {};
}

bool views::fits(const std::vector<node_life>& members, const std::vector<std::string>& hosts) const {
  if (installed_.members != members || installed_.hosts != hosts)
    return false;
  return std::none_of(members.begin(), members.end(), [&](const node_life& who) {
    const auto at = seen_.find(who.name);
    if (at == seen_.end() || at->second.who != who)
      return false;
    return at->second.id > installed_.id || (at->second.id == installed_.id && at->second.given_up);
  });
}

// Nodes that start together, or meet again after a split, are to make one view and not one each. Where the wish
// changes all the time one is issued all the same.
bool views::steady(const std::vector<node_life>& members, const std::vector<std::string>& hosts, mono_ms now) {
  if (!unfit_since_)
    unfit_since_ = now;
  if (!wanted_since_ || wanted_.members != members || wanted_.hosts != hosts) {
    wanted_.members = members;
    wanted_.hosts = hosts;
    wanted_since_ = now;
  }
  return now - *wanted_since_ >= timing_.steady_ms || now - *unfit_since_ >= 5 * timing_.steady_ms;
}

void views::prune(const hearing& ears) {
  const auto unknown = [&](const auto& entry) {
    return !ears.knows(entry.first) && installed_.find(entry.first) == nullptr;
  };
  std::erase_if(seen_, unknown);
  std::erase_if(agreements_, unknown);
}

void views::decide(const hearing& ears, mono_ms now) {
  prune(ears);
  const auto members = ears.clique(now);
  if (!std::binary_search(members.begin(), members.end(), self_)) {
    if (!left_out_since_)
      left_out_since_ = now;
    if (now - *left_out_since_ >= timing_.left_out_ms && active_)
      step_down();
    return;
  }
  left_out_since_.reset();
  if (members.front() != self_)
    return; // the lowest issues
  const auto hosts = ears.hosts(members);
  if (fits(members, hosts)) {
    wanted_since_.reset();
    unfit_since_.reset();
    return;
  }
  const bool alone = members.size() == 1 && installed_.id.number == 0;
  if (!steady(members, hosts, now) || (alone && now - born_ < timing_.alone_ms))
    return;
  wanted_since_.reset();
  unfit_since_.reset();
  install({{++highest_, self_}, members, hosts});
}

} // namespace troupe::mesh
