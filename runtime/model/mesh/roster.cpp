#include "runtime/model/mesh/roster.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace troupe::mesh {

namespace {

/// So many changes are remembered, or as many as there are connections where that is more: whoever is further behind
/// is given a full list, which is shorter.
constexpr std::size_t changes_kept = 256;

} // namespace

roster::roster(node_life self, const mesh_timing& timing, const mesh_limits& limits, postman& post)
    : self_(std::move(self))
    , timing_(timing)
    , limits_(limits)
    , post_(post) {}

// -- this node's part

void roster::add(member who) {
  const auto connection = who.connection;
  own_.insert_or_assign(connection, std::move(who));
  changed(connection);
}

void roster::remove(std::string_view connection) {
  const auto at = own_.find(connection);
  if (at == own_.end())
    return;
  const auto name = at->first;
  own_.erase(at);
  changed(name);
}

void roster::changed(std::string_view connection) {
  changes_.push_back({++version_, std::string{connection}});
  while (changes_.size() > std::max(changes_kept, own_.size()))
    changes_.pop_front();
  recount(connection);
  for (auto& [node, p] : readers_)
    tell(p);
}

// -- what the others have of it

void roster::tell(reader& p) {
  if (p.under_way || (p.version == version_ && !p.listing))
    return;
  p.under_way = true;
  const bool too_long_ago = changes_.empty() || p.version + 1 < changes_.front().version || p.version > version_;
  auto page = p.listing || p.version == 0 || too_long_ago ? next_of_list(p) : next_changes(p);
  p.to = page.to;
  page.number = ++p.page;
  post_.post(p.life, std::move(page));
}

/// Whether a page with so many bytes takes an entry too; then they are more.
bool roster::fits(std::size_t& bytes, const member& entry) const noexcept {
  const auto more =
      entry.connection.size() + entry.state.size() + entry.node.size() + (entry.user ? entry.user->size() : 0);
  if (bytes != 0 && bytes + more > limits_.page_bytes_max)
    return false;
  bytes += more;
  return true;
}

roster_page roster::next_changes(const reader& p) const {
  roster_page page;
  page.from = page.to = p.version;
  std::set<std::string_view> told;
  const auto first = p.version + 1 - changes_.front().version;
  std::size_t bytes = 0;
  for (auto i = first; i < changes_.size() && told.size() < limits_.page_entries_max; ++i) {
    const auto at = own_.find(changes_[i].connection);
    if (at != own_.end() && !told.contains(at->first) && !fits(bytes, at->second))
      break;
    page.to = changes_[i].version;
    if (!told.insert(changes_[i].connection).second)
      continue;
    if (at != own_.end()) {
      page.entries.push_back(at->second);
    } else {
      page.entries.emplace_back().connection = changes_[i].connection;
      page.entries.back().gone = true;
    }
  }
  return page;
}

// What changes while the list is on its way comes again afterwards, as changes since the list began.
roster_page roster::next_of_list(reader& p) const {
  roster_page page;
  page.full = true;
  if (!p.listing) {
    p.listing = true;
    p.after.clear();
    p.to = version_;
  }
  page.after = p.after;
  page.to = p.to;
  auto at = p.after.empty() ? own_.begin() : own_.upper_bound(p.after);
  std::size_t bytes = 0;
  for (; at != own_.end() && page.entries.size() < limits_.page_entries_max && fits(bytes, at->second); ++at)
    page.entries.push_back(at->second);
  page.more = at != own_.end();
  return page;
}

void roster::received(const node_life& by, const roster_receipt& receipt) {
  const auto at = readers_.find(by.name);
  if (at == readers_.end() || at->second.life != by)
    return;
  auto& p = at->second;
  if (receipt.page != 0 && (receipt.page != p.page || !p.under_way))
    return;
  p.under_way = false;
  p.listing = p.listing && !receipt.after.empty();
  p.after = receipt.after;
  if (!p.listing)
    p.version = receipt.version;
  tell(p);
}

// -- the others' parts

void roster::given(const node_life& from, const roster_page& page) {
  auto& p = parts_[from.name];
  if (from.incarnation < p.life.incarnation)
    return;
  if (p.life != from) {
    replace(p, {}); // who was with its life before went with that
    p = part{};
    p.life = from;
  }
  if (!page.full && p.version == page.from) {
    for (const auto& entry : page.entries) {
      if (entry.gone)
        p.entries.erase(entry.connection);
      else
        p.entries.insert_or_assign(entry.connection, entry);
      recount(entry.connection);
    }
    p.version = page.to;
  } else if (page.full && (page.after.empty() || page.after == p.coming_last)) {
    if (page.after.empty())
      p.coming.clear();
    for (const auto& entry : page.entries)
      p.coming.insert_or_assign(entry.connection, entry);
    p.coming_last = p.coming.empty() ? std::string{} : p.coming.rbegin()->first;
    if (page.more)
      return post_.post(from, roster_receipt{page.number, 0, p.coming_last});
    replace(p, std::exchange(p.coming, {}));
    p.coming_last.clear();
    p.version = page.to;
  }
  post_.post(from, roster_receipt{page.number, p.version, {}});
}

void roster::replace(part& p, presence_map entries) {
  std::swap(p.entries, entries);
  for (const auto& [connection, who] : entries)
    recount(connection);
  for (const auto& [connection, who] : p.entries)
    recount(connection);
}

void roster::link_up(const node_life& peer) {
  auto& p = readers_[peer.name];
  p = {};
  p.life = peer;
}

void roster::link_lost(const std::string& node) { readers_.erase(node); }

void roster::activated(const view& active, mono_ms now) {
  for (auto& [node, p] : parts_) {
    const auto* there = active.find(node);
    if (there != nullptr)
      p.lost_since.reset();
    else if (!p.lost_since)
      p.lost_since = now;
  }
  for (const auto& member : active.members)
    if (member.name != self_.name)
      ask(member);
}

void roster::ask(const node_life& who) {
  const auto at = parts_.find(who.name);
  const bool known = at != parts_.end() && at->second.life == who;
  post_.post(who, roster_receipt{0, known ? at->second.version : 0, {}});
}

void roster::stepped_down(mono_ms now) {
  for (auto& [node, p] : parts_)
    if (!p.lost_since)
      p.lost_since = now;
}

void roster::pass_time(mono_ms now) {
  for (auto at = parts_.begin(); at != parts_.end();) {
    auto& p = at->second;
    if (!p.lost_since || now - *p.lost_since < timing_.grace_ms) {
      ++at;
      continue;
    }
    replace(p, {});
    at = parts_.erase(at);
  }
}

// -- who is there

void roster::recount(std::string_view connection) {
  const member* best = nullptr;
  const auto look = [&](const presence_map& in) {
    if (const auto at = in.find(connection); at != in.end())
      best = best == nullptr ? &at->second : &newer(*best, at->second);
  };
  look(own_);
  for (const auto& [node, p] : parts_)
    look(p.entries);
  const std::string name{connection};
  if (const auto at = all_.find(name); at != all_.end()) {
    if (const auto& user = at->second.user) {
      const auto known = by_user_.find(*user);
      known->second.erase(name);
      if (known->second.empty())
        by_user_.erase(known);
    }
    all_.erase(at);
  }
  if (best == nullptr)
    return;
  all_.emplace(name, *best);
  if (best->user)
    by_user_[*best->user].insert(name);
}

const member* roster::find(std::string_view connection) const {
  const auto at = all_.find(connection);
  return at == all_.end() ? nullptr : &at->second;
}

const std::set<std::string, std::less<>>* roster::connections_of(std::string_view user) const {
  const auto at = by_user_.find(user);
  return at == by_user_.end() ? nullptr : &at->second;
}

} // namespace troupe::mesh
