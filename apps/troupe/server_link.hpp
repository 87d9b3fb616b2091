#pragma once

#include "runtime/model/value.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

/// A client's connections to a server (docs/protocol.md), on one thread.
namespace troupe::cli {

/// Runs all connections that are made with it. Nothing happens outside of `run_for`.
class link_loop {
public:
  link_loop();
  ~link_loop();
  link_loop(const link_loop&) = delete;
  link_loop& operator=(const link_loop&) = delete;

  /// Lets the connections work until something has happened, at most so long.
  void run_for(std::chrono::milliseconds most);

  struct impl;
  impl& inside() noexcept { return *impl_; }

private:
  std::unique_ptr<impl> impl_;
};

/// Where a connection goes, and as whom.
struct link_options {
  std::string url;     ///< As `parse_address` takes it.
  std::string token;   ///< Shown as a bearer in the handshake; in no message of this program. Empty: none.
  std::string user;    ///< For a server without keys; empty: none.
  std::string ca_file; ///< For wss: trusted besides what the system trusts; empty: nothing.
};

/// Why a connection is no more.
struct link_end {
  std::string why;        ///< One line for a person.
  bool come_back = false; ///< Whether trying again can help.
};

/// One connection. It sends nothing before the server's hello has come, and keeps what it is given until then.
class server_link {
public:
  /// Called for each message after the hello, with the envelope and its text as it came.
  using on_message = std::function<void(const value& envelope, std::string_view text)>;

  /// Begins to connect. Throws command_failed (exit_usage) where the address makes no sense, (exit_cannot) where
  /// `ca_file` cannot be read.
  server_link(link_loop& loop, const link_options& options, on_message receive);
  /// Drops the connection where it is still open.
  ~server_link();
  server_link(const server_link&) = delete;
  server_link& operator=(const server_link&) = delete;

  /// The hello has come, and the connection is there.
  bool is_open() const noexcept;
  /// Set once the connection is no more, or was never made.
  const std::optional<link_end>& ended() const noexcept;

  void send(const value& envelope);
  /// Bytes that were given to `send` and not yet to the system.
  std::size_t waiting_bytes() const noexcept;
  /// Says goodbye (close code 1000) once all is sent; `ended` is set when the server has answered.
  void close();

  class session;

private:
  std::shared_ptr<session> session_;
};

} // namespace troupe::cli
