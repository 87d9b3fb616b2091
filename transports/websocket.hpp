#pragma once

#include "actors/edge.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// What a program may choose for a WebSocket transport; what it leaves open comes from the kernel's configuration.
struct websocket_options {
  std::string listen =
      {}; ///< "127.0.0.1:8080", "[::1]:8080"; port 0: the system chooses. Empty: every address of `listen`.
  std::string path = {}; ///< For example "/realtime". Empty: every path of `websocket.paths`.
  std::optional<std::vector<std::string>> origins = {}; ///< Instead of `websocket.origins`; empty: the same host only.
  std::optional<bool> compression = {};                 ///< Instead of `websocket.compression`.
  std::string certificate = {}; ///< PEM chain, with `key`; empty: `tls.certificate`, and none there: no TLS.
  std::string key = {};
  bool demo_page = false; ///< Serves the demo page on `/` and `/console` of the same addresses.
  std::function<void(const std::string& url)> on_demo_page = {}; ///< Called each time that one of them is listened on.
};

/// Accepts WebSocket clients (RFC 6455) that speak `troupe.v1.json` or `troupe.v1.msgpack`. Transports that
/// listen on one address share it; /healthz, /readyz and /metrics are served beside them.
class websocket_transport final : public edge::transport {
public:
  explicit websocket_transport(websocket_options options = {});
  ~websocket_transport() override;
  websocket_transport(websocket_transport&&) noexcept; ///< Not while started.
  websocket_transport& operator=(websocket_transport&&) noexcept;

  std::string_view name() const noexcept override { return "websocket"; }
  void start(edge::host& on) override;
  void stop() noexcept override;
  void reload() override;
  std::size_t clients() const noexcept override;

  /// The port of the first address while started, else 0.
  std::uint16_t port() const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe
