#include "transports/mesh/guest_list.hpp"

namespace troupe::mesh {

std::string_view to_string(guest_list::verdict v) noexcept {
  constexpr std::string_view names[] = {"welcome", "self", "name", "node", "duplicate", "replaces"};
  return names[static_cast<std::size_t>(v)];
}

guest_list::verdict guest_list::decide(const peer& who, mono_ms now) const {
  const bool ours = who.who.node == self_.node;
  if (who.who.name == self_.name)
    return ours && who.who.incarnation == self_.incarnation ? verdict::self : verdict::name;
  if (ours)
    return verdict::node;
  for (const auto& [name, guest] : guests_)
    if (name != who.who.name && guest.who.who.node == who.who.node)
      return verdict::node;
  const auto found = guests_.find(who.who.name);
  if (found == guests_.end())
    return verdict::welcome;
  const auto& there = found->second;
  if (who.who.incarnation != there.who.who.incarnation)
    return who.who.incarnation > there.who.who.incarnation ? verdict::replaces : verdict::name;
  const bool crossing = who.accepted != there.who.accepted && now - there.since <= crossing_ms_max;
  const bool made_by_lower = who.accepted == (who.who.name < self_.name);
  return crossing && made_by_lower ? verdict::replaces : verdict::duplicate;
}

} // namespace troupe::mesh
