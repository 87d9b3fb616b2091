#pragma once

#include "actors/kernel.hpp"
#include "runtime/model/value.hpp"
#include "transports/loopback.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::testing {

/// A gate that opens once; who waits for longer than ten seconds fails the test.
class latch {
public:
  void open();
  /// @returns whether it has opened in time
  bool wait();
  bool is_open();

private:
  std::mutex lock_;
  std::condition_variable changed_;
  bool open_ = false;
};

/// An envelope that a client got.
struct envelope {
  value all;
  std::string text;

  std::string type() const { return std::string{all["type"].as_string().value_or("")}; }
  std::string id() const { return std::string{all["id"].as_string().value_or("")}; }
  std::string room() const { return std::string{all["room"].as_string().value_or("")}; }
  std::string epoch() const { return std::string{all["epoch"].as_string().value_or("")}; }
  std::uint64_t seq() const { return all["seq"].as_uint().value_or(0); }
  std::string from() const { return std::string{all["from"]["connection"].as_string().value_or("")}; }
  const value& payload() const { return all["payload"]; }
  std::string code() const { return std::string{payload()["code"].as_string().value_or("")}; }
};

/// A client in this process that keeps all it hears. Calls that wait throw after ten seconds.
class client {
public:
  client(loopback_transport& through, loopback_client_options options = {});
  client(client&&) noexcept = default;
  client& operator=(client&&) noexcept = default;

  const std::string& id();      ///< As `hello` says.
  const std::string& session(); ///< As `hello` says.

  void send(std::string json);
  /// Sends, and waits for the `ack`, `error` or other answer with the message's id.
  envelope ask(std::string json_with_id);
  envelope answer(std::string_view id);
  envelope join(std::string room, std::string payload = "null");
  envelope say(std::string room, std::string payload, std::string extra = {});
  /// Waits until all that was sent to this client so far, and what its room had to say before, has arrived.
  void settle(std::string room = {});

  /// The next envelope that no call of these has returned yet.
  envelope next();
  /// The next one of a type; those before it are passed over.
  envelope until(std::string_view type);
  envelope until(std::function<bool(const envelope&)> wanted);
  /// All of a type so far.
  std::vector<envelope> all(std::string_view type);
  std::vector<envelope> all();
  /// The close code, once the server has closed.
  std::uint16_t closed();
  std::string close_reason();
  bool is_closed();

  void read(bool on) { end_->read(on); }
  void drop() { end_->drop(); }
  void close() { end_->close(); }

private:
  struct state {
    std::mutex lock;
    std::condition_variable changed;
    std::deque<std::string> heard;
    std::optional<std::pair<std::uint16_t, std::string>> closed;
  };

  envelope wait_for(std::size_t from, const std::function<bool(const envelope&)>& wanted, std::size_t* at);
  void learn_hello();

  std::shared_ptr<state> state_ = std::make_shared<state>();
  std::unique_ptr<loopback_client> end_;
  std::size_t read_ = 0;
  std::size_t asked_ = 0;
  std::string id_;
  std::string session_;
};

/// A node with the loopback transport.
struct world {
  explicit world(config settings = defaults(), std::function<void(kernel&)> prepare = {});

  /// Three loops, short windows.
  static config defaults();

  client connect(std::optional<std::string> user = {}, std::optional<std::size_t> loop = {});
  client connect(loopback_client_options options) { return client{door, std::move(options)}; }
  std::size_t count_events(std::string_view kind, std::string_view detail);
  void wait_event(std::string_view kind, std::string_view detail);
  /// How many connections the node has, those that wait for a resume included.
  std::int64_t connections() { return number("troupe_connections"); }
  /// What a gauge without labels says.
  std::int64_t number(std::string_view gauge);

  loopback_transport door;
  kernel node;

private:
  edge::host* host_ = nullptr;
  struct log {
    std::mutex lock;
    std::condition_variable changed;
    std::vector<event> events;
  };
  std::shared_ptr<log> log_ = std::make_shared<log>();
};

} // namespace troupe::testing
