// A server whose handlers and rooms fail when they are told to: troublemaker ADDRESS:PORT
// Its log says each event of the node on a line of its own.

#include <troupe/troupe.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

/// Counts what it is sent; throws where it is told to, and forgets what it had counted since its last snapshot.
class touchy_room final : public troupe::room {
public:
  void on_message(const troupe::message& m, troupe::room_context& ctx) override {
    if (m.type() == "touchy:throw")
      throw std::runtime_error{"told to throw"};
    if (m.type() == "touchy:throw_no_exception")
      throw 42; // NOLINT(hicpp-exception-baseclass): programs do such things
    ++count_;
    ctx.broadcast({.type = std::string{m.type()}, .payload = {{"count", count_}, {"body", m.payload()}}});
  }
  void on_join(const troupe::room_member& who, troupe::room_context&) override {
    if (who.user == "poison")
      throw std::runtime_error{"poisoned"};
  }

private:
  std::int64_t count_ = 0;
};

} // namespace

int main(int argc, char** argv) try {
  troupe::config settings;
  settings.loops = 2;
  settings.supervision.backoff_min = std::chrono::milliseconds{20};
  troupe::kernel kernel{settings};
  kernel.add(troupe::websocket_transport{{.listen = argc > 1 ? argv[1] : "127.0.0.1:0", .path = "/realtime"}});
  kernel.add_room<touchy_room>("touchy:*");
  kernel.on("fragile",
            [](const troupe::message&, troupe::context&, troupe::toolkit&) { throw std::runtime_error{"fragile"}; });
  kernel.on("fragile_off_loop",
            [](const troupe::message&, troupe::context&, troupe::toolkit&) { throw std::runtime_error{"fragile"}; },
            {.off_loop = true});
  kernel.on_event(
      [](const troupe::event& e) { std::fprintf(stderr, "EVENT %s %s\n", e.kind.c_str(), e.subject.c_str()); });
  return troupe::run_until_signal(kernel);
} catch (const std::exception& e) {
  std::fprintf(stderr, "troublemaker: %s\n", e.what());
  return 1;
}
