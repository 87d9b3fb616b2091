#include "runtime/model/mesh/mesh_node.hpp"

#include <algorithm>
#include <utility>

namespace troupe::mesh {

mesh_node::mesh_node(node_life self, const mesh_timing& timing, const mesh_limits& limits, host& outside, mono_ms now)
    : self_(std::move(self))
    , timing_(timing)
    , host_(outside)
    , hearing_(self_, timing, limits.nodes_max)
    , views_(self_, timing, now)
    , homes_(self_, timing, limits, *this, outside)
    , following_(self_, timing, *this, outside)
    , publishing_(timing, limits, *this, outside)
    , claims_(limits, *this, outside)
    , roster_(self_, timing, limits, *this)
    , last_(now) {}

std::size_t mesh_node::entries() const noexcept {
  return hearing_.entries() + views_.entries() + homes_.entries() + following_.entries() + publishing_.held() +
         claims_.entries() + roster_.entries() + links_.size();
}

// A node that was stopped for as long as it takes to be given up does not know what the others did meanwhile: it gives
// up its view before it does anything else.
void mesh_node::enter(mono_ms now) {
  if (now - last_ > timing_.lost_ms) {
    hearing_.forget_all();
    views_.step_down();
  }
  last_ = now;
  settle(now);
  homes_.pass_time(now);
  settle(now);
}

/// One thing after the other: what comes of a call is done with before the next one.
template <class F>
void mesh_node::in_turn(mono_ms now, F what) {
  const bool first = !std::exchange(in_turn_, true);
  if (first)
    enter(now);
  what();
  if (first) {
    settle(now);
    in_turn_ = false;
  }
}

void mesh_node::settle(mono_ms now) {
  while (notice_views(now) || !to_self_.empty()) {
    if (to_self_.empty())
      continue;
    auto next = std::move(to_self_.front());
    to_self_.pop_front();
    take(self_, std::move(next), now);
  }
}

void mesh_node::post(const node_life& to, message what) {
  const auto link = links_.find(to.name);
  if (to == self_)
    to_self_.push_back(std::move(what));
  else if (link != links_.end() && link->second == to)
    host_.send(to.name, std::move(what));
}

void mesh_node::tick(mono_ms now) {
  in_turn(now, [&] {
    hearing_.expire(now);
    views_.decide(hearing_, now);
    settle(now);
    following_.pass_time(views_.active(), now);
    publishing_.pass_time(now);
    roster_.pass_time(now);
    gossip_claims(now);
    send_heartbeats(now);
  });
}

void mesh_node::gossip_claims(mono_ms now) {
  if (views_.active() == nullptr)
    return;
  claims_.tell_news(*views_.active(), self_);
  if (now - compared_at_ < timing_.compare_ms)
    return;
  compared_at_ = now;
  claims_.compare_with_next(*views_.active(), self_);
}

void mesh_node::send_heartbeats(mono_ms now) {
  const heartbeat beat{hearing_.rows(now), views_.installed()};
  for (const auto& [node, life] : links_)
    host_.send(node, beat);
}

// -- views

bool mesh_node::notice_views(mono_ms now) {
  const auto* active = views_.active();
  if (active == nullptr && active_.number != 0)
    return view_given_up(now), true;
  if (views_.installed().id != installed_)
    return view_installed(now), true;
  if (active != nullptr && active->id != active_)
    return view_activated(now), true;
  return false;
}

// Behind everything that was sent by the views before, so that each member knows then that it has all of it.
void mesh_node::view_installed(mono_ms now) {
  const auto& next = views_.installed();
  installed_ = next.id;
  for (const auto& member : next.members)
    if (member != self_)
      post(member, views_.agreement());
  homes_.installed(next, now);
  send_heartbeats(now);
  release_publishers();
}

void mesh_node::view_activated(mono_ms now) {
  const auto& active = *views_.active();
  active_ = active.id;
  host_.view_changed(&active);
  homes_.activated(views_, now);
  following_.activated(views_, now);
  roster_.activated(active, now);
  for (const auto& member : active.members)
    if (member != self_)
      claims_.compare_with(member);
  release_publishers();
}

void mesh_node::view_given_up(mono_ms now) {
  active_ = {};
  homes_.stepped_down();
  following_.stepped_down();
  roster_.stepped_down(now);
  release_publishers();
  host_.view_changed(nullptr);
}

publishing::reachable mesh_node::reachable() const {
  return [this](const node_life& node) {
    const auto link = links_.find(node.name);
    return node == self_ || (link != links_.end() && link->second == node);
  };
}

void mesh_node::release_publishers() { publishing_.changed(views_, reachable()); }

// -- links

void mesh_node::link_up(const node_life& peer, mono_ms now) {
  if (peer.name == self_.name)
    return; // somebody has its name
  in_turn(now, [&] {
    if (links_.contains(peer.name))
      lose(peer.name);
    links_[peer.name] = peer;
    post(peer, heartbeat{hearing_.rows(now), views_.installed()});
    if (views_.installed().has(peer))
      post(peer, views_.agreement());
    homes_.link_up(peer);
    following_.link_up(peer, views_.active(), now);
    roster_.link_up(peer);
    if (views_.active() != nullptr)
      roster_.ask(peer);
    claims_.compare_with(peer);
    release_publishers();
  });
}

void mesh_node::link_lost(const std::string& node, mono_ms now) {
  in_turn(now, [&] { lose(node); });
}

void mesh_node::lose(const std::string& node) {
  links_.erase(node);
  homes_.link_lost(node);
  following_.link_lost(node);
  roster_.link_lost(node);
}

void mesh_node::receive(const node_life& from, message what, mono_ms now) {
  in_turn(now, [&] {
    const auto link = links_.find(from.name);
    if (link != links_.end() && link->second == from)
      take(from, std::move(what), now);
  });
}

namespace {

template <class... Ts>
struct overloaded : Ts... {
  using Ts::operator()...;
};

} // namespace

void mesh_node::take(const node_life& from, message what, mono_ms now) {
  const auto* active = views_.active();
  std::visit(overloaded{
                 [&](heartbeat& m) {
                   if (m.rows.empty() || m.rows.front().who != from)
                     return;
                   hearing_.heard(m.rows, now);
                   views_.learn(from, m.installed);
                 },
                 [&](agreed& m) { views_.agreed_by(from, m); },
                 [&](settled& m) { homes_.settled_by(from, m); },
                 [&](goodbye&) { hearing_.gone(from, now); },
                 [&](attach& m) { homes_.attach_asked(from, std::move(m)); },
                 [&](attached& m) { following_.answered(from, m); },
                 [&](detach& m) { homes_.detached(from.name, m.room); },
                 [&](frames& m) { following_.heard(from, m); },
                 [&](renewed& m) { following_.renewed_by(from, m); },
                 [&](mesh::publish& m) { homes_.published(from, std::move(m)); },
                 [&](refused& m) { host_.refuse(m.room, m.id); },
                 [&](hand_over& m) { homes_.handed_over(std::move(m)); },
                 [&](snapshot& m) { homes_.given_snapshot(std::move(m)); },
                 [&](claims_digest& m) { claims_.compared(from, m); },
                 [&](claims_page& m) { claims_.given(from, m); },
                 [&](claims_request& m) { claims_.asked(from, m); },
                 [&](roster_page& m) {
                   if (active != nullptr && active->has(from))
                     roster_.given(from, m);
                 },
                 [&](roster_receipt& m) { roster_.received(from, m); },
             },
             what);
}

// -- publishers, fan-outs, rooms

void mesh_node::publish(const std::string& room, std::uint64_t id, cargo what, mono_ms now) {
  in_turn(now, [&] { publishing_.publish(room, id, std::move(what), views_, reachable(), now); });
}

void mesh_node::follow(const std::string& room, mono_ms now) {
  in_turn(now, [&] { following_.follow(room, views_.active(), now); });
}

void mesh_node::unfollow(const std::string& room, mono_ms now) {
  in_turn(now, [&] { following_.unfollow(room); });
}

void mesh_node::say(const std::string& node, message what, mono_ms now) {
  in_turn(now, [&] {
    if (node == self_.name)
      to_self_.push_back(std::move(what));
    else if (links_.contains(node))
      host_.send(node, std::move(what));
  });
}

void mesh_node::sealed(const std::string& room, room_state state, mono_ms now) {
  in_turn(now, [&] { homes_.sealed(room, std::move(state)); });
}

void mesh_node::took_snapshot(const std::string& room, room_state state, mono_ms now) {
  in_turn(now, [&] { homes_.took_snapshot(room, std::move(state)); });
}

void mesh_node::ended(const std::string& room, mono_ms now) {
  in_turn(now, [&] { homes_.ended(room); });
}

void mesh_node::claim_name(const claim& what, bool tell_others, mono_ms now) {
  in_turn(now, [&] { claims_.add(what, tell_others); });
}

void mesh_node::connected(member who, mono_ms now) {
  in_turn(now, [&] { roster_.add(std::move(who)); });
}

void mesh_node::disconnected(std::string_view connection, mono_ms now) {
  in_turn(now, [&] { roster_.remove(connection); });
}

// -- leaving

void mesh_node::leave(mono_ms now) {
  in_turn(now, [&] {
    leaving_ = true;
    hearing_.leave();
    send_heartbeats(now);
  });
}

bool mesh_node::may_leave() const {
  const auto* active = views_.active();
  const bool hosts = active != nullptr && std::binary_search(active->hosts.begin(), active->hosts.end(), self_.name);
  return leaving_ && !hosts && !views_.pending() && homes_.empty() && publishing_.held() == 0;
}

void mesh_node::part(mono_ms now) {
  in_turn(now, [&] {
    for (const auto& [node, life] : links_)
      host_.send(node, goodbye{});
  });
}

} // namespace troupe::mesh
