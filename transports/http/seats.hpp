#pragma once

#include "runtime/system/config.hpp"
#include "transports/http/addresses.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>

namespace troupe::http {

/// Why there is no place.
struct seat_refusal {
  std::string_view limit;  ///< Its key in `limits`; empty: there is a place.
  mono_ms retry_ms = 1000; ///< When it is worth to come again. Places become free at any time.
};

/// Counts the connections of a listen address, in all and by client address. Safe from any thread.
class seats : public std::enable_shared_from_this<seats> {
public:
  struct limits {
    std::size_t connections = 100'000;
    std::size_t per_address = 20'000;
    rate handshakes_per_address{}; ///< How many may come in a span of time.
  };

  void set_limits(const limits& to);

  /// A place for a connection: it is free again when the last copy of the pointer goes.
  /// @param address none: counted in all only (a trusted proxy: its clients take seats of their own)
  /// @param refused which limit it is, where null is returned
  std::shared_ptr<void> take(const std::optional<ip_address>& address, mono_ms now, seat_refusal& refused);

  /// A place by address only, for a client behind a trusted proxy: the proxy's connection is counted in all already.
  /// @param handshake whether it counts as one of `handshakes_per_address`
  std::shared_ptr<void> take_by_address(const ip_address& address, bool handshake, mono_ms now, seat_refusal& refused);

private:
  struct hash {
    std::size_t operator()(const ip_address& a) const noexcept {
      return std::hash<std::string_view>{}({reinterpret_cast<const char*>(a.bytes.data()), a.bytes.size()});
    }
  };
  struct entry {
    std::size_t open = 0;
    std::uint64_t handshakes = 0; ///< Since `window_ms`.
    mono_ms window_ms = 0;
  };

  /// With the lock held. @returns what refuses it; nothing: it is counted
  seat_refusal enter(const ip_address& address, bool handshake, mono_ms now);
  void leave(const ip_address& address) noexcept;
  void forget_idle(mono_ms now);

  std::mutex lock_;
  limits limits_;
  std::size_t open_ = 0;
  mono_ms swept_ms_ = 0;
  std::unordered_map<ip_address, entry, hash> by_address_;
};

} // namespace troupe::http
