#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace troupe::bench {

/// What `bench rooms` does.
struct rooms_options {
  std::string host = "127.0.0.1"; ///< An IPv4 address.
  std::uint16_t port = 8080;
  std::string path = "/realtime";
  std::size_t rooms = 100'000;
  std::size_t connections = 0; ///< 0: as few as `rooms_per_connection_max` allows.
  std::string prefix = "idle-";
};

/// What a server allows by default (`limits.rooms_per_connection`).
inline constexpr std::size_t rooms_per_connection_max = 1000;

/// Reads "ws://HOST[:PORT][/PATH]" into the options. @returns false where it is none
bool read_url(const std::string& url, rooms_options& options);

/// Joins `rooms` rooms of their own over a few connections, prints "ready" and keeps them, answering
/// pings, until a signal ends the process or the server closes a connection.
/// @returns an exit status; what went wrong stands on standard error
int hold_rooms(const rooms_options& options);

} // namespace troupe::bench
