#include "transports/mesh/gate.hpp"

#include "runtime/system/logger.hpp"
#include "runtime/system/metrics.hpp"
#include "transports/mesh/gate_impl.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <chrono>
#include <future>
#include <netinet/in.h>
#include <stdexcept>
#include <unistd.h>
#include <utility>

namespace troupe::mesh {
namespace {

constexpr int backlog = 64;

std::string text_of(const sockaddr_storage& from) {
  char text[INET6_ADDRSTRLEN] = "";
  if (from.ss_family == AF_INET6)
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(from).sin6_addr, text, sizeof text);
  else
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(from).sin_addr, text, sizeof text);
  return text;
}

} // namespace

gate::gate(loop& on, door& way, metrics& numbers, const gate_settings& settings)
    : impl_{std::make_shared<impl>(on, way, numbers, settings)} {}

gate::~gate() { stop(); }

void gate::start() { impl_->listen(); }

void gate::stop() noexcept {
  std::promise<void> done;
  impl_->on().post([&] {
    impl_->close();
    done.set_value();
  });
  done.get_future().wait();
}

void gate::dial(std::string host, std::uint16_t port) {
  impl_->on().post([self = impl_, to = std::move(host), port] { self->dial(to, port); });
}

void gate::reload() {
  auto fresh = std::make_shared<const credentials>(impl_->proof_settings());
  impl_->on().post([self = impl_, fresh] { self->prove_by(fresh); });
}

void gate::cut(std::string peer, std::string why) {
  impl_->on().post([self = impl_, who = std::move(peer), because = std::move(why)] { self->cut(who, because); });
}

std::uint16_t gate::port() const { return impl_->port(); }

std::size_t gate::peers() const noexcept { return impl_->peers(); }

// -- who knocks

gate::impl::impl(loop& on, door& way, metrics& numbers, gate_settings settings)
    : loop_{on}
    , door_{way}
    , numbers_{numbers}
    , peers_{numbers.gauge("troupe_mesh_peers", "Nodes that are connected.")}
    , pauses_{numbers.counter("troupe_mesh_read_pauses_total",
                              "Times that a peer was not read for a while, since it sends too much.")}
    , settings_{std::move(settings)}
    , proof_{std::make_shared<const credentials>(settings_.proof)}
    , own_{settings_.version, way.self()}
    , guests_{way.self()} {
  if (!is_node_name(own_.who.name))
    throw std::runtime_error("mesh: a node's name has letters, digits, '-', '_' and '.', at most " +
                             std::to_string(preface::name_bytes_max) + " of them: " + own_.who.name);
}

void gate::impl::listen() {
  if (!settings_.host)
    return;
  auto& rests = numbers_.counter("troupe_mesh_accept_rests_total", "Times that the gate ran out of descriptors.");
  listener_ = std::make_shared<listener>(
      loop_, [this](int fd, const sockaddr_storage& from) { knock(fd, from); },
      [this](const std::string& why) {
        process_log().error("mesh.listen_failed", "error={}", why);
        if (settings_.failed)
          settings_.failed(why);
      },
      rests);
  listener_->open(*settings_.host, settings_.port, backlog);
  process_log().info("mesh.listening", "address={}:{} node={}", *settings_.host, listener_->port(), own_.who.name);
}

void gate::impl::knock(int fd, const sockaddr_storage& from) {
  auto address = text_of(from);
  const auto at = knocking_.find(address);
  const bool crowd = knocking_in_all_ >= settings_.handshakes_max ||
                     (at != knocking_.end() && at->second >= settings_.handshakes_per_address_max);
  if (closed_ || crowd) {
    ::close(fd);
    if (crowd)
      turn_away("crowd", address, "too many handshakes are in progress");
    return;
  }
  ++knocking_in_all_;
  ++knocking_[address];
  greet(fd, from.ss_family == AF_INET6, std::move(address), nullptr);
}

void gate::impl::greet(int fd, bool v6, std::string address, std::shared_ptr<call> by) {
  auto stream =
      std::make_unique<socket_stream>(loop_.io(), fd, v6, by ? proof_->client() : proof_->server(), by != nullptr);
  // The greeting keeps no reference to itself: the list does, until it is done.
  auto which = std::make_shared<std::weak_ptr<greeting>>();
  auto made = std::make_shared<greeting>(
      loop_.io(), std::move(stream), proof_, own_,
      [this, which, from = std::move(address), by = std::move(by)](greeting::outcome result) {
        greeted(which->lock(), std::move(result), from, by);
      });
  *which = made;
  greetings_.push_back(made);
  made->start(settings_.limits.handshake_ms_max);
}

void gate::impl::greeted(const std::shared_ptr<greeting>& which, greeting::outcome result, std::string address,
                         const std::shared_ptr<call>& by) {
  std::erase(greetings_, which);
  if (!by) {
    --knocking_in_all_;
    if (const auto at = knocking_.find(address); --at->second == 0)
      knocking_.erase(at);
  }
  if (!result.refused.empty()) {
    turn_away(result.refused, by ? by->host : address, result.detail);
    if (by)
      ring_later(by);
    return;
  }
  peer who{result.said.who, std::move(address), !by, std::min(result.said.version.minor, own_.version.minor)};
  const auto verdict = guests_.decide(who, now());
  switch (verdict) {
  case guest_list::verdict::welcome:
    return let_in(std::move(who), std::move(result), by);
  case guest_list::verdict::self:
    if (by) {
      process_log().info("mesh.own_address", "address={}:{}", by->host, by->port);
      std::erase(calls_, by);
    }
    return;
  case guest_list::verdict::replaces:
    if (const auto old = pumps_.find(who.who.name); old != pumps_.end())
      std::shared_ptr { old->second } -> end("replaced", "it has connected anew");
    break;
  case guest_list::verdict::name:
  case guest_list::verdict::node:
    turn_away(to_string(verdict), who.who.name, "another node has this name or id");
    break;
  case guest_list::verdict::duplicate:
    break;
  }
  // CAF must have seen the end of a connection before it sees the next to the same node: the peer comes again.
  result.stream->shutdown_send();
  if (by)
    ring_later(by, verdict == guest_list::verdict::replaces ? 0 : guest_list::crossing_ms_max);
}

void gate::impl::let_in(peer who, greeting::outcome result, const std::shared_ptr<call>& by) {
  const auto refuse = [&](std::string_view reason, std::string_view why) {
    turn_away(reason, who.who.name, why);
    result.stream->shutdown_send();
    if (by)
      ring_later(by);
  };
  if (guests_.size() >= settings_.peers_max)
    return refuse("peers", "too many peers are connected");
  auto opened = door_.open(who);
  if (const auto* why = std::get_if<std::string>(&opened))
    return refuse("door", *why);
  const auto way = std::get<line>(opened);
  basp_rules rules{own_.who.node, who.who.node, way.actor, !who.accepted, settings_.limits.batch_bytes_max};
  auto made = std::make_shared<pump>(
      loop_.io(), std::move(result.stream), way.fd, std::move(rules), settings_.limits, pauses_,
      [this] { return now(); },
      [this, who, by](std::string_view reason, std::string_view detail) { left(who, reason, detail, by); });
  guests_.add(who, now());
  pumps_[who.who.name] = made;
  peers_.set(static_cast<std::int64_t>(pumps_.size()));
  if (by)
    by->connected_at = now();
  process_log().info("mesh.peer_up", "node={} address={} accepted={} minor={}", who.who.name, who.address, who.accepted,
                     who.minor);
  made->start(result.early);
}

void gate::impl::left(const peer& who, std::string_view reason, std::string_view detail,
                      const std::shared_ptr<call>& by) {
  guests_.remove(who.who.name);
  pumps_.erase(who.who.name);
  peers_.set(static_cast<std::int64_t>(pumps_.size()));
  process_log().info("mesh.peer_down", "node={} reason={}", who.who.name, reason);
  if (reason.starts_with("frame_") || reason == "stalled" || reason == "timeout" || reason == "link")
    turn_away(reason, who.who.name, detail);
  if (closed_)
    return;
  door_.closed(who, reason);
  if (!by)
    return;
  if (now() - by->connected_at >= settings_.redial.max_ms)
    by->delay.reset(); // it was not just let in to be cut off again
  ring_later(by);
}

void gate::impl::turn_away(std::string_view reason, std::string_view who, std::string_view detail) {
  numbers_
      .counter("troupe_mesh_turned_away_total", "Peers and strangers that were turned away or cut off, by reason.",
               {{"reason", std::string{reason}}})
      .add();
  process_log().warn("mesh.turned_away", "reason={} who={} detail={}", reason, who, detail);
  if (!closed_)
    door_.turned_away(reason, who, detail);
}

// -- whom it calls

void gate::impl::dial(std::string host, std::uint16_t port) {
  if (closed_)
    return;
  calls_.push_back(std::make_shared<call>(loop_.io(), std::move(host), port, settings_.redial));
  ring(calls_.back());
}

void gate::impl::ring(const std::shared_ptr<call>& c) {
  c->resolver.async_resolve(
      c->host, std::to_string(c->port),
      [weak = weak_from_this(), c](const boost_error& failed, const tcp::resolver::results_type& found) {
        const auto self = weak.lock();
        if (!self || self->closed_)
          return;
        c->left.clear();
        for (const auto& each : found)
          c->left.push_back(each.endpoint());
        std::reverse(c->left.begin(), c->left.end()); // the last is tried first
        if (failed)
          process_log().info("mesh.no_address", "host={} error={}", c->host, failed.message());
        self->try_next(c);
      });
}

void gate::impl::try_next(const std::shared_ptr<call>& c) {
  if (c->left.empty())
    return ring_later(c);
  const auto to = c->left.back();
  c->left.pop_back();
  connect(c, to);
}

void gate::impl::connect(const std::shared_ptr<call>& c, tcp::endpoint to) {
  boost_error ignored;
  c->socket.close(ignored);
  c->timer.expires_after(std::chrono::milliseconds{settings_.limits.handshake_ms_max});
  c->timer.async_wait([c](const boost_error& failed) {
    boost_error none;
    if (!failed)
      c->socket.close(none); // ends the attempt
  });
  c->socket.async_connect(to, [weak = weak_from_this(), c, to](const boost_error& failed) {
    const auto self = weak.lock();
    c->timer.cancel();
    if (!self || self->closed_)
      return;
    if (failed || !c->socket.is_open())
      return self->try_next(c);
    boost_error ignored_too;
    c->socket.set_option(tcp::no_delay{true}, ignored_too);
    const int fd = c->socket.release(ignored_too);
    self->greet(fd, to.address().is_v6(), to.address().to_string(), c);
  });
}

void gate::impl::ring_later(const std::shared_ptr<call>& c, mono_ms at_least) {
  if (closed_)
    return;
  c->timer.expires_after(std::chrono::milliseconds{std::max<mono_ms>(at_least, c->delay.next(random()))});
  c->timer.async_wait([weak = weak_from_this(), c](const boost_error& failed) {
    if (const auto self = weak.lock(); self && !failed && !self->closed_)
      self->ring(c);
  });
}

// -- the end

void gate::impl::cut(const std::string& peer, std::string_view why) {
  if (const auto found = pumps_.find(peer); found != pumps_.end())
    std::shared_ptr { found->second } -> end("link", why);
}

void gate::impl::close() {
  closed_ = true;
  if (listener_)
    listener_->close();
  for (const auto& c : calls_) {
    boost_error ignored;
    c->timer.cancel();
    c->resolver.cancel();
    c->socket.close(ignored);
  }
  calls_.clear();
  for (const auto& each : std::exchange(greetings_, {}))
    each->abandon();
  for (const auto& [name, each] : std::exchange(pumps_, {}))
    each->end("local_closed", "this node is going away");
  peers_.set(0);
}

mono_ms gate::impl::now() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

random_below gate::impl::random() {
  return [this](std::uint64_t bound) { return dice_() % bound; };
}

} // namespace troupe::mesh
