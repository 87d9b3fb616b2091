#include "apps/troupe/http_get.hpp"

#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
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

struct address {
  std::string host;
  std::string port = "80";
};

address parse(const std::string& url) {
  constexpr std::string_view scheme = "http://";
  if (!url.starts_with(scheme))
    throw std::runtime_error{"\"" + url + "\" is no http:// address"};
  auto rest = url.substr(scheme.size());
  rest = rest.substr(0, rest.find('/'));
  address a;
  const bool bracketed = rest.starts_with('[');
  const auto end = bracketed ? rest.find(']') : rest.find(':');
  a.host = bracketed ? rest.substr(1, end == std::string::npos ? end : end - 1) : rest.substr(0, end);
  const auto colon = rest.find(':', bracketed && end != std::string::npos ? end : 0);
  if (colon != std::string::npos)
    a.port = rest.substr(colon + 1);
  if (a.host.empty() || a.port.empty())
    throw std::runtime_error{"\"" + url + "\" has no host or no port"};
  return a;
}

int connect_to(const address& to) {
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

} // namespace

http_answer http_get(const std::string& url, std::string_view path) {
  const auto to = parse(url);
  const descriptor socket{connect_to(to)};
  const std::string request = "GET " + std::string{path} + " HTTP/1.0\r\nHost: " + to.host + "\r\n\r\n";
  for (std::size_t sent = 0; sent < request.size();) {
    const auto n = ::send(socket.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n < 0)
      throw std::runtime_error{"cannot send to " + url + ": " + std::strerror(errno)};
    sent += static_cast<std::size_t>(n);
  }
  std::string text;
  char part[16 * 1024];
  for (;;) {
    const auto n = ::recv(socket.get(), part, sizeof part, 0);
    if (n < 0)
      throw std::runtime_error{"no answer from " + url + ": " + std::strerror(errno)};
    if (n == 0)
      break;
    text.append(part, static_cast<std::size_t>(n));
    if (text.size() > answer_bytes_max)
      throw std::runtime_error{"the answer of " + url + " is too large"};
  }
  const auto body = text.find("\r\n\r\n");
  if (!text.starts_with("HTTP/1.") || text.size() < 12 || body == std::string::npos)
    throw std::runtime_error{url + " does not speak HTTP"};
  return {std::atoi(text.c_str() + 9), text.substr(body + 4)};
}

} // namespace troupe::cli
