#include "apps/bench/micro.hpp"
#include "apps/bench/rooms.hpp"

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

namespace {

constexpr char usage[] =
    R"(usage: bench rooms [--url ws://127.0.0.1:8080/realtime] [--rooms 100000] [--connections N] [--prefix idle-]
         joins that many rooms over a few connections, says "ready" and keeps them
       bench micro [NAME]
         measures parts of the library whose name contains NAME; a JSON object a line

scripts/bench runs both, and the comparison with other servers.
)";

int fail(const std::string& why) {
  std::fprintf(stderr, "bench: %s\n%s", why.c_str(), usage);
  return 2;
}

bool read_number(std::string_view text, std::size_t& out) {
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

} // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "rooms") == 0)
    return rooms(argc, argv);
  if (argc > 1 && argc < 4 && std::strcmp(argv[1], "micro") == 0)
    return troupe::bench::run_micro(argc > 2 ? argv[2] : "");
  if (argc > 1 && std::strcmp(argv[1], "--help") == 0) {
    std::fputs(usage, stdout);
    return 0;
  }
  return fail(argc > 1 ? "unknown command " + std::string{argv[1]} : "a command is missing");
}
