#pragma once

#include "actors/interfaces.hpp"
#include "runtime/system/pinned_actor.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace troupe {

struct local_node;

/// A signal passed from one connection to another.
struct signal_notice {
  std::shared_ptr<const sender> from;
  std::string to;
  bool bye = false;
};

/// Remembers who signals with whom: a peer whose connection ends without `signal:bye` is missed by
/// nobody's WebRTC stack for many seconds, so those who were in touch with it are told at once. Bounded: past
/// `peers_max` a connection's further contacts are not remembered.
class signaling : public pinned_actor<signaling_handle> {
public:
  static constexpr std::size_t peers_max = 256;

  signaling(caf::actor_config& cfg, loop* home, local_node& owner);
  const char* name() const override { return "signaling"; }
  signaling_handle::behavior_type make_behavior() override;

private:
  void noticed(const signal_notice& what);
  void gone(const std::shared_ptr<const troupe::sender>& who);
  void forget(const std::string& a, const std::string& b);

  local_node& node_;
  std::unordered_map<std::string, std::unordered_set<std::string>> peers_; ///< Both ways.
};

} // namespace troupe
