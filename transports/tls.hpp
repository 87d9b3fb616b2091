#pragma once

#include <memory>
#include <mutex>
#include <string>

struct ssl_ctx_st;
struct ssl_st;

namespace troupe {

/// A certificate chain with its key, ready for handshakes: TLS 1.2 and 1.3, as a server, HTTP/1.1 by ALPN.
/// Safe from any thread.
class tls_credentials {
public:
  /// @param certificate path of a PEM chain, the leaf first
  /// @param key path of its PEM private key
  /// Throws std::runtime_error with one line that names the file.
  tls_credentials(std::string certificate, std::string key);

  /// Reads both files again for new connections; those that exist keep theirs. Throws as the constructor,
  /// and then keeps what it had.
  void reload();

  /// What the next connection uses.
  std::shared_ptr<ssl_ctx_st> current() const;

  const std::string& certificate() const noexcept { return certificate_; }

private:
  std::string certificate_;
  std::string key_;
  mutable std::mutex lock_; // once a connection, never on the hot path
  std::shared_ptr<ssl_ctx_st> context_;
};

} // namespace troupe
