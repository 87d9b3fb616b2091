// A chat server. Whoever says something in a room is in it from then on, and hears what others say there.
//
// To try it, type these lines one after the other into the consoles of two browser tabs at http://127.0.0.1:8080/ (it
// serves no page there, but a page of another origin would be refused). The second line is answered with an `ack`, and
// is seen in the other tab once that has said something too.
//
//   s = new WebSocket("ws://127.0.0.1:8080/realtime"); s.onmessage = (e) => console.log(e.data);
//   s.send(JSON.stringify({ type: "chat:message", id: "1", room: "lobby", payload: "hello" }));

#include <troupe/troupe.hpp>

#include <cstdio>
#include <exception>

int main(int argc, char** argv) try {
  troupe::kernel kernel;
  kernel.add(troupe::websocket_transport{{.listen = argc > 1 ? argv[1] : "127.0.0.1:8080", .path = "/realtime"}});
  troupe::signaling_bridge{{.auto_join_rooms = true}}.attach(kernel);

  kernel.on("*", [](const troupe::message& m, troupe::context& ctx, troupe::toolkit& kit) {
    kit.log().info("message", "type={} from={}", m.type(), ctx.id());
  });
  // quote: handler
  kernel.on("chat:message", [](const troupe::message& m, troupe::context& ctx, troupe::toolkit& kit) {
    const auto room = m.room_or("lobby");
    kit.rooms.join(room, {.keep = true});
    kit.rooms.broadcast({.type = "chat:message", .payload = {{"from", ctx.id()}, {"body", m.payload()}}}, room,
                        {.except_self = true});
  });
  // end quote: handler

  return troupe::run_until_signal(kernel);
} catch (const std::exception& e) {
  std::fprintf(stderr, "chat: %s\n", e.what());
  return 1;
}
