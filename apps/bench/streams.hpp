#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace troupe::bench {

/// How a client of a durable stream speaks, and what it is told: one object a connection.
class stream_protocol {
public:
  /// What was found in the input.
  struct answers {
    bool ready = false;        ///< The opening was answered.
    std::size_t accepted = 0;  ///< Publishes (and `setup`, `subscribe`) that the server has acknowledged.
    std::size_t delivered = 0; ///< Messages of the subscription.
    std::string reply;         ///< To be sent at once.
    std::string error;         ///< Not empty: the server has refused something.
  };

  virtual ~stream_protocol() = default;

  /// What a client says first.
  virtual std::string opening() const = 0;
  /// What has to be done once on a server, on one connection; acknowledged once. Empty: nothing.
  virtual std::string setup() const { return {}; }
  /// Appends one message, to be acknowledged once it is durable.
  virtual void append_publish(std::string& out, std::uint64_t number) const = 0;
  /// Asks for everything that is stored, from the oldest message on, unacknowledged.
  virtual std::string subscribe() const = 0;
  /// Reads whole answers and takes them out of `in`.
  virtual answers take(std::string& in) = 0;
};

/// @param name "troupe", "redis" (a stream, XADD) or "nats" (JetStream, file storage); null for any other
/// @param bytes of a payload
std::unique_ptr<stream_protocol> make_protocol(std::string_view name, std::uint16_t port, std::size_t bytes);

} // namespace troupe::bench
