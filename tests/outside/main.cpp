// A chat program that knows only what `cmake --install` left: a handler, two clients in the process, one line between
// them. Ends with 0 when the second client has read what the first one said.

#include <troupe/troupe.hpp>

#include <chrono>
#include <cstdio>
#include <future>
#include <string>
#include <string_view>

int main() {
  troupe::kernel kernel;
  troupe::loopback_transport loopback;
  kernel.add(loopback);
  kernel.add(troupe::websocket_transport{{.listen = "127.0.0.1:0", .path = "/realtime"}});
  troupe::signaling_bridge{{.auto_join_rooms = true}}.attach(kernel);
  kernel.on("*", [](const troupe::message&, troupe::context&, troupe::toolkit&) {});
  kernel.on("chat:message", [](const troupe::message& m, troupe::context& ctx, troupe::toolkit& kit) {
    const auto room = m.room_or("lobby");
    kit.rooms.join(room);
    kit.rooms.broadcast({.type = "chat:message", .payload = {{"from", ctx.id()}, {"body", m.payload()}}}, room,
                        {.except_self = true});
  });
  kernel.start();

  std::promise<void> listening;
  std::promise<std::string> heard;
  bool listens = false, done = false; // each is touched on the loop of its client only
  auto bob =
      loopback.connect({.user = "bob", .loop = 0}, {.message =
                                                        [&](std::string_view envelope) {
                                                          if (!listens && envelope.find("\"ack\"") != envelope.npos) {
                                                            listens = true;
                                                            listening.set_value();
                                                          }
                                                          if (!done && envelope.find("curtain up") != envelope.npos) {
                                                            done = true;
                                                            heard.set_value(std::string{envelope});
                                                          }
                                                        },
                                                    .closed = {}});
  auto ann = loopback.connect({.user = "ann"}, {.message = [](std::string_view) {}, .closed = {}});
  bob->send(R"({"type":"chat:message","id":"1","payload":"I am here"})");

  const auto patience = std::chrono::seconds{30};
  auto text = heard.get_future();
  if (listening.get_future().wait_for(patience) != std::future_status::ready)
    return std::fputs("outside: bob's message was not acknowledged\n", stderr), 1;
  ann->send(R"({"type":"chat:message","payload":"curtain up"})");
  if (text.wait_for(patience) != std::future_status::ready)
    return std::fputs("outside: bob did not hear ann\n", stderr), 1;
  std::printf("outside: bob heard %s\n", text.get().c_str());

  ann->close();
  bob->close();
  kernel.drain();
  return kernel.wait();
}
