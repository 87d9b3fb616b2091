#include "tests/transports/mesh/raw_peer.hpp"

#include <arpa/inet.h>
#include <csignal>
#include <cstring>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace mesh_testing {
namespace {

constexpr int patience_seconds = 10;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  return at;
}

void be_patient(int fd) {
  std::signal(SIGPIPE, SIG_IGN); // OpenSSL writes with write(2)
  const timeval limit{patience_seconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

} // namespace

raw_listener::raw_listener()
    : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
  auto at = loopback(0);
  socklen_t bytes = sizeof at;
  if (::bind(fd_, reinterpret_cast<sockaddr*>(&at), bytes) != 0 || ::listen(fd_, 8) != 0)
    throw std::runtime_error("cannot listen");
  ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &bytes);
  port_ = ntohs(at.sin_port);
}

raw_listener::~raw_listener() { ::close(fd_); }

int raw_listener::accept() const {
  pollfd waits{fd_, POLLIN, 0};
  return ::poll(&waits, 1, patience_seconds * 1000) == 1 ? ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC) : -1;
}

raw_peer::raw_peer(std::uint16_t port)
    : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
  const auto at = loopback(port);
  be_patient(fd_);
  const int small = 64 * 1024; // so that a peer that does not read is soon full
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
    throw std::runtime_error("cannot connect");
}

raw_peer::raw_peer(accepted from)
    : fd_{from.fd} {
  be_patient(fd_);
}

raw_peer::~raw_peer() {
  SSL_free(tls_);
  ::close(fd_);
}

bool raw_peer::secure(const std::shared_ptr<ssl_ctx_st>& context, bool as_server) {
  tls_ = SSL_new(context.get());
  SSL_set_fd(tls_, fd_);
  ERR_clear_error();
  return (as_server ? SSL_accept(tls_) : SSL_connect(tls_)) == 1;
}

bool raw_peer::say(std::string_view bytes) {
  while (!bytes.empty()) {
    ERR_clear_error();
    const auto sent = tls_ != nullptr ? SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()))
                                      : static_cast<int>(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
    if (sent <= 0)
      return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

/// @param end whether the other side closed, in whatever way; a limit of time is none
std::size_t raw_peer::read_some(char* into, std::size_t bytes, bool& end) {
  ERR_clear_error();
  errno = 0;
  const auto got =
      tls_ != nullptr ? SSL_read(tls_, into, static_cast<int>(bytes)) : static_cast<int>(::recv(fd_, into, bytes, 0));
  end = got <= 0 && errno != EAGAIN;
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

std::string raw_peer::hear(std::size_t bytes) {
  std::string heard(bytes, '\0');
  std::size_t got = 0;
  for (bool end = false; got < bytes && !end;) {
    const auto more = read_some(heard.data() + got, bytes - got, end);
    if (more == 0)
      break;
    got += more;
  }
  heard.resize(got);
  return heard;
}

bool raw_peer::closed() {
  char some[4096];
  bool end = false;
  while (read_some(some, sizeof some, end) > 0) {
  }
  return end;
}

std::optional<troupe::mesh::preface> raw_peer::greet(const troupe::mesh::preface& own) {
  if (!say(own.encode()))
    return {};
  std::string heard;
  for (;;) {
    const auto found = troupe::mesh::read_preface(heard, own.version);
    if (found.what == troupe::mesh::preface_outcome::state::done)
      return found.said;
    const auto more = hear(1);
    if (more.empty() || found.what == troupe::mesh::preface_outcome::state::refused)
      return {};
    heard += more;
  }
}

troupe::mesh::preface made_up(const std::string& name, const std::string& node, std::uint64_t incarnation) {
  troupe::mesh::preface p;
  p.who = {name, incarnation, node};
  return p;
}

} // namespace mesh_testing
