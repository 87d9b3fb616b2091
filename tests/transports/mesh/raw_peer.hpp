#pragma once

#include "transports/mesh/credentials.hpp"
#include "transports/mesh/preface.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace mesh_testing {

/// A socket that listens on a free port of the loopback address, for a peer that is called.
class raw_listener {
public:
  raw_listener();
  ~raw_listener();
  std::uint16_t port() const noexcept { return port_; }
  /// @returns a descriptor; -1 where nobody came in ten seconds
  int accept() const;

private:
  int fd_;
  std::uint16_t port_ = 0;
};

/// A peer or stranger that says what a test wants, byte by byte, over a blocking socket with a limit of ten seconds.
class raw_peer {
public:
  /// Connects; plain so far.
  explicit raw_peer(std::uint16_t port);
  /// Takes a connection over.
  struct accepted {
    int fd;
  };
  explicit raw_peer(accepted from);
  ~raw_peer();
  raw_peer(const raw_peer&) = delete;
  raw_peer& operator=(const raw_peer&) = delete;

  /// The TLS handshake with this context, as its role is. @returns whether it succeeded
  bool secure(const std::shared_ptr<ssl_ctx_st>& context, bool as_server = false);

  /// @returns whether all could be written
  bool say(std::string_view bytes);
  /// So many bytes, or fewer where the other side closed.
  std::string hear(std::size_t bytes);
  /// Reads on until the other side closes. @returns whether it did
  bool closed();

  /// Says a preface and hears the other's.
  std::optional<troupe::mesh::preface> greet(const troupe::mesh::preface& own);

private:
  std::size_t read_some(char* into, std::size_t bytes, bool& end);

  int fd_;
  ssl_st* tls_ = nullptr;
};

/// The identity of a node that does not exist.
troupe::mesh::preface made_up(const std::string& name, const std::string& node, std::uint64_t incarnation = 1);

} // namespace mesh_testing
