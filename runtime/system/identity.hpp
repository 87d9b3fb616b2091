#pragma once

#include "runtime/model/caps.hpp"
#include "runtime/model/errors.hpp"
#include "runtime/model/ids.hpp"
#include "runtime/system/config.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace troupe {

/// Who a connection is and what it may do, as its token says.
struct identity {
  std::optional<std::string> user; ///< `sub`.
  caps rights;
  wall_ms expires_ms = 0; ///< `exp` and the leeway; 0: never.
  bool admin = false;
  std::string token_id; ///< `jti`; may be empty.
};

/// Verifies JSON Web Tokens (RFC 7519, RFC 8725) with keys from files: HS256, RS256, ES256 and EdDSA (Ed25519).
///
/// A key file is a PEM public key (RSA of at least 2048 bits, P-256 or Ed25519), a JWK set (RFC 7517; its symmetric
/// keys and each symmetric file only where nobody else may read the file), or else a raw secret of at least 32 bytes,
/// of which trailing line ends do not count. The algorithm follows from the key's type and never from the token; `none`
/// is refused, and keys that a token carries or links to are not looked at. Safe from any thread.
class authenticator {
public:
  /// Longest token that is looked at.
  static constexpr std::size_t token_bytes_max = 8 * 1024;

  /// Reads the key files. Throws std::runtime_error with one clear line that names the file.
  explicit authenticator(const config::auth_section& settings);
  ~authenticator();
  authenticator(const authenticator&) = delete;
  authenticator& operator=(const authenticator&) = delete;

  /// Whether any key is configured. Without one nothing verifies.
  bool keyed() const noexcept;

  /// Who the token speaks for.
  /// @returns `unauthorized` for a bad token, `expired` for one past its `exp`; the sentence says which check failed
  std::variant<identity, failure> verify(std::string_view token, wall_ms now) const;

  /// An identity without a token: the anonymous client or `?user=` of keyless mode, with every right except admin.
  identity anonymous(std::optional<std::string> user) const;

  /// Reads the files again, with new settings. Throws std::runtime_error, keeping the old keys.
  void reload(const config::auth_section& settings);

private:
  struct state;

  std::atomic<std::shared_ptr<const state>> state_;
};

} // namespace troupe
