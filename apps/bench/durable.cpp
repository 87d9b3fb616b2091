#include "apps/bench/durable.hpp"

#include "apps/bench/streams.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace troupe::bench {
namespace {

using clock = std::chrono::steady_clock;

double seconds_since(clock::time_point begin) { return std::chrono::duration<double>(clock::now() - begin).count(); }

/// A connection and what it waits for.
struct client {
  std::unique_ptr<stream_protocol> protocol;
  int fd = -1;
  std::string in;
  clock::time_point sent;
  bool ready = false;

  client() = default;
  client(const client&) = delete;
  client& operator=(const client&) = delete;
  ~client() {
    if (fd >= 0)
      ::close(fd);
  }

  void open(std::uint16_t port) {
    fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error(std::string{"cannot connect: "} + std::strerror(errno));
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const timeval silence_max{15, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence_max, sizeof silence_max);
    send(protocol->opening());
  }

  /// What is sent at once is a few messages, which the socket has room for.
  void send(std::string_view bytes) {
    sent = clock::now();
    while (!bytes.empty()) {
      const auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno != EINTR)
        throw std::runtime_error(std::string{"send: "} + std::strerror(errno));
      bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    }
  }

  stream_protocol::answers receive() {
    static char block[256 * 1024];
    const auto got = ::recv(fd, block, sizeof block, 0);
    if (got == 0)
      throw std::runtime_error("the server ended a connection");
    if (got < 0 && errno != EINTR)
      throw std::runtime_error(std::string{"recv: "} + std::strerror(errno));
    in.append(block, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    auto found = protocol->take(in);
    if (!found.error.empty())
      throw std::runtime_error("the server refused: " + found.error.substr(0, 200));
    if (!found.reply.empty())
      send(found.reply);
    ready |= found.ready;
    return found;
  }
};

/// Connections to one server, all greeted.
class crowd {
public:
  crowd(const durable_options& options, std::size_t count)
      : poll_(::epoll_create1(EPOLL_CLOEXEC))
      , clients_(count) {
    for (auto& c : clients_) {
      c.protocol = make_protocol(options.protocol, options.port, options.bytes);
      c.open(options.port);
      while (!c.ready)
        c.receive();
      epoll_event e{EPOLLIN, {.ptr = &c}};
      ::epoll_ctl(poll_, EPOLL_CTL_ADD, c.fd, &e);
    }
    if (const auto once = clients_.front().protocol->setup(); !once.empty()) {
      clients_.front().send(once);
      while (clients_.front().receive().accepted == 0) {
      }
    }
  }
  ~crowd() { ::close(poll_); }
  crowd(const crowd&) = delete;
  crowd& operator=(const crowd&) = delete;

  std::vector<client>& clients() { return clients_; }

  /// Waits, and hands over each client with something to read.
  void turn(const std::function<void(client&)>& then) {
    epoll_event events[256];
    const int n = ::epoll_wait(poll_, events, std::size(events), 1000);
    for (int i = 0; i < n; ++i)
      then(*static_cast<client*>(events[i].data.ptr));
  }

private:
  int poll_;
  std::vector<client> clients_;
};

/// User and system time of a process, all threads, in seconds (proc(5), fields 14 and 15 of stat).
double cpu_seconds(int pid) {
  if (pid == 0)
    return 0;
  std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
  std::stringstream text;
  text << file.rdbuf();
  std::istringstream fields{text.str().substr(text.str().rfind(')') + 2)};
  std::string skipped;
  double user = 0, system = 0;
  for (int i = 3; i < 14; ++i)
    fields >> skipped;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

/// Publishes from all clients, one message in flight each, until `enough(acknowledged)`.
/// @param on_ack called with the microseconds of each round trip
void publish_until(crowd& all, const std::function<bool()>& enough, const std::function<void(double)>& on_ack) {
  std::uint64_t number = 0;
  std::string out;
  const auto publish = [&](client& c) {
    out.clear();
    c.protocol->append_publish(out, ++number);
    c.send(out);
  };
  for (auto& c : all.clients())
    publish(c);
  std::size_t in_flight = all.clients().size();
  while (in_flight != 0)
    all.turn([&](client& c) {
      for (auto acks = c.receive().accepted; acks != 0; --acks) {
        on_ack(seconds_since(c.sent) * 1e6);
        if (enough())
          --in_flight;
        else
          publish(c);
      }
    });
}

double percentile(std::vector<double>& sorted, double p) {
  return sorted.empty() ? 0 : sorted[static_cast<std::size_t>(p * static_cast<double>(sorted.size() - 1))];
}

int guarded(const char* what, const std::function<void()>& run) {
  try {
    run();
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench %s: %s\n", what, e.what());
    return 1;
  }
}

} // namespace

int measure_publishes(const durable_options& options) {
  return guarded("publish", [&] {
    crowd all{options, options.publishers};
    const auto begin = clock::now();
    auto measured_from = begin;
    double cpu_before = 0;
    bool measuring = false;
    double took = 0;
    double cpu = 0;
    std::vector<double> trips;
    publish_until(
        all,
        [&] {
          if (!measuring && seconds_since(begin) >= options.warmup) {
            measuring = true;
            measured_from = clock::now();
            cpu_before = cpu_seconds(options.server_pid);
          }
          if (!measuring || seconds_since(measured_from) < options.seconds)
            return false;
          if (took == 0) {
            took = seconds_since(measured_from);
            cpu = cpu_seconds(options.server_pid) - cpu_before;
          }
          return true;
        },
        [&](double us) {
          if (measuring && took == 0)
            trips.push_back(us);
        });
    std::sort(trips.begin(), trips.end());
    const auto count = static_cast<double>(trips.size());
    fmt::print("{{\"publishers\":{},\"acknowledged\":{},\"seconds\":{:.3f},\"publishes_per_s\":{:.1f},"
               "\"latency_us\":{{\"p50\":{:.1f},\"p99\":{:.1f}}},\"server\":{{\"cpu_s\":{:.2f},\"ns_per_publish\":{:."
               "0f}}}}}\n",
               options.publishers, trips.size(), took, count / took, percentile(trips, 0.5), percentile(trips, 0.99),
               cpu, count == 0 ? 0 : cpu * 1e9 / count);
  });
}

int measure_catch_up(const durable_options& options) {
  return guarded("catch-up", [&] {
    std::size_t stored = 0;
    {
      crowd publishers{options, options.publishers};
      publish_until(
          publishers, [&] { return stored + publishers.clients().size() > options.messages; },
          [&](double) { ++stored; });
    }
    client reader;
    reader.protocol = make_protocol(options.protocol, options.port, options.bytes);
    reader.open(options.port);
    while (!reader.ready)
      reader.receive();
    const auto cpu_before = cpu_seconds(options.server_pid);
    const auto begin = clock::now();
    reader.send(reader.protocol->subscribe());
    for (std::size_t seen = 0; seen < stored;)
      seen += reader.receive().delivered;
    const auto took = seconds_since(begin);
    const auto cpu = cpu_seconds(options.server_pid) - cpu_before;
    const auto count = static_cast<double>(stored);
    fmt::print("{{\"messages\":{},\"seconds\":{:.3f},\"deliveries_per_s\":{:.1f},"
               "\"server\":{{\"cpu_s\":{:.2f},\"ns_per_delivery\":{:.0f}}}}}\n",
               stored, took, count / took, cpu, cpu * 1e9 / count);
  });
}

} // namespace troupe::bench
