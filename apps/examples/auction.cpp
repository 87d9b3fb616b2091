#include "apps/examples/auction.hpp"

#include <cstdio>
#include <exception>

namespace examples {

int serve_auctions(int argc, char** argv, const char* rules) try {
  troupe::config settings;
  // quote: record
  settings.rooms.audit = troupe::audit_level::full;
  troupe::kernel kernel{settings};
  kernel.add_room<auction_room>("auction:*", {.code_version = rules});
  if (argc > 2)
    kernel.keep_log(argv[2]);
  // end quote: record
  kernel.add(troupe::websocket_transport{{.listen = argc > 1 ? argv[1] : "127.0.0.1:8080", .path = "/realtime"}});
  return troupe::run_until_signal(kernel);
} catch (const std::exception& e) {
  std::fprintf(stderr, "auction: %s\n", e.what());
  return 1;
}

} // namespace examples
