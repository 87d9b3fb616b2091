#pragma once

#include "runtime/system/loop.hpp"
#include "runtime/system/metrics.hpp"
#include "transports/listener.hpp"
#include "transports/mesh/gate.hpp"
#include "transports/mesh/greeting.hpp"
#include "transports/mesh/guest_list.hpp"
#include "transports/mesh/pump.hpp"

#include <random>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe::mesh {

/// The inside of a gate: what waits at it, who is in, and whom it calls. All on its loop.
class gate::impl : public std::enable_shared_from_this<gate::impl> {
public:
  impl(loop& on, door& way, metrics& numbers, gate_settings settings);

  void listen();
  void dial(std::string host, std::uint16_t port);
  void prove_by(std::shared_ptr<const credentials> proof) noexcept { proof_ = std::move(proof); }
  const security& proof_settings() const noexcept { return settings_.proof; }
  void cut(const std::string& peer, std::string_view why);
  void close();
  loop& on() noexcept { return loop_; }
  std::uint16_t port() const { return listener_ ? listener_->port() : std::uint16_t{0}; }
  std::size_t peers() const noexcept { return static_cast<std::size_t>(peers_.value()); }

private:
  /// An address that the gate keeps calling.
  struct call : std::enable_shared_from_this<call> {
    call(asio::io_context& io, std::string to_host, std::uint16_t to_port, backoff_settings delays)
        : host{std::move(to_host)}
        , port{to_port}
        , delay{delays}
        , timer{io}
        , resolver{io.get_executor()}
        , socket{io.get_executor()} {}

    std::string host;
    std::uint16_t port;
    backoff delay;
    asio::steady_timer timer;
    asio::ip::basic_resolver<tcp, asio::io_context::executor_type> resolver;
    tcp_socket socket;
    std::vector<tcp::endpoint> left; ///< Addresses of the name that are still to be tried.
    mono_ms connected_at = 0;
  };

  void knock(int fd, const sockaddr_storage& from);
  void greet(int fd, bool v6, std::string address, std::shared_ptr<call> by);
  void greeted(const std::shared_ptr<greeting>& which, greeting::outcome result, std::string address,
               const std::shared_ptr<call>& by);
  void let_in(peer who, greeting::outcome result, const std::shared_ptr<call>& by);
  void left(const peer& who, std::string_view reason, std::string_view detail, const std::shared_ptr<call>& by);
  void turn_away(std::string_view reason, std::string_view who, std::string_view detail);

  void ring(const std::shared_ptr<call>& c);
  void try_next(const std::shared_ptr<call>& c);
  void connect(const std::shared_ptr<call>& c, tcp::endpoint to);
  void ring_later(const std::shared_ptr<call>& c, mono_ms at_least = 0);

  mono_ms now() const;
  random_below random();

  loop& loop_;
  door& door_;
  metrics& numbers_;
  gauge& peers_;
  counter& pauses_;
  gate_settings settings_;
  std::shared_ptr<const credentials> proof_;
  preface own_;
  guest_list guests_;
  std::shared_ptr<listener> listener_;
  std::unordered_map<std::string, std::size_t> knocking_; ///< Handshakes in progress, by address.
  std::size_t knocking_in_all_ = 0;
  std::vector<std::shared_ptr<greeting>> greetings_;
  std::unordered_map<std::string, std::shared_ptr<pump>> pumps_; ///< By the peer's name.
  std::vector<std::shared_ptr<call>> calls_;
  std::mt19937_64 dice_{std::random_device{}()}; ///< Spreads retries; no secret comes from it.
  bool closed_ = false;
};

} // namespace troupe::mesh
