#pragma once

#include <string>

namespace troupe::cli {

/// Where a server is, in its parts.
struct server_address {
  bool tls = false;
  std::string host;
  std::string port;
  std::string path; ///< Of its WebSocket; "/realtime" where none was given.

  /// As the Host header has it.
  std::string authority() const;
};

/// @param url "ws://HOST[:PORT][/PATH]" or "http://...", which mean the same; "wss://" and "https://" are with TLS.
/// Without a port it is 80, with TLS 443. Throws command_failed (exit_usage).
server_address parse_address(const std::string& url);

} // namespace troupe::cli
