#pragma once

#include "actors/edge.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

class loop;

/// What a simulated client is told; each on the loop that it lives on. They must not throw.
struct loopback_events {
  std::function<void(std::string_view envelope)> message = {}; ///< Every envelope that the client gets, as JSON.
  std::function<void(close_code, std::string_view reason)> closed =
      {}; ///< Once, the last call, unless the client closed.
};

/// Who a simulated client is and where it lives.
struct loopback_client_options {
  std::optional<std::string> user = {};
  std::optional<std::string> bearer = {};
  std::size_t capacity_bytes =
      256 * 1024;                       ///< What waits for the client while it does not read, as in a socket's buffer.
  std::optional<std::size_t> loop = {}; ///< Which loop it lives on; else they take turns.
};

/// A client within the process. All calls from any thread; they take effect in order on the client's loop.
/// Destroying it is an end without a close frame; it does not wait for an event that is under way, so events own or
/// share what they touch.
class loopback_client {
public:
  ~loopback_client();
  loopback_client(const loopback_client&) = delete;
  loopback_client& operator=(const loopback_client&) = delete;

  /// Sends one envelope, as a text frame would be.
  /// @returns false, and sends nothing, while more than `capacity_bytes` wait to be taken by the server
  bool send(std::string json);
  /// Stops or goes on to take what the server sends.
  void read(bool on);
  void close(close_code code = close_code::normal, std::string reason = {});
  /// Ends without a close frame.
  void drop();

private:
  friend class loopback_transport;
  class pipe;
  loopback_client(std::shared_ptr<pipe> p) noexcept;
  std::shared_ptr<pipe> pipe_;
};

/// Connects clients of the same process, without a socket: the reference for what a transport does, and what
/// programs are simulated and tested with. A copy is the same transport, so keep one and give the kernel another.
class loopback_transport final : public edge::transport {
public:
  loopback_transport();

  std::string_view name() const noexcept override { return "loopback"; }
  void start(edge::host& on) override;
  void stop() noexcept override;

  /// Connects a client; who is refused hears it by `closed` (unauthorized or forbidden).
  /// Throws std::logic_error while the transport is not started.
  std::unique_ptr<loopback_client> connect(loopback_client_options options, loopback_events events);

private:
  struct state;
  std::shared_ptr<state> state_;
};

} // namespace troupe
