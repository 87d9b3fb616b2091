#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace troupe::bench {

/// What `bench publish` and `bench catch-up` do.
struct durable_options {
  std::string protocol = "troupe"; ///< As make_protocol names them.
  std::uint16_t port = 8080;       ///< On 127.0.0.1.
  std::size_t publishers = 1;      ///< Connections, each with one message in flight.
  std::size_t bytes = 128;         ///< Of a payload, quotes included.
  double seconds = 3;
  double warmup = 1;
  std::size_t messages = 200'000; ///< That are stored before `catch-up` reads them.
  int server_pid = 0;             ///< Whose CPU time is reported; 0: nobody's.
};

/// Publishes to one stream from all publishers, each its next message once the last is acknowledged, and prints one
/// JSON object: acknowledged messages a second, round trips, the server's CPU time. @returns an exit status
int measure_publishes(const durable_options& options);

/// Stores messages, then subscribes from the oldest on and prints one JSON object: messages delivered a second.
/// @returns an exit status
int measure_catch_up(const durable_options& options);

} // namespace troupe::bench
