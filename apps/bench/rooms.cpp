// A client of the least kind, on plain sockets: it creates idle rooms for a measurement and then only answers pings.

#include "apps/bench/rooms.hpp"

#include "apps/bench/frames.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::bench {
namespace {

/// Joins that a connection has sent and that are not answered yet.
constexpr std::size_t joins_in_flight_max = 32;

class client {
public:
  client(const rooms_options& options, std::size_t first, std::size_t count)
      : options_(options)
      , next_(first)
      , end_(first + count) {}

  client(client&& other) noexcept
      : options_(other.options_)
      , fd_(std::exchange(other.fd_, -1))
      , next_(other.next_)
      , end_(other.end_)
      , in_(std::move(other.in_)) {}

  ~client() {
    if (fd_ >= 0)
      ::close(fd_);
  }

  int descriptor() const noexcept { return fd_; }
  bool done() const noexcept { return next_ == end_ && in_flight_ == 0; }

  void open() {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    if (::inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr) != 1)
      throw std::runtime_error("not an IPv4 address: " + options_.host);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error(std::string{"cannot connect: "} + std::strerror(errno));
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    send(upgrade_request(options_.host, options_.port, options_.path));
    while (in_.find("\r\n\r\n") == std::string::npos)
      receive();
    if (!in_.starts_with("HTTP/1.1 101"))
      throw std::runtime_error("the server refused: " + in_.substr(0, in_.find('\r')));
    in_.erase(0, in_.find("\r\n\r\n") + 4);
  }

  /// Reads what has arrived, once, and answers it.
  void on_readable() {
    receive();
    std::size_t used = 0;
    while (const auto one = take_frame(in_, used))
      answer(*one);
    in_.erase(0, used);
  }

  void join_more() {
    while (next_ < end_ && in_flight_ < joins_in_flight_max) {
      const auto number = std::to_string(next_++);
      send_frame(1, fmt::format(R"({{"type":"room:join","id":"{}","room":"{}{}","payload":{{"presence":false}}}})",
                                number, options_.prefix, number));
      ++in_flight_;
    }
  }

private:
  void answer(const frame& one) {
    if (one.opcode == 9)
      return send_frame(10, one.payload);
    if (one.opcode == 8)
      throw std::runtime_error("the server closed a connection");
    if (one.payload.find(R"("type":"error")") != std::string_view::npos)
      throw std::runtime_error("the server refused a join: " + std::string{one.payload});
    if (in_flight_ > 0 && one.payload.find(R"("type":"ack")") != std::string_view::npos)
      --in_flight_;
  }

  void send_frame(unsigned opcode, std::string_view payload) {
    std::string out;
    append_frame(out, opcode, payload);
    send(out);
  }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EINTR)
        throw std::runtime_error(std::string{"send: "} + std::strerror(errno));
      bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
    }
  }

  void receive() {
    char block[16 * 1024];
    const auto got = ::recv(fd_, block, sizeof block, 0);
    if (got == 0)
      throw std::runtime_error("the server ended a connection");
    if (got < 0 && errno != EINTR)
      throw std::runtime_error(std::string{"recv: "} + std::strerror(errno));
    in_.append(block, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  }

  const rooms_options& options_;
  int fd_ = -1;
  std::size_t next_;
  std::size_t end_;
  std::size_t in_flight_ = 0;
  std::string in_;
};

void serve(std::vector<client>& clients) {
  std::vector<pollfd> polled;
  polled.reserve(clients.size());
  for (const auto& one : clients)
    polled.push_back({one.descriptor(), POLLIN, 0});
  for (bool ready = false;;) {
    if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR)
      throw std::runtime_error(std::string{"poll: "} + std::strerror(errno));
    for (std::size_t i = 0; i < clients.size(); ++i) {
      if (polled[i].revents == 0)
        continue;
      clients[i].on_readable();
      clients[i].join_more();
    }
    if (!ready && std::all_of(clients.begin(), clients.end(), [](const client& c) { return c.done(); })) {
      ready = true;
      std::puts("ready");
      std::fflush(stdout);
    }
  }
}

} // namespace

bool read_url(const std::string& url, rooms_options& options) {
  if (!url.starts_with("ws://"))
    return false;
  const auto rest = url.substr(5);
  const auto slash = std::min(rest.find('/'), rest.size());
  const auto authority = rest.substr(0, slash);
  const auto colon = std::min(authority.find(':'), authority.size());
  options.host = authority.substr(0, colon);
  options.path = slash < rest.size() ? rest.substr(slash) : "/";
  if (colon == authority.size())
    options.port = 80;
  else if (const auto* last = authority.data() + authority.size();
           std::from_chars(authority.data() + colon + 1, last, options.port).ptr != last || options.port == 0)
    return false;
  return !options.host.empty();
}

int hold_rooms(const rooms_options& options) {
  const auto wanted = (options.rooms + rooms_per_connection_max - 1) / rooms_per_connection_max;
  const auto connections = options.connections != 0 ? options.connections : std::max<std::size_t>(wanted, 1);
  try {
    std::vector<client> clients;
    clients.reserve(connections);
    for (std::size_t i = 0, first = 0; i < connections; ++i) {
      const auto end = options.rooms * (i + 1) / connections;
      clients.emplace_back(options, first, end - first);
      clients.back().open();
      clients.back().join_more();
      first = end;
    }
    serve(clients);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench rooms: %s\n", e.what());
  }
  return 1;
}

} // namespace troupe::bench
