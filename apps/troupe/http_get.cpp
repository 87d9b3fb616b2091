#include "apps/troupe/http_get.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <optional>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace troupe::cli {
namespace {

constexpr std::size_t answer_bytes_max = 16 * 1024 * 1024;
constexpr timeval patience{5, 0};

class descriptor {
public:
  explicit descriptor(int fd)
      : fd_(fd) {}
  ~descriptor() {
    if (fd_ >= 0)
      ::close(fd_);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  int get() const { return fd_; }

private:
  int fd_;
};

int connect_to(const server_address& to) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int failed = getaddrinfo(to.host.c_str(), to.port.c_str(), &hints, &found); failed != 0)
    throw std::runtime_error{"cannot find " + to.host + ": " + gai_strerror(failed)};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all{found, &freeaddrinfo};
  int why = ECONNREFUSED;
  for (const auto* a = found; a != nullptr; a = a->ai_next) {
    const int fd = ::socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
      setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
      if (::connect(fd, a->ai_addr, a->ai_addrlen) == 0)
        return fd;
      why = errno;
      ::close(fd);
    }
  }
  throw std::runtime_error{"cannot connect to " + to.host + ":" + to.port + ": " + std::strerror(why)};
}

/// A socket, with TLS over it where the address says so.
class channel {
public:
  channel(const server_address& to, const std::string& ca_file)
      : where_(to.authority())
      , socket_(connect_to(to)) {
    if (to.tls)
      shake_hands(to, ca_file);
  }

  void send(std::string_view all) {
    while (!all.empty()) {
      const auto n = tls_ ? SSL_write(tls_.get(), all.data(), static_cast<int>(all.size()))
                          : ::send(socket_.get(), all.data(), all.size(), MSG_NOSIGNAL);
      if (n <= 0)
        throw std::runtime_error{"cannot send to " + where_ + ": " + std::strerror(errno)};
      all.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  /// @returns 0 at the end
  std::size_t receive(char* into, std::size_t most) {
    errno = 0;
    ERR_clear_error();
    const auto n = tls_ ? SSL_read(tls_.get(), into, static_cast<int>(most)) : ::recv(socket_.get(), into, most, 0);
    if (n > 0)
      return static_cast<std::size_t>(n);
    if (tls_ ? tls_ended(static_cast<int>(n)) : n == 0)
      return 0;
    const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
    throw std::runtime_error{"no answer from " + where_ + ": " + (reason != nullptr ? reason : std::strerror(errno))};
  }

private:
  /// Whether the peer closed, with an alert or without: whether all of the answer came its length says.
  bool tls_ended(int read) const {
    const auto why = SSL_get_error(tls_.get(), read);
    return why == SSL_ERROR_ZERO_RETURN || (why == SSL_ERROR_SYSCALL && errno == 0 && ERR_peek_error() == 0) ||
           (why == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING);
  }

  void shake_hands(const server_address& to, const std::string& ca_file) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_default_verify_paths(context_.get());
    if (!ca_file.empty() && SSL_CTX_load_verify_locations(context_.get(), ca_file.c_str(), nullptr) != 1)
      throw std::runtime_error{"cannot read the certificates in " + ca_file};
    tls_.reset(SSL_new(context_.get()));
    in6_addr scratch{};
    if (inet_pton(AF_INET, to.host.c_str(), &scratch) == 1 || inet_pton(AF_INET6, to.host.c_str(), &scratch) == 1) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls_.get()), to.host.c_str());
    } else {
      SSL_set_tlsext_host_name(tls_.get(), to.host.c_str());
      SSL_set1_host(tls_.get(), to.host.c_str());
    }
    SSL_set_fd(tls_.get(), socket_.get());
    if (SSL_connect(tls_.get()) == 1)
      return;
    const auto found = SSL_get_verify_result(tls_.get());
    const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
    throw std::runtime_error{"cannot speak TLS with " + where_ + ": " +
                             (found != X509_V_OK  ? X509_verify_cert_error_string(found)
                              : reason != nullptr ? reason
                                                  : "no answer")};
  }

  std::string where_;
  descriptor socket_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_{nullptr, &SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> tls_{nullptr, &SSL_free};
};

/// OpenSSL writes to sockets without MSG_NOSIGNAL: meanwhile a connection that is gone is an error like others.
class without_broken_pipes {
public:
  without_broken_pipes()
      : before_(std::signal(SIGPIPE, SIG_IGN)) {}
  ~without_broken_pipes() { std::signal(SIGPIPE, before_); }
  without_broken_pipes(const without_broken_pipes&) = delete;
  without_broken_pipes& operator=(const without_broken_pipes&) = delete;

private:
  void (*before_)(int);
};

/// What a head says about the length of its body; nothing where it ends with the connection (RFC 9112 section 6.3).
std::optional<std::size_t> body_length(std::string_view head) {
  constexpr std::string_view name = "\r\ncontent-length:";
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  const auto at = std::search(head.begin(), head.end(), name.begin(), name.end(), same);
  if (at == head.end())
    return {};
  auto digits = head.substr(static_cast<std::size_t>(at - head.begin()) + name.size());
  digits.remove_prefix(std::min(digits.size(), digits.find_first_not_of(" \t")));
  std::size_t length = 0;
  const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  return bad == std::errc{} ? std::optional{length} : std::nullopt;
}

} // namespace

http_answer http_get(const server_address& to, std::string_view path, const std::string& ca_file) {
  const without_broken_pipes guard;
  channel server{to, ca_file};
  server.send("GET " + std::string{path} + " HTTP/1.0\r\nHost: " + to.authority() + "\r\n\r\n");
  std::string text;
  char part[16 * 1024];
  while (const auto n = server.receive(part, sizeof part)) {
    text.append(part, n);
    if (text.size() > answer_bytes_max)
      throw std::runtime_error{"the answer of " + to.authority() + " is too large"};
  }
  const auto body = text.find("\r\n\r\n");
  if (!text.starts_with("HTTP/1.") || text.size() < 12 || body == std::string::npos)
    throw std::runtime_error{to.authority() + " does not speak HTTP"};
  const auto length = body_length(std::string_view{text}.substr(0, body + 2));
  if (length && text.size() - body - 4 < *length)
    throw std::runtime_error{"the answer of " + to.authority() + " was cut off"};
  return {std::atoi(text.c_str() + 9), text.substr(body + 4)};
}

} // namespace troupe::cli
