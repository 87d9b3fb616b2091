// A counter in each room whose name begins with "counter:".
#include <troupe/troupe.hpp>

#include <cstdint>
#include <cstdio>
#include <exception>

class counter final : public troupe::room {
public:
  void on_join(const troupe::room_member& who, troupe::room_context& ctx) override {
    ctx.send(who.connection, {.type = "counter:now", .payload = {{"count", count_}}});
  }
  void on_message(const troupe::message& m, troupe::room_context& ctx) override {
    if (m.type() != "counter:add")
      return ctx.reject({troupe::error_code::bad_message, "a counter takes counter:add"});
    ++count_;
    ctx.broadcast({.type = "counter:now", .payload = {{"count", count_}}});
  }

  troupe::value snapshot() const override { return {{"count", count_}}; }
  void restore(const troupe::value& kept) override { count_ = kept["count"].as_uint().value_or(0); }

private:
  std::uint64_t count_ = 0;
};

int main(int argc, char** argv) try {
  troupe::kernel kernel;
  kernel.add(troupe::websocket_transport{{.listen = argc > 1 ? argv[1] : "127.0.0.1:8080", .path = "/realtime"}});
  kernel.add_room<counter>("counter:*");
  return troupe::run_until_signal(kernel);
} catch (const std::exception& e) {
  std::fprintf(stderr, "counter: %s\n", e.what());
  return 1;
}
