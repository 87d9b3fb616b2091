#include "apps/bench/durable.hpp"
#include "apps/bench/micro.hpp"
#include "apps/bench/rooms.hpp"
#include "apps/bench/streams.hpp"

#include <charconv>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <optional>
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

/// Gives `take` each option and its value. @param take says whether the value can be used; nothing: there is no such
/// option
/// @returns an exit status that is not 0 where something is wrong
template <class Take>
int read_options(int argc, char** argv, Take take) {
  for (int i = 2; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc)
      return fail(name + " needs a value");
    const std::string value = argv[i + 1];
    const std::optional<bool> usable = take(name, value);
    if (!usable)
      return fail("unknown option " + name);
    if (!*usable)
      return fail(fmt::format("bad value for {}: {}", name, value));
  }
  return 0;
}

int rooms(int argc, char** argv) {
  troupe::bench::rooms_options options;
  const auto take = [&](const std::string& name, const std::string& value) -> std::optional<bool> {
    if (name == "--url")
      return troupe::bench::read_url(value, options);
    if (name == "--rooms")
      return read_number(value, options.rooms);
    if (name == "--connections")
      return read_number(value, options.connections);
    if (name == "--prefix")
      return options.prefix = value, true;
    return std::nullopt;
  };
  if (const int wrong = read_options(argc, argv, take))
    return wrong;
  return troupe::bench::hold_rooms(options);
}

int durable(int argc, char** argv) {
  troupe::bench::durable_options options;
  const auto take = [&](const std::string& name, const std::string& value) -> std::optional<bool> {
    if (name == "--protocol")
      return options.protocol = value, troupe::bench::make_protocol(value, 0, 2) != nullptr;
    if (name == "--port")
      return read_number(value, options.port);
    if (name == "--publishers")
      return read_number(value, options.publishers);
    if (name == "--size")
      return read_number(value, options.bytes) && options.bytes >= 2;
    if (name == "--seconds")
      return read_number(value, options.seconds);
    if (name == "--warmup")
      return read_number(value, options.warmup);
    if (name == "--messages")
      return read_number(value, options.messages);
    if (name == "--server-pid")
      return read_number(value, options.server_pid);
    return std::nullopt;
  };
  if (const int wrong = read_options(argc, argv, take))
    return wrong;
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
