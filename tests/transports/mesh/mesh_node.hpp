#pragma once

#include "actors/mesh/caf_door.hpp"
#include "runtime/system/loop.hpp"
#include "runtime/system/metrics.hpp"
#include "transports/mesh/gate.hpp"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace mesh_testing {

/// What a test's node is made of, besides its name.
struct node_options {
  std::string name = "a";
  std::uint64_t incarnation = 1;
  bool listens = true;
  troupe::mesh::gate_settings gate; ///< Listens on a free port of the loopback address.
  troupe::mesh::link_limits link;
  troupe::mesh::heartbeat_settings heartbeats;
};

/// A node of the mesh without rooms or clients: a gate, CAF behind it, and links that write down what they get. From
/// the test's thread; those that wait give up after ten seconds.
class mesh_node {
public:
  explicit mesh_node(node_options options);
  ~mesh_node();

  std::uint16_t port() const { return gate_->port(); }
  void dial(std::uint16_t port) { gate_->dial("127.0.0.1", port); }
  troupe::mesh::gate& gate() noexcept { return *gate_; }
  const troupe::mesh::node_identity& identity() const noexcept { return door_->self(); }
  std::string numbers() const { return metrics_.render(); }

  /// Offers a batch to the link of a peer. @returns whether it was taken
  bool offer(const std::string& peer, std::string batch);

  bool wait_up(const std::string& peer, std::size_t times = 1);
  bool wait_down(const std::string& peer, std::size_t times = 1);
  bool wait_batches(const std::string& peer, std::size_t count);
  bool wait_lost(const std::string& peer, std::size_t times = 1);
  /// Somebody was turned away for this reason, so many times in all.
  bool wait_turned_away(const std::string& reason, std::size_t times = 1);
  std::size_t times(const std::string& what, const std::string& subject) const;

  std::vector<std::string> batches(const std::string& peer) const;
  /// Everything counts from nothing again.
  void forget_notes();

  /// Called with each batch, on the link's thread.
  std::function<void(const std::string& peer, std::string_view batch)> on_batch;

private:
  struct note {
    std::string what;
    std::string subject;
    std::string detail;
  };
  void write_down(note n);
  bool wait(const std::string& what, const std::string& subject, std::size_t count) const;

  mutable std::mutex lock_;
  mutable std::condition_variable changed_;
  std::vector<note> notes_;
  troupe::metrics metrics_;
  caf::actor_system_config settings_;
  std::unique_ptr<caf::actor_system> system_;
  std::unique_ptr<troupe::loop> loop_;
  std::unique_ptr<troupe::mesh::caf_door> door_;
  std::unique_ptr<troupe::mesh::gate> gate_;
};

} // namespace mesh_testing
