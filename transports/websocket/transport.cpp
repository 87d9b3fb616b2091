#include "runtime/system/config.hpp"
#include "runtime/system/logger.hpp"
#include "runtime/system/metrics.hpp"
#include "transports/http/server.hpp"
#include "transports/websocket.hpp"
#include "transports/websocket/encoders.hpp"
#include "transports/websocket/upgrade.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <fmt/format.h>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace troupe {

namespace {

std::shared_ptr<const websocket::link_settings> link_settings_from(edge::host& host, bool compression,
                                                                   std::shared_ptr<std::atomic<std::size_t>> open) {
  const auto& cfg = host.settings();
  auto out = std::make_shared<websocket::link_settings>();
  out->frames.frame_bytes_max = cfg.websocket.max_frame_bytes;
  out->frames.message_bytes_max = cfg.websocket.max_message_bytes;
  // Clients cut long messages into frames of 1 KiB and more; shorter ones only make us work.
  out->frames.fragments_per_message_max =
      std::max(limits::fragments_per_message_max, cfg.websocket.max_message_bytes / 1024);
  out->frames.compression = compression;
  out->inflated_bytes_max = cfg.websocket.inflated_bytes_max;
  out->heartbeat_ms = cfg.websocket.heartbeat.count();
  out->idle_ms = cfg.websocket.idle_timeout.count();
  out->open = std::move(open);
  out->hit_limit = [&host](std::string_view reason) { host.pressure(reason, "websocket"); };
  const label_list labels{{"transport", "websocket"}};
  out->bytes_received = &host.counters().counter("troupe_transport_received_bytes_total",
                                                 "Bytes that clients sent, TLS taken off.", labels);
  out->bytes_sent = &host.counters().counter("troupe_transport_sent_bytes_total",
                                             "Bytes that sockets took for clients, before TLS.", labels);
  return out;
}

/// What a person on this machine opens: an address that stands for all of them is none.
std::string page_url(std::string_view listens_on, std::uint16_t port, bool tls) {
  auto host = parse_listen_address(listens_on).value_or(listen_address{}).host;
  host = host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host;
  return fmt::format("{}://{}:{}/", tls ? "https" : "http",
                     host.find(':') == std::string::npos ? host : fmt::format("[{}]", host), port);
}

} // namespace

struct websocket_transport::impl {
  void stop_locked(edge::transport& who) noexcept {
    if (!std::exchange(started, false))
      return;
    for (const auto& server : servers)
      server->detach(who);
  }

  websocket_options options;
  /// For `servers` and `started`: supervisors start, drains stop and signals reload, each on a thread of its own. No
  /// loop takes it, and nothing under it waits for a loop.
  std::mutex lock;
  std::vector<std::shared_ptr<http::server>> servers; ///< Kept while stopped: they know the port that the system chose.
  std::shared_ptr<std::atomic<std::size_t>> open = std::make_shared<std::atomic<std::size_t>>(0);
  bool started = false;
};

websocket_transport::websocket_transport(websocket_options options)
    : impl_{std::make_unique<impl>()} {
  impl_->options = std::move(options);
}

websocket_transport::~websocket_transport() {
  if (impl_)
    stop();
}

websocket_transport::websocket_transport(websocket_transport&&) noexcept = default;
websocket_transport& websocket_transport::operator=(websocket_transport&&) noexcept = default;

void websocket_transport::start(edge::host& on) {
  const auto& options = impl_->options;
  const auto& cfg = on.settings();
  auto settings = std::make_shared<websocket::upgrade_settings>();
  settings->paths = options.path.empty() ? cfg.websocket.paths : std::vector{options.path};
  settings->origins = options.origins.value_or(cfg.websocket.origins);
  settings->compression = options.compression.value_or(cfg.websocket.compression);
  settings->plain = link_settings_from(on, false, impl_->open);
  settings->deflated = link_settings_from(on, true, impl_->open);
  websocket::set_deflate_min_bytes(cfg.websocket.compression_min_bytes);
  http::route_list routes{websocket::upgrade_route(on, std::move(settings))};
  if (options.demo_page)
    routes.push_back(http::console_route());
  const bool own_tls = !options.certificate.empty();
  std::lock_guard guard{impl_->lock};
  impl_->stop_locked(*this);
  const auto before = std::exchange(impl_->servers, {});
  impl_->started = true;
  try {
    for (const auto& address : options.listen.empty() ? cfg.listen : std::vector{options.listen}) {
      auto server = http::server::at(on, address, own_tls ? options.certificate : cfg.tls.certificate,
                                     own_tls ? options.key : cfg.tls.key);
      server->attach(*this, routes);
      if (options.demo_page && options.on_demo_page)
        options.on_demo_page(page_url(address, server->port(), own_tls || !cfg.tls.key.empty()));
      impl_->servers.push_back(std::move(server));
    }
  } catch (...) {
    impl_->stop_locked(*this);
    throw;
  }
}

void websocket_transport::stop() noexcept {
  std::lock_guard guard{impl_->lock};
  impl_->stop_locked(*this);
}

std::size_t websocket_transport::clients() const noexcept { return impl_->open->load(std::memory_order_relaxed); }

void websocket_transport::reload() {
  std::lock_guard guard{impl_->lock};
  for (const auto& server : impl_->servers)
    server->reload();
}

std::uint16_t websocket_transport::port() const {
  std::lock_guard guard{impl_->lock};
  return impl_->servers.empty() ? std::uint16_t{0} : impl_->servers.front()->port();
}

} // namespace troupe
