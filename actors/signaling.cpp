#include "actors/signaling.hpp"

#include "actors/answers.hpp"
#include "actors/node.hpp"

namespace troupe {

signaling::signaling(caf::actor_config& cfg, loop* home, local_node& owner)
    : pinned_actor(cfg, home)
    , node_(owner) {}

signaling_handle::behavior_type signaling::make_behavior() {
  node_.observe(*this);
  return {
      [this](const std::shared_ptr<const signal_notice>& what) { noticed(*what); },
      [this](gone_atom, const std::shared_ptr<const troupe::sender>& who) { gone(who); },
  };
}

void signaling::noticed(const signal_notice& what) {
  const auto& from = what.from->connection;
  if (what.bye)
    return forget(from, what.to);
  const auto known = peers_.find(from);
  if (known != peers_.end() && known->second.contains(what.to))
    return;
  const auto full = [this](const std::string& who) {
    const auto at = peers_.find(who);
    return at != peers_.end() && at->second.size() >= peers_max;
  };
  if (full(from) || full(what.to))
    return node_.pressure("signaling_peers_limit", from);
  peers_[from].insert(what.to);
  peers_[what.to].insert(from);
}

void signaling::forget(const std::string& a, const std::string& b) {
  const auto drop = [this](const std::string& of, const std::string& who) {
    if (const auto at = peers_.find(of); at != peers_.end()) {
      at->second.erase(who);
      if (at->second.empty())
        peers_.erase(at);
    }
  };
  drop(a, b);
  drop(b, a);
}

void signaling::gone(const std::shared_ptr<const troupe::sender>& who) {
  const auto known = peers_.find(who->connection);
  if (known == peers_.end())
    return;
  const auto peers = known->second;
  for (const auto& peer : peers) {
    forget(who->connection, peer);
    if (const auto there = node_.people.find(peer))
      send(there->handle, plain_message("signal:bye", {}, target_kind::connection, peer, R"({"reason":"gone"})", who));
  }
}

} // namespace troupe
