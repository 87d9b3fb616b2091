#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct ssl_ctx_st;
struct ssl_st;

namespace troupe::mesh {

/// How nodes prove to each other that they belong to the mesh: by certificates, or by a secret that all of them have.
struct security {
  std::string certificate;                ///< Path of a PEM chain, the leaf first.
  std::string key;                        ///< Path of its PEM private key.
  std::string ca;                         ///< Path of the mesh's own CA in PEM; no other is trusted.
  std::vector<std::string> allowed_names; ///< Of peers' certificates: exact, "*.example.net" (one label), or "*".
  std::string secret_file;                ///< Path of the secret, instead of all these.
};

/// Both roles of a node in TLS 1.3 and nothing older: mutual certificates, or an external pre-shared key (RFC 8446
/// section 4.2.11) that is derived from the secret by HKDF-SHA256 (RFC 5869), with (EC)DHE in any case. No tickets, no
/// early data, no renegotiation.
class credentials {
public:
  static constexpr std::size_t secret_bytes_min = 32;

  /// Throws std::runtime_error with one line: where neither way is configured, or both, or where a file is missing or
  /// wrong. A secret file must be a regular file of at least `secret_bytes_min` bytes that belongs to this user or root
  /// and that nobody else may read or write.
  explicit credentials(const security& how);

  std::shared_ptr<ssl_ctx_st> server() const noexcept { return server_; }
  std::shared_ptr<ssl_ctx_st> client() const noexcept { return client_; }

  /// Whether the peer of a finished handshake may say that it is `name`. With certificates one of its names is allowed,
  /// and `name` is one of its names or the first label of one.
  /// @returns nothing, or why not
  std::optional<std::string> refuse(ssl_st* session, std::string_view name) const;

private:
  std::vector<std::string> allowed_names_;
  bool by_secret_ = false;
  std::shared_ptr<ssl_ctx_st> server_;
  std::shared_ptr<ssl_ctx_st> client_;
};

/// Whether a name of a certificate fits an entry of `security::allowed_names`; in ASCII case does not matter.
bool name_matches(std::string_view pattern, std::string_view name) noexcept;

} // namespace troupe::mesh
