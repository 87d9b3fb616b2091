#include "transports/listener.hpp"

#include "runtime/system/logger.hpp"
#include "runtime/system/metrics.hpp"

#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/socket.h>
#include <utility>

namespace troupe {

namespace {

constexpr int accepts_per_turn_max = 128;
constexpr std::chrono::milliseconds rest_time{100};

/// Errors of a connection that was lost before it was accepted, or of its network (accept(2)).
bool only_this_connection(int error) {
  switch (error) {
  case ECONNABORTED:
  case EINTR:
  case EPROTO:
  case EPERM:
  case ENETDOWN:
  case ENOPROTOOPT:
  case EHOSTDOWN:
  case ENONET:
  case EHOSTUNREACH:
  case EOPNOTSUPP:
  case ENETUNREACH:
    return true;
  default:
    return false;
  }
}

bool is_shortage(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

} // namespace

listener::listener(loop& on, on_accepted accepted, on_failed failed, counter& rests)
    : loop_{on}
    , accepted_{std::move(accepted)}
    , failed_{std::move(failed)}
    , rests_{rests} {}

void listener::open(const std::string& host, std::uint16_t port, int backlog) {
  const auto where = (host.find(':') != std::string::npos ? "[" + host + "]" : host) + ":" + std::to_string(port);
  const auto check = [&](const boost_error& failed) {
    if (failed)
      throw std::runtime_error("cannot listen on " + where + ": " + failed.message());
  };
  boost_error failed;
  asio::ip::basic_resolver<tcp, asio::io_context::executor_type> resolver{loop_.io().get_executor()};
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, failed);
  check(failed);
  const auto endpoint = found.begin()->endpoint();
  std::lock_guard guard{lock_};
  tcp_acceptor acceptor{loop_.io().get_executor()};
  check(acceptor.open(endpoint.protocol(), failed));
  acceptor.set_option(tcp_acceptor::reuse_address{true}, failed);
  check(acceptor.bind(endpoint, failed));
  check(acceptor.listen(backlog, failed));
  acceptor.non_blocking(true, failed);
  acceptor_.emplace(std::move(acceptor));
  ++session_;
  wait();
}

void listener::close() noexcept {
  std::lock_guard guard{lock_};
  acceptor_.reset();
}

bool listener::is_open() const {
  std::lock_guard guard{lock_};
  return acceptor_.has_value();
}

std::uint16_t listener::port() const {
  std::lock_guard guard{lock_};
  boost_error failed;
  return acceptor_ ? acceptor_->local_endpoint(failed).port() : std::uint16_t{0};
}

void listener::wait() {
  acceptor_->async_wait(tcp_acceptor::wait_read, [self = shared_from_this(), session = session_](const boost_error&) {
    self->on_ready(session);
  });
}

void listener::on_ready(std::uint64_t session) {
  std::string why;
  {
    std::lock_guard guard{lock_};
    if (!acceptor_ || session != session_)
      return;
    const auto next = accept_all(why);
    if (!acceptor_ || session != session_)
      return;
    if (next == step::wait)
      return wait();
    if (next == step::rest)
      return rest(session);
    acceptor_.reset();
  }
  failed_(std::move(why));
}

listener::step listener::accept_all(std::string& why) {
  for (int i = 0; i < accepts_per_turn_max && acceptor_; ++i) {
    sockaddr_storage from{};
    socklen_t bytes = sizeof from;
    const int fd =
        ::accept4(acceptor_->native_handle(), reinterpret_cast<sockaddr*>(&from), &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      had_enough();
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      accepted_(fd, from);
      continue;
    }
    const int error = errno;
    if (error == EAGAIN || error == EWOULDBLOCK)
      break;
    if (only_this_connection(error))
      continue;
    why = std::strerror(error);
    if (!is_shortage(error))
      return step::broken;
    came_short(why);
    return step::rest;
  }
  return step::wait;
}

/// A shortage is said when it begins and when it is over, not every 100 ms.
void listener::came_short(const std::string& why) {
  rests_.add();
  if (++rests_in_a_row_ == 1)
    process_log().warn("accept.resting", "reason={}", why);
}

void listener::had_enough() {
  if (const auto rested = std::exchange(rests_in_a_row_, 0))
    process_log().info("accept.resumed", "after_ms={}", rested * static_cast<std::uint64_t>(rest_time.count()));
}

void listener::rest(std::uint64_t session) {
  auto timer = std::make_shared<asio::steady_timer>(loop_.io(), rest_time);
  timer->async_wait([self = shared_from_this(), timer, session](const boost_error&) { self->on_ready(session); });
}

} // namespace troupe
