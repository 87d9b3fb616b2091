#include "tests/actors/kernel_world.hpp"

#include "runtime/system/metrics.hpp"
#include "runtime/wire/parse.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>

namespace troupe::testing {
namespace {

constexpr std::chrono::seconds patience{10};

envelope read_envelope(const std::string& text) {
  auto v = wire::parse({text, encoding::json});
  if (!v)
    throw std::runtime_error{"no JSON: " + text};
  return {std::move(*v), text};
}

std::string quoted(std::string_view s) { return '"' + std::string{s} + '"'; }

/// A transport without clients: it only looks at the node's numbers.
class onlooker final : public edge::transport {
public:
  explicit onlooker(edge::host*& host)
      : host_(host) {}
  std::string_view name() const noexcept override { return "onlooker"; }
  void start(edge::host& on) override { host_ = &on; }
  void stop() noexcept override {}

private:
  edge::host*& host_;
};

} // namespace

void latch::open() {
  std::lock_guard guard{lock_};
  open_ = true;
  changed_.notify_all();
}

bool latch::wait() {
  std::unique_lock guard{lock_};
  return changed_.wait_for(guard, patience, [this] { return open_; });
}

bool latch::is_open() {
  std::lock_guard guard{lock_};
  return open_;
}

client::client(loopback_transport& through, loopback_client_options options) {
  loopback_events events;
  events.message = [s = state_](std::string_view text) {
    std::lock_guard guard{s->lock};
    s->heard.emplace_back(text);
    s->changed.notify_all();
  };
  events.closed = [s = state_](close_code code, std::string_view reason) {
    std::lock_guard guard{s->lock};
    s->closed.emplace(static_cast<std::uint16_t>(code), reason);
    s->changed.notify_all();
  };
  end_ = through.connect(std::move(options), std::move(events));
}

void client::learn_hello() {
  if (!id_.empty())
    return;
  const auto hello = wait_for(
      0, [](const envelope& e) { return e.type() == "hello"; }, nullptr);
  id_ = *hello.payload()["connection"].as_string();
  session_ = *hello.payload()["session"].as_string();
}

const std::string& client::id() {
  learn_hello();
  return id_;
}

const std::string& client::session() {
  learn_hello();
  return session_;
}

void client::send(std::string json) {
  if (!end_->send(std::move(json)))
    throw std::runtime_error{"the server does not take what the client sends"};
}

envelope client::ask(std::string json) {
  const auto id = read_envelope(json).id();
  send(std::move(json));
  return answer(id);
}

envelope client::answer(std::string_view id) {
  return wait_for(
      0, [id](const envelope& e) { return e.id() == id && e.from().empty(); }, nullptr);
}

envelope client::join(std::string room, std::string payload) {
  return ask(R"({"type":"room:join","room":)" + quoted(room) + R"(,"id":"join-)" + std::to_string(++asked_) +
             R"(","payload":)" + payload + "}");
}

envelope client::say(std::string room, std::string payload, std::string extra) {
  return ask(R"({"type":"say","room":)" + quoted(room) + R"(,"id":"say-)" + std::to_string(++asked_) + '"' + extra +
             R"(,"payload":)" + payload + "}");
}

void client::settle(std::string room) {
  const auto id = "settle-" + std::to_string(++asked_);
  ask(room.empty() ? R"({"type":"ping","id":")" + id + "\"}"
                   : R"({"type":"presence:get","room":)" + quoted(room) + R"(,"id":")" + id + "\"}");
}

envelope client::wait_for(std::size_t from, const std::function<bool(const envelope&)>& wanted, std::size_t* at) {
  std::unique_lock guard{state_->lock};
  const auto until = std::chrono::steady_clock::now() + patience;
  for (std::size_t i = from;; ++i) {
    while (i >= state_->heard.size()) {
      if (state_->closed)
        throw std::runtime_error{"closed with " + std::to_string(state_->closed->first) + " before it came"};
      if (state_->changed.wait_until(guard, until) == std::cv_status::timeout && i >= state_->heard.size())
        throw std::runtime_error{"nothing came in time"};
    }
    auto e = read_envelope(state_->heard[i]);
    if (!wanted(e))
      continue;
    if (at != nullptr)
      *at = i + 1;
    return e;
  }
}

envelope client::next() {
  return wait_for(
      read_, [](const envelope&) { return true; }, &read_);
}

envelope client::until(std::string_view type) {
  return wait_for(
      read_, [type](const envelope& e) { return e.type() == type; }, &read_);
}

envelope client::until(std::function<bool(const envelope&)> wanted) { return wait_for(read_, wanted, &read_); }

std::vector<envelope> client::all() {
  std::lock_guard guard{state_->lock};
  std::vector<envelope> result;
  for (const auto& text : state_->heard)
    result.push_back(read_envelope(text));
  return result;
}

std::vector<envelope> client::all(std::string_view type) {
  auto result = all();
  std::erase_if(result, [type](const envelope& e) { return e.type() != type; });
  return result;
}

std::uint16_t client::closed() {
  std::unique_lock guard{state_->lock};
  if (!state_->changed.wait_for(guard, patience, [this] { return state_->closed.has_value(); }))
    throw std::runtime_error{"not closed in time"};
  return state_->closed->first;
}

std::string client::close_reason() {
  closed();
  return state_->closed->second;
}

bool client::is_closed() {
  std::lock_guard guard{state_->lock};
  return state_->closed.has_value();
}

config world::defaults() {
  config c;
  c.loops = 3;
  c.session.resume_window = milliseconds{20'000};
  c.shutdown.drain = milliseconds{5'000};
  return c;
}

world::world(config settings, std::function<void(kernel&)> prepare)
    : node(std::move(settings)) {
  node.add(door);
  node.add_transport(std::make_unique<onlooker>(host_));
  node.on_event([l = log_](const event& e) {
    std::lock_guard guard{l->lock};
    l->events.push_back(e);
    l->changed.notify_all();
  });
  if (prepare)
    prepare(node);
  node.start();
}

std::int64_t world::number(std::string_view gauge) { return host_->counters().gauge(gauge, {}).value(); }

client world::connect(std::optional<std::string> user, std::optional<std::size_t> loop) {
  loopback_client_options options;
  options.user = std::move(user);
  options.loop = loop;
  return client{door, std::move(options)};
}

std::size_t world::count_events(std::string_view kind, std::string_view detail) {
  std::lock_guard guard{log_->lock};
  return static_cast<std::size_t>(std::count_if(log_->events.begin(), log_->events.end(), [&](const event& e) {
    return e.kind == kind && (detail.empty() || e.detail == detail);
  }));
}

void world::wait_event(std::string_view kind, std::string_view detail) {
  std::unique_lock guard{log_->lock};
  const auto seen = [&] {
    return std::any_of(log_->events.begin(), log_->events.end(),
                       [&](const event& e) { return e.kind == kind && (detail.empty() || e.detail == detail); });
  };
  if (!log_->changed.wait_for(guard, patience, seen))
    throw std::runtime_error{"no event " + std::string{kind} + " " + std::string{detail}};
}

} // namespace troupe::testing
