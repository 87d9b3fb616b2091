// Serves tic-tac-toe: every room whose name begins with "game:" is a table. turns.hpp has the rules.

#include "apps/examples/turns.hpp"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) try {
  troupe::kernel kernel;
  kernel.add(troupe::websocket_transport{{.listen = argc > 1 ? argv[1] : "127.0.0.1:8080", .path = "/realtime"}});
  // quote: add_room
  kernel.add_room<examples::game_room>("game:*");
  // end quote: add_room
  return troupe::run_until_signal(kernel);
} catch (const std::exception& e) {
  std::fprintf(stderr, "turns: %s\n", e.what());
  return 1;
}
