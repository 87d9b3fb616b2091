#pragma once

#include "actors/edge.hpp"
#include "runtime/system/config.hpp"
#include "transports/http/route.hpp"
#include "transports/http/seats.hpp"
#include "transports/listener.hpp"
#include "transports/tls.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {
class counter;
} // namespace troupe

namespace troupe::http {

/// What the sessions of a server are held to; from the configuration.
struct session_settings {
  mono_ms handshake_timeout_ms = 10'000;
  mono_ms request_timeout_ms = 30'000;
  mono_ms idle_timeout_ms = 60'000;
  std::size_t header_bytes_max = 16 * 1024;
  address_list trusted_proxies;
};

using route_list = std::vector<std::shared_ptr<route>>;

/// Serves one listen address for all transports that want it: accepts, spreads the sockets over the loops, and
/// finds the route for each request. /healthz, /readyz and /metrics are always there.
class server : public std::enable_shared_from_this<server> {
public:
  /// The server for an address of this host: there is one for each.
  /// @param tls null: plain. Throws std::runtime_error where the address is served with other credentials.
  static std::shared_ptr<server> at(edge::host& host, const std::string& address, const std::string& certificate,
                                    const std::string& key);
  ~server();

  /// Adds the routes of a transport and listens if nobody did so far. Throws std::runtime_error.
  void attach(edge::transport& who, const route_list& routes);
  /// Takes them away, and stops to listen with the last one. Returns when no accept is under way.
  void detach(edge::transport& who) noexcept;
  /// Reads the certificate again. Throws std::runtime_error.
  void reload();

  /// 0 while it does not listen.
  std::uint16_t port() const;

  // For sessions.
  edge::host& host() noexcept { return host_; }
  const session_settings& settings() const noexcept { return settings_; }
  std::shared_ptr<route> find(std::string_view path) const;
  /// Whether there is a transport: where all have been stopped, a path that is not found may be there again later.
  bool is_attached() const;
  /// As `seats::take`. A refusal is counted, but for one by `limits.connections`: whoever asks for a status is served
  /// all the same, so that the session counts it.
  std::shared_ptr<void> take_seat(const std::optional<ip_address>& address, mono_ms now, seat_refusal& refused);
  /// For a client behind a trusted proxy: as `seats::take_by_address`; a refusal is counted.
  std::shared_ptr<void> take_client_seat(const ip_address& client, bool handshake, mono_ms now, seat_refusal& refused);
  /// Whether a path is one that tells how the node is: these are served also when it is full.
  bool tells_status(std::string_view path) const;
  /// Counts a client that was refused at the door, and tells of it.
  void count_refusal(std::string_view reason, const std::string& address);

private:
  struct attachment {
    edge::transport* who;
    route_list routes;
  };

  server(edge::host& host, std::string address, std::unique_ptr<tls_credentials> tls,
         std::shared_ptr<seats> shared_seats);

  void listen();
  void on_accepted(int fd, const sockaddr_storage& from);
  void on_failed(const std::string& why);

  edge::host& host_;
  std::string address_;
  std::unique_ptr<tls_credentials> tls_;
  session_settings settings_;
  std::shared_ptr<seats> seats_;
  std::shared_ptr<listener> listener_;
  mutable std::mutex lock_;
  std::vector<attachment> attached_;
  route_list own_routes_;
  std::uint16_t bound_port_ = 0;                       ///< Where the system chose one, it is kept for the next start.
  std::size_t next_loop_ = 0;                          ///< On the listener's loop only.
  std::shared_ptr<std::atomic<std::size_t>> refusing_; ///< Sessions without a seat, which only say so.
};

/// Counts a client that was refused at the door, by reason.
void count_refusal(edge::host& host, std::string_view reason);

/// What the health routes are: `/healthz`, `/readyz`, `/metrics`.
route_list status_routes(edge::host& host);

/// The demo page: `/` and `/console/...`, from memory.
std::shared_ptr<route> console_route();

} // namespace troupe::http
