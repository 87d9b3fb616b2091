#include "apps/bench/durable.hpp"
#include "apps/bench/micro.hpp"
#include "apps/bench/rooms.hpp"
#include "apps/bench/streams.hpp"

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

namespace {

constexpr char usage[] =
    R"(usage: bench rooms [--url ws://127.0.0.1:8080/realtime] [--rooms 100000] [--connections N] [--prefix idle-]
         joins that many rooms over a few connections, says "ready" and keeps them
       bench publish [--protocol troupe|redis|nats] [--port 8080] [--publishers 1] [--size 128] [--seconds 3]
         [--warmup 1] [--server-pid P]
         publishes to one durable stream, each publisher its next message once the last is acknowledged
       bench catch-up [--messages 200000] and as publish
         stores messages, then reads them all as a new subscriber
       bench micro [NAME]
         measures parts of the library whose name contains NAME; a JSON object a line

scripts/bench runs both, and the comparison with other servers.
)";

int fail(const std::string& why) {
  std::fprintf(stderr, "bench: %s\n%s", why.c_str(), usage);
  return 2;
}

template <class Number>
bool read_number(std::string_view text, Number& out) {
  const auto* last = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), last, out);
  return error == std::errc{} && at == last && out > 0;
}

int rooms(int argc, char** argv) {
  troupe::bench::rooms_options options;
  for (int i = 2; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (i + 1 == argc)
      return fail(std::string{name} + " needs a value");
    const std::string value = argv[i + 1];
    bool known = true;
    if (name == "--url")
      known = troupe::bench::read_url(value, options);
    else if (name == "--rooms")
      known = read_number(value, options.rooms);
    else if (name == "--connections")
      known = read_number(value, options.connections);
    else if (name == "--prefix")
      options.prefix = value;
    else
      return fail("unknown option " + std::string{name});
    if (!known)
      return fail("bad value for " + std::string{name} + ": " + value);
  }
  return troupe::bench::hold_rooms(options);
}

int durable(int argc, char** argv) {
  troupe::bench::durable_options options;
  for (int i = 2; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (i + 1 == argc)
      return fail(std::string{name} + " needs a value");
    const std::string value = argv[i + 1];
    bool known = true;
    if (name == "--protocol") {
      options.protocol = value;
      known = troupe::bench::make_protocol(value, 0, 2) != nullptr;
    } else if (name == "--port")
      known = read_number(value, options.port);
    else if (name == "--publishers")
      known = read_number(value, options.publishers);
    else if (name == "--size")
      known = read_number(value, options.bytes) && options.bytes >= 2;
    else if (name == "--seconds")
      known = read_number(value, options.seconds);
    else if (name == "--warmup")
      known = read_number(value, options.warmup);
    else if (name == "--messages")
      known = read_number(value, options.messages);
    else if (name == "--server-pid")
      known = read_number(value, options.server_pid);
    else
      return fail("unknown option " + std::string{name});
    if (!known)
      return fail("bad value for " + std::string{name} + ": " + value);
  }
  return std::strcmp(argv[1], "publish") == 0 ? troupe::bench::measure_publishes(options)
                                              : troupe::bench::measure_catch_up(options);
}

} // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "rooms") == 0)
    return rooms(argc, argv);
  if (argc > 1 && (std::strcmp(argv[1], "publish") == 0 || std::strcmp(argv[1], "catch-up") == 0))
    return durable(argc, argv);
  if (argc > 1 && argc < 4 && std::strcmp(argv[1], "micro") == 0)
    return troupe::bench::run_micro(argc > 2 ? argv[2] : "");
  if (argc > 1 && std::strcmp(argv[1], "--help") == 0) {
    std::fputs(usage, stdout);
    return 0;
  }
  return fail(argc > 1 ? "unknown command " + std::string{argv[1]} : "a command is missing");
}
