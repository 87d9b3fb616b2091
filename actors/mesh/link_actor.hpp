#pragma once

#include "actors/interfaces.hpp"
#include "actors/mesh/traffic.hpp"
#include "runtime/model/mesh/reliable_link.hpp"
#include "runtime/system/thread_sanitizer.hpp"

#include <caf/io/scribe.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::mesh {

using connect_atom = caf::connect_atom; // CAF's own, to its broker
using offer_atom = caf::atom_constant<caf::atom("offer")>;

/// The link to one peer, over connections that come and go.
using link_handle = caf::typed_actor<
    // A frame of the peer's link; its sender is the peer's link actor.
    caf::reacts_to<mesh_batch>,
    // This node has connected to the peer: CAF's side of the connection.
    caf::reacts_to<connect_atom, caf::io::scribe_ptr>,
    // A batch for the peer. Whether it was taken: false where the window is full, or the batch too large.
    caf::replies_to<offer_atom, std::string>::with<bool>,
    // Time passes.
    caf::reacts_to<tick_atom>>;

/// What a link tells, on its own thread; none of it blocks. Set what is needed. What one throws is logged and goes no
/// further.
struct link_events {
  std::function<void(std::string_view peer)> up;
  std::function<void(std::string_view peer)> down;
  std::function<void(std::string_view peer, std::string_view batch)> batch;
  /// The peer began anew, or was too slow, or away for too long: so many batches to it are gone, and its next is the
  /// first of a stream.
  std::function<void(std::string_view peer, std::size_t batches)> lost;
  /// The connection is of no use any more: it is to be closed. From any thread.
  std::function<void(std::string_view peer, std::string_view why)> cut;
};

/// What a link is given.
struct link_setup {
  std::string peer;
  link_limits limits;
  link_events events;
  reliable_link::draw_session draw;
  std::function<mono_ms()> clock;
  caf::actor broker; ///< CAF's, which speaks with the network.
};

/// A thin shell around `reliable_link`: frames leave as `mesh_batch` and come as such. Runs on CAF's scheduler. Its
/// mailbox holds twice the frames' bytes that a peer may have under way; a peer that sends more has broken the rules
/// before this actor has had its turn: frames past it are dropped, and its connection is cut.
class link_actor : public ordered_actor<link_handle::base> {
public:
  using base = ordered_actor<link_handle::base>;

  link_actor(caf::actor_config& cfg, link_setup setup);

  const char* name() const override { return "mesh_link"; }
  link_handle::behavior_type make_behavior() override;

  using base::enqueue;
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* from) override;

private:
  template <class Event, class... Args>
  void tell(const Event& event, const Args&... args) const noexcept;
  void connect(caf::io::scribe_ptr way);
  void attach(caf::strong_actor_ptr remote);
  void detach();
  void take(const mesh_batch& frame);
  void check();
  void flush();
  void cut(std::string_view why);

  link_setup setup_;
  reliable_link link_;
  caf::strong_actor_ptr remote_; ///< The peer's link actor; null: not connected.
  bool up_ = false;
  std::optional<mono_ms> ticks_at_;
  std::atomic<std::size_t> waiting_bytes_{0}; ///< Of frames in the mailbox.
  std::atomic<bool> flooded_{false};          ///< It was said; until the next connection.
};

} // namespace troupe::mesh
