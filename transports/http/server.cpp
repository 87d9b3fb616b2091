#include "transports/http/server.hpp"

#include "runtime/system/logger.hpp"
#include "runtime/system/metrics.hpp"
#include "transports/http/session.hpp"
#include "transports/socket_stream.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::http {

namespace {

/// How many clients at a time are told that there is no place; the next ones are only cut off.
constexpr std::size_t refusing_max = 256;

struct registry {
  std::mutex lock;
  std::map<std::pair<edge::host*, std::string>, std::weak_ptr<server>> servers;
};

registry& servers() {
  static registry instance;
  return instance;
}

/// Closes a descriptor that no session took: a loop that has ended runs nothing any more.
struct owned_fd {
  explicit owned_fd(int descriptor)
      : fd{descriptor} {}
  ~owned_fd() {
    if (fd >= 0)
      ::close(fd);
  }
  owned_fd(const owned_fd&) = delete;
  owned_fd& operator=(const owned_fd&) = delete;
  int fd;
};

session_settings settings_from(const config& cfg) {
  session_settings out;
  out.handshake_timeout_ms = cfg.websocket.handshake_timeout.count();
  out.request_timeout_ms = cfg.http.request_timeout.count();
  out.idle_timeout_ms = cfg.http.idle_timeout.count();
  out.header_bytes_max = cfg.http.max_header_bytes;
  out.trusted_proxies = address_list{cfg.http.trusted_proxies};
  return out;
}

} // namespace

std::shared_ptr<server> server::at(edge::host& host, const std::string& address, const std::string& certificate,
                                   const std::string& key) {
  // Declared first, so that none of them is destroyed, which takes the same lock, before it is given back.
  std::vector<std::shared_ptr<server>> held;
  std::lock_guard guard{servers().lock};
  auto& slot = servers().servers[{&host, address}];
  if (auto existing = slot.lock()) {
    held.push_back(existing);
    if ((existing->tls_ ? existing->tls_->certificate() : std::string{}) != certificate)
      throw std::runtime_error("listen " + address + ": served with another certificate already");
    return existing;
  }
  // The limits are the node's: every address counts in the same seats.
  auto shared_seats = std::make_shared<seats>();
  for (const auto& [key_of, other] : servers().servers)
    if (auto found = key_of.first == &host ? other.lock() : nullptr) {
      shared_seats = found->seats_;
      held.push_back(std::move(found));
    }
  auto tls = certificate.empty() ? nullptr : std::make_unique<tls_credentials>(certificate, key);
  std::shared_ptr<server> made{new server{host, address, std::move(tls), std::move(shared_seats)}};
  slot = made;
  return made;
}

server::server(edge::host& host, std::string address, std::unique_ptr<tls_credentials> tls,
               std::shared_ptr<seats> shared_seats)
    : host_{host}
    , address_{std::move(address)}
    , tls_{std::move(tls)}
    , settings_{settings_from(host.settings())}
    , seats_{std::move(shared_seats)}
    , own_routes_{status_routes(host)}
    , refusing_{std::make_shared<std::atomic<std::size_t>>(0)} {
  const auto& limits = host.settings().limits;
  seats_->set_limits({limits.connections, limits.connections_per_address, limits.handshake_rate_per_address});
}

server::~server() {
  std::lock_guard guard{servers().lock};
  std::erase_if(servers().servers, [](const auto& entry) { return entry.second.expired(); });
}

void server::attach(edge::transport& who, const route_list& routes) {
  listen();
  std::lock_guard guard{lock_};
  std::erase_if(attached_, [&](const attachment& a) { return a.who == &who; });
  attached_.push_back({&who, routes});
}

void server::detach(edge::transport& who) noexcept {
  std::shared_ptr<listener> idle;
  {
    std::lock_guard guard{lock_};
    std::erase_if(attached_, [&](const attachment& a) { return a.who == &who; });
    if (attached_.empty())
      idle = listener_;
  }
  if (idle)
    idle->close();
}

std::uint16_t server::port() const {
  std::lock_guard guard{lock_};
  return listener_ ? listener_->port() : std::uint16_t{0};
}

void server::reload() {
  if (tls_)
    tls_->reload();
}

void server::listen() {
  std::lock_guard guard{lock_};
  if (listener_ && listener_->is_open())
    return;
  const auto where = parse_listen_address(address_);
  if (!where)
    throw std::runtime_error("listen: \"" + address_ + "\" is not ADDRESS:PORT");
  // The callbacks hold the server only weakly: it owns the listener.
  auto fresh = std::make_shared<listener>(
      host_.loop_at(0),
      [weak = weak_from_this()](int fd, const sockaddr_storage& from) {
        if (auto self = weak.lock())
          self->on_accepted(fd, from);
        else
          ::close(fd);
      },
      [weak = weak_from_this()](const std::string& why) {
        if (auto self = weak.lock())
          self->on_failed(why);
      },
      host_.counters().counter("troupe_accept_rests_total",
                               "Times that accepting waited for 100 ms, out of file descriptors or memory."));
  fresh->open(where->host, where->port != 0 ? where->port : bound_port_,
              static_cast<int>(host_.settings().websocket.backlog));
  listener_ = std::move(fresh);
  bound_port_ = listener_->port();
  process_log().info("listening", "address={} port={} tls={}", where->host, bound_port_, tls_ != nullptr);
}

void server::on_accepted(int fd, const sockaddr_storage& from) {
  auto& on = host_.loop_at(next_loop_++ % host_.loop_count());
  auto held = std::make_shared<owned_fd>(fd);
  const auto peer = ip_address::of(from);
  const bool proxy = settings_.trusted_proxies.contains(peer);
  seat_refusal refused;
  auto seat = take_seat(proxy ? std::nullopt : std::optional{peer}, host_.loop_at(0).now(), refused);
  if (!seat) {
    if (refusing_->fetch_add(1) >= refusing_max) {
      refusing_->fetch_sub(1);
      if (refused.limit == all_taken)
        count_refusal(refused.limit, proxy ? "a proxy" : peer.text());
      return;
    }
    seat = {this, [count = refusing_](void*) { count->fetch_sub(1); }};
  }
  const bool v6 = from.ss_family == AF_INET6;
  auto begin = [self = shared_from_this(), held, peer, proxy, v6, refused, seat = std::move(seat), &on] {
    auto stream = std::make_unique<socket_stream>(on.io(), std::exchange(held->fd, -1), v6,
                                                  self->tls_ ? self->tls_->current() : nullptr);
    start_session(on, self, std::move(stream), {peer, proxy, refused}, seat);
  };
  if (on.on_thread())
    begin();
  else
    on.post(std::move(begin));
}

void server::on_failed(const std::string& why) {
  std::vector<edge::transport*> told;
  {
    std::lock_guard guard{lock_};
    for (const auto& a : attached_)
      told.push_back(a.who);
  }
  process_log().error("accept.failed", "address={} reason={}", address_, why);
  for (auto* who : told)
    host_.failed(*who, "accepting on " + address_ + ": " + why);
}

std::shared_ptr<route> server::find(std::string_view path) const {
  const auto among = [&](const route_list& routes) -> std::shared_ptr<route> {
    const auto found = std::find_if(routes.begin(), routes.end(), [&](const auto& r) { return r->matches(path); });
    return found == routes.end() ? nullptr : *found;
  };
  if (auto own = among(own_routes_))
    return own;
  std::lock_guard guard{lock_};
  for (const auto& a : attached_)
    if (auto theirs = among(a.routes))
      return theirs;
  return nullptr;
}

bool server::is_attached() const {
  std::lock_guard guard{lock_};
  return !attached_.empty();
}

std::shared_ptr<void> server::take_seat(const std::optional<ip_address>& address, mono_ms now, seat_refusal& refused) {
  auto seat = seats_->take(address, now, refused);
  if (!seat && refused.limit != all_taken)
    count_refusal(refused.limit, address ? address->text() : "a proxy");
  return seat;
}

std::shared_ptr<void> server::take_client_seat(const ip_address& client, bool handshake, mono_ms now,
                                               seat_refusal& refused) {
  auto seat = seats_->take_by_address(client, handshake, now, refused);
  if (!seat)
    count_refusal(refused.limit, client.text());
  return seat;
}

void server::count_refusal(std::string_view reason, const std::string& address) {
  http::count_refusal(host_, reason);
  host_.pressure(reason, address);
}

bool server::tells_status(std::string_view path) const {
  return std::any_of(own_routes_.begin(), own_routes_.end(), [&](const auto& r) { return r->matches(path); });
}

void count_refusal(edge::host& host, std::string_view reason) {
  host.counters()
      .counter("troupe_connections_refused_total", "Connections that were refused at the door, by reason.",
               {{"reason", std::string{reason}}})
      .add();
}

} // namespace troupe::http
