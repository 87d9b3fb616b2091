#include "runtime/model/presence.hpp"

#include <tuple>
#include <utility>

namespace troupe {

namespace {

auto age_of(const member& m) noexcept { return std::tie(m.incarnation, m.version); }

/// Decides between entries that claim the same age: any total order over the rest will do, as long as all nodes use it.
auto content_of(const member& m) noexcept {
  return std::tie(m.gone, m.state, m.node, m.user, m.since, m.told, m.connection);
}

/// Whether those who were told of `a` see another thing in `b`.
bool looks_different(const member& a, const member& b) {
  return std::tie(a.state, a.node, a.user) != std::tie(b.state, b.node, b.user);
}

void add(std::vector<member_ptr>& entries, std::size_t& more, std::size_t entries_max, const member_ptr& who) {
  if (entries.size() < entries_max)
    entries.push_back(who);
  else
    ++more;
}

} // namespace

const member& newer(const member& a, const member& b) noexcept {
  if (age_of(a) != age_of(b))
    return age_of(a) < age_of(b) ? b : a;
  return content_of(a) < content_of(b) ? b : a;
}

presence_map merge(const presence_map& a, const presence_map& b) {
  auto result = a;
  for (const auto& [connection, theirs] : b) {
    auto [it, added] = result.try_emplace(connection, theirs);
    if (!added)
      it->second = newer(it->second, theirs);
  }
  return result;
}

presence::outcome presence::tell(change what, member_ptr who, member_ptr before, std::size_t size, mono_ms now) {
  if (!gathers(size))
    return {what, true, std::move(who)};
  if (before_.empty())
    gathering_since_ = now;
  before_.try_emplace(who->connection, std::move(before)); // the first one is what the others know
  return {what, false, std::move(who)};
}

presence::outcome presence::join(member who, mono_ms now) {
  auto it = members_.find(who.connection);
  if (it != members_.end()) {
    const auto& old = *it->second;
    if (age_of(who) < age_of(old))
      return {};
    who.since = old.since;
    it->second = std::make_shared<const member>(std::move(who));
    return {change::none, false, it->second};
  }
  auto added = std::make_shared<const member>(std::move(who));
  members_.emplace(added->connection, added);
  return tell(change::joined, added, nullptr, members_.size(), now);
}

presence::outcome presence::update(std::string_view connection, std::string state, mono_ms now) {
  auto it = members_.find(connection);
  if (it == members_.end())
    return {};
  auto old = it->second;
  auto changed = *old;
  changed.state = std::move(state);
  ++changed.version;
  it->second = std::make_shared<const member>(std::move(changed));
  return tell(change::updated, it->second, std::move(old), members_.size(), now);
}

presence::outcome presence::leave(std::string_view connection, std::uint64_t incarnation, mono_ms now) {
  auto it = members_.find(connection);
  if (it == members_.end() || it->second->incarnation > incarnation)
    return {};
  auto who = it->second;
  auto size = members_.size();
  members_.erase(it);
  return tell(change::left, who, who, size, now);
}

std::vector<presence::outcome> presence::leave_node(std::string_view node, mono_ms now) {
  std::vector<member_ptr> lost;
  for (const auto& entry : members_)
    if (entry.second->node == node)
      lost.push_back(entry.second);
  std::vector<outcome> result;
  result.reserve(lost.size());
  for (const auto& who : lost)
    result.push_back(leave(who->connection, who->incarnation, now));
  return result;
}

bool presence::adopt(member who) {
  auto it = members_.find(who.connection);
  if (it == members_.end()) {
    auto added = std::make_shared<const member>(std::move(who));
    members_.emplace(added->connection, added);
    return true;
  }
  if (&newer(*it->second, who) != &who)
    return *it->second == who;
  it->second = std::make_shared<const member>(std::move(who));
  return true;
}

std::optional<mono_ms> presence::next_diff() const noexcept {
  if (before_.empty())
    return std::nullopt;
  return gathering_since_ + bounds_.interval_ms;
}

std::optional<presence_diff> presence::take_diff(mono_ms now) {
  auto due = next_diff();
  if (!due || now < *due)
    return std::nullopt;
  presence_diff diff;
  for (const auto& [connection, before] : before_) {
    auto it = members_.find(connection);
    if (it == members_.end()) {
      if (before) // otherwise it came and went
        add(diff.leaves, diff.more_leaves, bounds_.entries_max, before);
    } else if (!before) {
      add(diff.joins, diff.more_joins, bounds_.entries_max, it->second);
    } else if (looks_different(*before, *it->second)) {
      add(diff.updates, diff.more_updates, bounds_.entries_max, it->second);
    }
  }
  before_.clear();
  if (diff.joins.empty() && diff.leaves.empty() && diff.updates.empty())
    return std::nullopt;
  return diff;
}

presence::page presence::list(std::string_view after, std::size_t entries_max) const {
  page result;
  auto it = after.empty() ? members_.begin() : members_.upper_bound(after);
  for (; it != members_.end() && result.members.size() < entries_max; ++it)
    result.members.push_back(it->second);
  result.more = it != members_.end();
  return result;
}

member_ptr presence::find(std::string_view connection) const {
  auto it = members_.find(connection);
  return it == members_.end() ? nullptr : it->second;
}

} // namespace troupe
