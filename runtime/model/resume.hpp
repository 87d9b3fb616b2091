#pragma once

#include "runtime/model/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace troupe {

/// What a returning client has seen of a room or channel.
struct seen {
  std::string name;
  position at;
};

/// What a session keeps for a client that comes back.
struct session {
  std::string connection;          ///< The id that the client keeps.
  std::optional<std::string> user; ///< The only one who may take it; nothing: an anonymous client.
  std::string address;             ///< Of the client, for bounds.
  mono_ms minted = 0;
  std::optional<mono_ms> detached; ///< Since when no client is attached.
};

/// Bounds on sessions whose client is away.
struct session_limits {
  std::int64_t window_ms = 30'000; ///< How long a client may be away.
  std::size_t detached_per_user_max = 16;
  std::size_t detached_per_address_max = 256;
};

/// The sessions that a node has minted, by the hash of their secret: the secret itself is kept nowhere. Grants each
/// to one taker of the same user, once: a granted session goes on under a new secret.
///
/// Keys are opaque strings here, for example the SHA-256 of the secret; looking one up needs no
/// constant time, since who can choose the secret cannot choose its hash.
class session_table {
public:
  /// Why a session was not granted; the client is told `resumed: false` and no more.
  enum class refusal : std::uint8_t {
    unknown,    ///< Never minted here, taken already, ended or rotated.
    expired,    ///< Away for longer than the window; it is still to be collected by `expire`.
    other_user, ///< It stays with its own user.
  };

  struct granted {
    troupe::session session;
    bool was_attached = false; ///< A client still is: close it first, with 3502.
  };

  explicit session_table(session_limits bounds = {}) noexcept
      : bounds_{bounds} {}

  /// Begins a session with an attached client.
  /// @returns false where the key is in use; then nothing changes
  bool mint(std::string key, std::string connection, std::optional<std::string> user, std::string address, mono_ms now);

  /// Its client went away without closing.
  /// @returns sessions that had to end now for the bounds' sake, the longest away first; can be this one
  std::vector<session> detach(std::string_view key, mono_ms now);

  /// Grants a session, attached, under `new_key`; the old key is unknown from then on.
  /// @param user who asks; must be whose session it is
  /// @param address where the client is now
  std::variant<granted, refusal> take(std::string_view key, std::string new_key, const std::optional<std::string>& user,
                                      std::string address, mono_ms now);

  /// The user of an attached client became known (`auth`).
  void identify(std::string_view key, std::optional<std::string> user);

  /// Ends a session: its client closed, or was closed, for good.
  void end(std::string_view key);

  /// Ends all sessions that were away for longer than the window, the longest first.
  std::vector<session> expire(mono_ms now);

  /// When `expire` will have something.
  std::optional<mono_ms> next_expiry() const noexcept;

  std::size_t size() const noexcept { return sessions_.size(); }
  std::size_t detached() const noexcept { return away_.size(); }
  /// Null where the key is unknown.
  const session* find(std::string_view key) const;

private:
  /// Sessions away, the longest first. The keys point into `sessions_`.
  using away_set = std::set<std::pair<mono_ms, std::string_view>>;
  struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
  };
  using session_map = std::unordered_map<std::string, session, text_hash, std::equal_to<>>;

  void came_back(session_map::iterator it);
  session remove(session_map::iterator it);
  void end_longest(const away_set& away, std::vector<session>& ended);

  session_limits bounds_;
  session_map sessions_;
  away_set away_;
  std::map<std::string, away_set, std::less<>> away_by_user_;
  std::map<std::string, away_set, std::less<>> away_by_address_;
};

/// A new secret: 192 random bits as 32 characters of base64url.
/// @param random fills its argument with bytes that nobody can guess
std::string make_secret(const std::function<void(std::span<unsigned char>)>& random);

} // namespace troupe
