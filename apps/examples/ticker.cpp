// Pushes prices to simulated members and measures it:   ticker [--members N] [--seconds N] [--tick MS]
//
// The market is a room that the program opens and closes. Each member checks that no tick is missing; the program ends
// with 0 where none was, with 1 where a member missed one, with 2 where it was called wrongly.

#include <troupe/troupe.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace {

using clock = std::chrono::steady_clock;

constexpr std::string_view market_room = "market:acme";

/// A room that says a price in every tick while it is open.
class market final : public troupe::room {
public:
  void on_message(const troupe::message& m, troupe::room_context& ctx) override {
    if (m.from() != nullptr)
      return ctx.reject({troupe::error_code::forbidden, "only the program opens and closes the market"});
    open_ = m.type() == "market:open";
    if (!open_)
      ctx.broadcast({.type = "market:closed", .payload = {{"tick", tick_}}});
  }

  void on_tick(troupe::room_context& ctx) override {
    if (!open_)
      return;
    cents_ += static_cast<std::int64_t>(ctx.random() % 201) - 100;
    ctx.broadcast({.type = "price", .payload = {{"tick", ++tick_}, {"at", ctx.now()}, {"cents", cents_}}});
  }

private:
  bool open_ = false;
  std::uint64_t tick_ = 0;
  std::int64_t cents_ = 100'000;
};

/// How many members have come in and how many are through; the program waits for both.
class attendance {
public:
  void came() { add(in_); }
  void went() { add(out_); }

  void wait_until_in(std::size_t members) {
    std::unique_lock guard{lock_};
    changed_.wait(guard, [&] { return in_ >= members || out_ > 0; });
  }
  void wait_until_out(std::size_t members) {
    std::unique_lock guard{lock_};
    changed_.wait(guard, [&] { return out_ >= members; });
  }
  /// @returns whether nobody went before the time was over
  bool stay(std::chrono::seconds time) {
    std::unique_lock guard{lock_};
    return !changed_.wait_for(guard, time, [&] { return out_ > 0; });
  }

private:
  void add(std::size_t& to) {
    std::lock_guard guard{lock_};
    ++to;
    changed_.notify_all();
  }

  std::mutex lock_;
  std::condition_variable changed_;
  std::size_t in_ = 0;
  std::size_t out_ = 0;
};

/// One simulated member. Its events come on the loop that it lives on, one at a time.
class member {
public:
  void enter(troupe::loopback_transport& by, attendance& all) {
    client_ = by.connect({}, {.message = [this, &all](std::string_view envelope) { received(envelope, all); },
                              .closed =
                                  [this, &all](troupe::close_code, std::string_view) {
                                    if (!through_)
                                      all.went();
                                  }});
    client_->send(R"({"type":"room:join","room":"market:acme","payload":{"presence":false}})");
  }

  // Once the kernel has ended.

  std::uint64_t ticks() const noexcept { return last_; }
  /// A tick was missing, came twice, or the member did not see the market close.
  bool missed() const noexcept { return missed_ || !through_; }

private:
  void received(std::string_view envelope, attendance& all) {
    if (envelope.starts_with(R"({"type":"price")")) {
      missed_ |= tick_in(envelope) != ++last_;
    } else if (envelope.starts_with(R"({"type":"ack")")) {
      all.came();
    } else if (envelope.starts_with(R"({"type":"market:closed")")) {
      missed_ |= tick_in(envelope) != last_;
      through_ = true;
      all.went();
    }
  }

  /// The number behind "tick": 10,000 members in one process have no time to read all of it.
  static std::uint64_t tick_in(std::string_view envelope) {
    static constexpr std::string_view key = R"("tick":)";
    std::uint64_t tick = 0;
    if (const auto at = envelope.find(key); at != envelope.npos)
      std::from_chars(envelope.data() + at + key.size(), envelope.data() + envelope.size(), tick);
    return tick;
  }

  std::unique_ptr<troupe::loopback_client> client_;
  std::uint64_t last_ = 0;
  bool missed_ = false;
  bool through_ = false;
};

struct options {
  std::size_t members = 10'000;
  std::int64_t seconds = 5;
  std::int64_t tick_ms = 50;
};

template <class T>
bool read_number(std::string_view text, T& into) {
  const auto end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, into);
  return error == std::errc{} && at == end && into > 0;
}

bool read_options(const std::vector<std::string_view>& arguments, options& into) {
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const auto value = i + 1 < arguments.size() ? arguments[i + 1] : std::string_view{};
    const bool good = arguments[i] == "--members"   ? read_number(value, into.members)
                      : arguments[i] == "--seconds" ? read_number(value, into.seconds)
                      : arguments[i] == "--tick"    ? read_number(value, into.tick_ms)
                                                    : false;
    if (!good)
      return false;
  }
  return true;
}

int report(const std::vector<member>& members, clock::duration took, bool whole) {
  std::uint64_t deliveries = 0;
  std::size_t missed = 0;
  for (const auto& one : members) {
    deliveries += one.ticks();
    missed += one.missed() ? 1 : 0;
  }
  const double seconds = std::chrono::duration<double>(took).count();
  std::printf("%zu members, %.1f s: %llu deliveries, %.0f per second\n", members.size(), seconds,
              static_cast<unsigned long long>(deliveries), static_cast<double>(deliveries) / seconds);
  if (!whole)
    std::puts("interrupted: not every member saw the market close");
  else if (missed != 0 || deliveries == 0)
    std::fprintf(stderr, "ticker: %zu members missed a tick\n", deliveries == 0 ? members.size() : missed);
  return whole && missed == 0 && deliveries != 0 ? 0 : 1;
}

int run(const options& chosen) {
  troupe::kernel kernel;
  troupe::loopback_transport loopback;
  kernel.add(loopback);
  kernel.add_room<market>("market:*", {.tick = std::chrono::milliseconds{chosen.tick_ms}});
  troupe::signal_watch signals{{.drain = [&] { kernel.drain(); }}};
  kernel.start();
  signals.begin();

  attendance all;
  std::vector<member> members(chosen.members);
  for (auto& one : members)
    one.enter(loopback, all);
  all.wait_until_in(members.size());
  std::printf("%zu members are in\n", members.size());
  std::fflush(stdout);

  const auto begin = clock::now();
  kernel.broadcast({.type = "market:open"}, market_room);
  const bool whole = all.stay(std::chrono::seconds{chosen.seconds});
  kernel.broadcast({.type = "market:closed"}, market_room);
  all.wait_until_out(members.size());
  const auto took = clock::now() - begin;

  kernel.drain();
  const int code = kernel.wait();
  return std::max(code, report(members, took, whole));
}

} // namespace

int main(int argc, char** argv) try {
  options chosen;
  if (!read_options({argv + 1, argv + argc}, chosen)) {
    std::fputs("usage: ticker [--members N] [--seconds N] [--tick MS]\n", stderr);
    return 2;
  }
  return run(chosen);
} catch (const std::exception& e) {
  std::fprintf(stderr, "ticker: %s\n", e.what());
  return 1;
}
