#pragma once

#include "transports/asio.hpp"
#include "transports/mesh/credentials.hpp"
#include "transports/mesh/preface.hpp"
#include "transports/socket_stream.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace troupe::mesh {

/// The beginning of a connection between nodes: the TLS handshake, then the prefaces of both sides, all within a time.
/// Tells once what came of it. On the loop of its `io_context` only; keeps itself alive while it waits.
class greeting : public std::enable_shared_from_this<greeting> {
public:
  struct outcome {
    std::string_view refused{}; ///< Empty: all is well. Else "tls", "proof", "preface", "version", "timeout" or "lost".
    std::string detail;
    std::unique_ptr<socket_stream> stream; ///< The rest where all is well.
    preface said;
    std::string early; ///< What came behind the preface.
  };
  using on_done = std::function<void(outcome)>;

  greeting(asio::io_context& io, std::unique_ptr<socket_stream> stream, std::shared_ptr<const credentials> proof,
           preface own, on_done done);

  void start(std::int64_t ms_max);
  /// Ends without telling.
  void abandon() noexcept;

private:
  void shake_hands();
  void say();
  void listen();
  void judge();
  void refuse(std::string_view reason, std::string detail);
  void finish(outcome result);

  std::unique_ptr<socket_stream> stream_;
  std::shared_ptr<const credentials> proof_;
  preface own_;
  on_done done_;
  asio::steady_timer deadline_;
  std::string to_say_;
  std::string heard_;
};

} // namespace troupe::mesh
