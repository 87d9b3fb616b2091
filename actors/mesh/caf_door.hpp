#pragma once

#include "actors/mesh/door.hpp"
#include "actors/mesh/link_actor.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>

namespace troupe::mesh {

/// How CAF notices that a peer is gone where its socket does not say so.
struct heartbeat_settings {
  std::chrono::milliseconds interval{1'000};
  std::chrono::milliseconds timeout{3'000};
};

/// Loads CAF's network layer for a mesh: no port, no automatic connections, no threads of its own but one; heartbeats,
/// which CAF 0.17.6 ships with off.
void configure_network(caf::actor_system_config& settings, const heartbeat_settings& heartbeats);

/// The gate's way to CAF: hands one end of a socket pair to CAF's network layer for each connection, and keeps one link
/// actor for each peer, across its connections.
class caf_door final : public door {
public:
  static constexpr std::size_t links_max = 1024; ///< Names of peers that are known; past it new ones are refused.

  /// What the door needs to know besides.
  struct setup {
    std::string name;
    std::uint64_t incarnation = 0;
    link_limits limits;
    link_events events; ///< `cut` closes the peer's connection: `gate::cut`.
    reliable_link::draw_session draw;
    std::function<mono_ms()> clock;
    /// Somebody was turned away; see `door::turned_away`.
    std::function<void(std::string_view reason, std::string_view who, std::string_view detail)> turned_away;
  };

  /// @param system has been configured by `configure_network`, and outlives the door
  caf_door(caf::actor_system& system, setup what);
  /// Ends the links.
  ~caf_door() override;

  const node_identity& self() const noexcept override { return self_; }
  std::variant<line, std::string> open(const peer& who) override;
  void closed(const peer& who, std::string_view why) override;
  void turned_away(std::string_view reason, std::string_view who, std::string_view detail) override;

  /// The link to a peer; null where it was never here, or not for a long time. From any thread.
  link_handle link_to(const std::string& name) const;

private:
  struct entry {
    link_handle link;
    std::optional<mono_ms> closed_at; ///< Empty: connected.
  };

  void forget_old(mono_ms now);
  link_handle link_for(const std::string& name);

  caf::actor_system& system_;
  setup setup_;
  node_identity self_;
  caf::actor broker_;
  mutable std::mutex lock_; // once a connection
  std::unordered_map<std::string, entry> links_;
};

} // namespace troupe::mesh
