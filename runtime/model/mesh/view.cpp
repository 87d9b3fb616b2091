#include "runtime/model/mesh/view.hpp"

#include "runtime/model/rendezvous.hpp"

#include <algorithm>

namespace troupe::mesh {

bool view::well_formed() const noexcept {
  const auto rise = [](const auto& list, auto name_of) {
    return std::adjacent_find(list.begin(), list.end(),
                              [&](const auto& a, const auto& b) { return name_of(a) >= name_of(b); }) == list.end();
  };
  return rise(members, [](const node_life& who) -> const std::string& { return who.name; }) &&
         rise(hosts, [](const std::string& name) -> const std::string& { return name; }) &&
         std::all_of(hosts.begin(), hosts.end(), [this](const auto& host) { return find(host) != nullptr; });
}

bool view::has(const node_life& who) const noexcept {
  const auto* there = find(who.name);
  return there != nullptr && *there == who;
}

const node_life* view::find(std::string_view name) const noexcept {
  const auto at = std::lower_bound(members.begin(), members.end(), name,
                                   [](const node_life& a, std::string_view b) { return a.name < b; });
  return at != members.end() && at->name == name ? &*at : nullptr;
}

const node_life* view::home_of(std::string_view room) const noexcept {
  return hosts.empty() ? nullptr : find(hosts[troupe::home_of(room, hosts)]);
}

const node_life* view::successor_of(std::string_view room) const {
  return hosts.size() < 2 ? nullptr : find(hosts[ranked_homes(room, hosts)[1]]);
}

std::string text_of(const epoch_id& epoch) {
  // The issuer's name may have other characters than letters and digits: its hash stands for it.
  return std::to_string(epoch.view.number) + 'i' + std::to_string(epoch.view.issuer.incarnation) + 'n' +
         std::to_string(stable_hash(epoch.view.issuer.name)) + 's' + std::to_string(epoch.serial);
}

} // namespace troupe::mesh
