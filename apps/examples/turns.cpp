// Serves tic-tac-toe: every room whose name begins with "game:" is a table. turns.hpp has the rules.
//
//     turns [LISTEN [DATA]]
//
// With a data folder it records every game, so that a check can run them again: docs/audit.md.

#include "apps/examples/turns.hpp"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) try {
  troupe::config settings;
  settings.rooms.audit = troupe::audit_level::full;
  troupe::kernel kernel{settings};
  kernel.add(troupe::websocket_transport{{.listen = argc > 1 ? argv[1] : "127.0.0.1:8080", .path = "/realtime"}});
  // quote: add_room
  kernel.add_room<examples::game_room>("game:*");
  // end quote: add_room
  if (argc > 2)
    kernel.keep_log(argv[2]);
  return troupe::run_until_signal(kernel);
} catch (const std::exception& e) {
  std::fprintf(stderr, "turns: %s\n", e.what());
  return 1;
}
