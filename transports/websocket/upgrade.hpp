#pragma once

#include "actors/edge.hpp"
#include "transports/http/route.hpp"
#include "transports/websocket/link.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::websocket {

/// What the upgrades of one transport share.
struct upgrade_settings {
  std::vector<std::string> paths;
  std::vector<std::string> origins; ///< Whole origins, or "*"; empty: the host that they connect to.
  bool compression = false;
  std::shared_ptr<const link_settings> plain;
  std::shared_ptr<const link_settings> deflated;
};

/// The route that turns requests on the transport's paths into WebSockets (RFC 6455 section 4.2).
std::shared_ptr<http::route> upgrade_route(edge::host& host, std::shared_ptr<const upgrade_settings> settings);

/// `Sec-WebSocket-Accept` for a key.
std::string accept_key(std::string_view key);

/// What a `Sec-WebSocket-Protocol` list asks for.
struct subprotocols {
  std::string chosen; ///< To be echoed; empty: none that we know was offered.
  bool msgpack = false;
  std::optional<std::string> token; ///< From `troupe.token.*`, which is never echoed.
};
subprotocols choose_subprotocol(std::string_view offered);

/// Whether a browser's page of this origin may connect.
/// @param allowed whole origins or "*"; empty: those of the same host and port
bool origin_allowed(std::string_view origin, std::string_view host, const std::vector<std::string>& allowed);

} // namespace troupe::websocket
