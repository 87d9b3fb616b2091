#include "runtime/model/mesh/hearing.hpp"

#include <algorithm>
#include <utility>

namespace troupe::mesh {

namespace {

/// Who hears whom, both ways, among some nodes; `nodes[0]` is where it is looked from.
class graph {
public:
  void add(const node_life& who, const std::vector<node_life>& hears) { nodes_.push_back({who, &hears}); }

  bool joined(std::size_t a, std::size_t b) const {
    return a == b || (contains(*nodes_[a].hears, nodes_[b].who) && contains(*nodes_[b].hears, nodes_[a].who));
  }

  /// Those to which a way leads from the first, it included; by name.
  std::vector<std::size_t> group() const {
    std::vector<std::size_t> found{0};
    for (std::size_t at = 0; at < found.size(); ++at)
      for (std::size_t next = 0; next < nodes_.size(); ++next)
        if (joined(found[at], next) && std::find(found.begin(), found.end(), next) == found.end())
          found.push_back(next);
    std::sort(found.begin(), found.end(), [&](auto a, auto b) { return nodes_[a].who < nodes_[b].who; });
    return found;
  }

  /// How many of the set do not hear this one, or are not heard by it.
  std::size_t missing(std::size_t one, const std::vector<std::size_t>& set) const {
    return static_cast<std::size_t>(
        std::count_if(set.begin(), set.end(), [&](auto other) { return !joined(one, other); }));
  }

  const node_life& who(std::size_t at) const { return nodes_[at].who; }

private:
  struct node {
    node_life who;
    const std::vector<node_life>* hears;
  };
  static bool contains(const std::vector<node_life>& in, const node_life& who) {
    return std::find(in.begin(), in.end(), who) != in.end();
  }
  std::vector<node> nodes_;
};

} // namespace

hearing::hearing(node_life self, const mesh_timing& timing, std::size_t nodes_max)
    : self_(std::move(self))
    , timing_(timing)
    , nodes_max_(nodes_max) {}

void hearing::heard(const std::vector<hearing_row>& rows, mono_ms now) {
  if (rows.empty() || rows.front().who.name == self_.name)
    return;
  const auto& from = rows.front().who;
  if (has_ended(from))
    return;
  const auto known = peers_.find(from.name);
  if (known != peers_.end() && from.incarnation < known->second.life.incarnation)
    return; // late words of an earlier life
  if (known == peers_.end() && peers_.size() + 1 >= nodes_max_)
    return;
  auto& p = peers_[from.name];
  if (p.life != from || now - p.last > timing_.lost_ms)
    p = {from, now, now};
  p.last = now;
  for (const auto& row : rows)
    learn(row, now);
}

void hearing::learn(const hearing_row& row, mono_ms now) {
  if (row.who.name == self_.name) {
    superseded_ = superseded_ || row.who.incarnation > self_.incarnation;
    return;
  }
  if (has_ended(row.who) || row.age_ms < 0 || row.age_ms > timing_.lost_ms || row.hears.size() > nodes_max_)
    return;
  const auto made = now - row.age_ms;
  const auto known = rows_.find(row.who.name);
  if (known == rows_.end()) {
    if (rows_.size() + 1 < nodes_max_)
      rows_.emplace(row.who.name, known_row{row, made});
    return;
  }
  const auto& old = known->second.row;
  if (std::pair{old.who.incarnation, old.version} < std::pair{row.who.incarnation, row.version})
    known->second = {row, made};
}

void hearing::gone(const node_life& who, mono_ms now) {
  endings_[who.name] = {who.incarnation, now};
  if (const auto at = peers_.find(who.name); at != peers_.end() && at->second.life == who)
    peers_.erase(at);
  if (const auto at = rows_.find(who.name); at != rows_.end() && at->second.row.who == who)
    rows_.erase(at);
}

bool hearing::has_ended(const node_life& who) const {
  const auto at = endings_.find(who.name);
  return at != endings_.end() && who.incarnation <= at->second.incarnation;
}

void hearing::expire(mono_ms now) {
  std::erase_if(endings_, [&](const auto& e) { return now - e.second.at > 2 * timing_.lost_ms; });
  std::erase_if(peers_, [&](const auto& p) { return now - p.second.last > timing_.lost_ms; });
  std::erase_if(rows_, [&](const auto& r) { return now - r.second.made > timing_.lost_ms; });
}

void hearing::forget_all() {
  peers_.clear();
  rows_.clear();
}

// Who was lost counts again only after a while, so that a link that comes and goes does not bring a view each time.
std::vector<node_life> hearing::hears(mono_ms now) const {
  std::vector<node_life> result;
  for (const auto& [name, p] : peers_)
    if (now - p.last <= timing_.lost_ms && p.last - p.since >= timing_.settle_ms)
      result.push_back(p.life);
  return result;
}

std::vector<hearing_row> hearing::rows(mono_ms now) {
  std::vector<hearing_row> result;
  result.push_back({self_, ++version_, 0, leaving_, hears(now)});
  for (const auto& [name, known] : rows_) {
    if (now - known.made > timing_.lost_ms)
      continue;
    result.push_back(known.row);
    result.back().age_ms = now - known.made;
  }
  return result;
}

// Finding the largest clique is NP-hard. Here nearly all hear each other, so who misses the most of the rest is let
// go until nobody misses anybody (of equals the highest name), and then whoever fits after all is taken back.
std::vector<node_life> hearing::clique(mono_ms now) const {
  graph g;
  const auto mine = hears(now);
  g.add(self_, mine);
  for (const auto& [name, known] : rows_)
    if (now - known.made <= timing_.lost_ms)
      g.add(known.row.who, known.row.hears);
  auto chosen = g.group();
  std::vector<std::size_t> dropped;
  while (!chosen.empty()) {
    auto worst = chosen.begin();
    std::size_t most = 0;
    for (auto at = chosen.begin(); at != chosen.end(); ++at)
      if (const auto missing = g.missing(*at, chosen); missing >= most) {
        most = missing;
        worst = at;
      }
    if (most == 0)
      break;
    dropped.push_back(*worst);
    chosen.erase(worst);
  }
  std::sort(dropped.begin(), dropped.end(), [&](auto a, auto b) { return g.who(a) < g.who(b); });
  for (const auto one : dropped)
    if (g.missing(one, chosen) == 0)
      chosen.push_back(one);
  std::vector<node_life> result;
  for (const auto at : chosen)
    result.push_back(g.who(at));
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<std::string> hearing::hosts(const std::vector<node_life>& clique) const {
  std::vector<std::string> result;
  for (const auto& who : clique) {
    const auto known = rows_.find(who.name);
    if (who.name == self_.name ? !leaving_ : known != rows_.end() && !known->second.row.leaving)
      result.push_back(who.name);
  }
  return result;
}

} // namespace troupe::mesh
