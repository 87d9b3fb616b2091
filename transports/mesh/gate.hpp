#pragma once

#include "actors/mesh/door.hpp"
#include "runtime/model/restart.hpp"
#include "transports/mesh/credentials.hpp"
#include "transports/mesh/limits.hpp"
#include "transports/mesh/preface.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace troupe {
class loop;
class metrics;
} // namespace troupe

namespace troupe::mesh {

/// Where a gate listens, how peers prove who they are, and its bounds.
struct gate_settings {
  std::optional<std::string> host; ///< None: it only connects.
  std::uint16_t port = 0;          ///< 0: any free one.
  security proof;
  protocol_version version;
  pump_limits limits;                         ///< `handshake_ms_max` also bounds TLS and prefaces.
  std::size_t handshakes_max = 64;            ///< In progress with those who knock.
  std::size_t handshakes_per_address_max = 8; ///< As `handshakes_max`.
  std::size_t peers_max = 256;                ///< Connected.
  backoff_settings redial{200, 5'000, jitter::equal};
  /// It cannot listen any more, and why; peers that are connected stay. On the loop; `stop` and a new gate help.
  std::function<void(std::string why)> failed;
};

/// The only way into and out of the mesh: accepts and makes connections in TLS 1.3, lets in who proves to belong to the
/// mesh and speaks its version, and carries frames between a peer and CAF that have passed `basp_check`. A CAF port is
/// never opened. Who is turned away or cut off is counted by reason in `troupe_mesh_turned_away_total`, logged, and
/// told to the door; others go on.
class gate {
public:
  /// Throws std::runtime_error with one line where `settings.proof` is not enough, or the node's name is none.
  /// @param way, numbers outlive the gate
  gate(loop& on, door& way, metrics& numbers, const gate_settings& settings);
  ~gate();
  gate(const gate&) = delete;
  gate& operator=(const gate&) = delete;

  /// Listens, where it is to. Throws std::runtime_error with one line: what, where and why.
  void start();
  /// Closes everything. Idempotent; from any thread but the loop's, which must run. The door is not called afterwards.
  void stop() noexcept;

  /// Keeps a connection to whoever is at this address, for ever: tries all addresses of a name in turn, and again with
  /// backoff. From any thread. An address that turns out to be the node's own is dropped.
  void dial(std::string host, std::uint16_t port);

  /// Reads certificates or the secret again, for connections from now on. Throws std::runtime_error as the constructor,
  /// and then keeps what it had. From any thread but the loop's.
  void reload();

  /// Closes the connection to a peer, where there is one. From any thread.
  void cut(std::string peer, std::string why);

  /// The port that it listens on; 0 where it does not.
  std::uint16_t port() const;
  /// Peers that are connected. From any thread.
  std::size_t peers() const noexcept;

private:
  class impl;
  std::shared_ptr<impl> impl_;
};

} // namespace troupe::mesh
