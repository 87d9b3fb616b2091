#pragma once

// What handlers of messages use.

#include "actors/room.hpp"
#include "runtime/model/errors.hpp"
#include "runtime/model/outgoing.hpp"
#include "runtime/system/logger.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

struct local_node;
class toolkit;

/// Something that happened in the runtime: `backpressure`, `supervisor.restarted` or `error`.
struct event {
  std::string kind;
  std::string subject; ///< A room, connection or transport.
  std::string detail;
  wall_ms at = 0;
};

/// The connection whose message is handled.
class context {
public:
  context(std::shared_ptr<const sender> who, std::string address, bool admin)
      : who_(std::move(who))
      , address_(std::move(address))
      , admin_(admin) {}

  /// The connection's id; stays the same when its session resumes.
  const std::string& id() const noexcept { return who_->connection; }
  /// Nothing for an anonymous client.
  const std::optional<std::string>& user() const noexcept { return who_->user; }
  /// The client's network address.
  const std::string& address() const noexcept { return address_; }
  bool admin() const noexcept { return admin_; }
  const std::shared_ptr<const sender>& who() const noexcept { return who_; }

private:
  std::shared_ptr<const sender> who_;
  std::string address_;
  bool admin_;
};

/// How a connection joins a room.
struct join_options {
  value state = {};       ///< Presence state that the others see.
  bool presence = true;   ///< Whether it is told of the others.
  bool keep = false;      ///< A member already: change nothing.
  bool unchecked = false; ///< Whatever the connection's rights are.
};

/// How a message of a handler is given to a room.
struct post_options {
  bool except_self = false; ///< Leave out the connection.
  bool unchecked = false;   ///< Whatever the connection's rights are.
};

/// How a message of a handler is given to a channel.
struct publish_options {
  bool unchecked = false; ///< Whatever the connection's rights are.
};

/// Called with the members of a room, on the thread of the connection that asked.
using members_callback = std::function<void(const std::vector<room_member>&)>;

/// What a toolkit stands on; keeps the actors behind it out of this header.
class toolkit_port {
public:
  virtual ~toolkit_port() = default;
  virtual void join(std::string room, join_options how) = 0;
  virtual void leave(std::string room) = 0;
  virtual void broadcast(outgoing what, std::string room, post_options how) = 0;
  virtual void publish(outgoing what, std::string channel, publish_options how) = 0;
  virtual void update(std::string room, value state) = 0;
  virtual void members(std::string room, members_callback then) = 0;
  virtual void reply(value payload) = 0;
  virtual void reject(failure why) = 0;
  virtual void send(outgoing what) = 0;
  virtual void close(close_code code, std::string reason) = 0;
  virtual void after(std::chrono::milliseconds delay, std::function<void(toolkit&)> what) = 0;
};

/// Rooms, for the connection whose message is handled and with its rights: what it may not do rejects the message
/// with `forbidden`, unless the options say `unchecked`. All take effect in the order of the calls.
class rooms_kit {
public:
  explicit rooms_kit(toolkit_port& port)
      : port_(port) {}
  /// Makes the connection a member. Joining again updates its state.
  void join(std::string_view room, join_options how = {}) { port_.join(std::string{room}, std::move(how)); }
  void leave(std::string_view room) { port_.leave(std::string{room}); }
  /// Gives a message to all members of a room; the connection need not be one.
  void broadcast(outgoing what, std::string_view room, post_options how = {}) {
    port_.broadcast(std::move(what), std::string{room}, how);
  }
  void members(std::string_view room, members_callback then) { port_.members(std::string{room}, std::move(then)); }

private:
  toolkit_port& port_;
};

/// Channels, for the connection whose message is handled and with its rights, as `rooms_kit`.
class channels_kit {
public:
  explicit channels_kit(toolkit_port& port)
      : port_(port) {}
  /// Gives a message to a channel, in the order of the calls; the connection need not be subscribed. With `qos` 1 or 2
  /// it needs an `id`, else the handled message is rejected with `bad_message`.
  void publish(outgoing what, std::string_view channel, publish_options how = {}) {
    port_.publish(std::move(what), std::string{channel}, how);
  }

private:
  toolkit_port& port_;
};

/// Presence in rooms, for the connection whose message is handled.
class presence_kit {
public:
  explicit presence_kit(toolkit_port& port)
      : port_(port) {}
  /// Joins the room with this state.
  void track(std::string_view room, value state) { port_.join(std::string{room}, {std::move(state), true}); }
  void update(std::string_view room, value state) { port_.update(std::string{room}, std::move(state)); }
  void list(std::string_view room, members_callback then) { port_.members(std::string{room}, std::move(then)); }

private:
  toolkit_port& port_;
};

/// How an event is sent to a user.
struct send_options {
  offline_policy offline = offline_policy::drop; ///< `queue`: it waits for a user who is away.
  troupe::qos qos = qos::at_most_once;           ///< From 1 on it waits in the log, and comes until it is acknowledged.
  std::int64_t ttl_ms = 0;                       ///< Milliseconds; 0: as long as the inbox keeps it.
};

/// Users and all their connections. Safe from any thread.
class hub_kit {
public:
  explicit hub_kit(local_node& of)
      : node_(of) {}

  /// Reaches all connections of the user: every tab.
  void send_event_to_user(std::string_view user, std::string_view event, value data, send_options how = {});
  void send_event_to_users(const std::vector<std::string>& users, std::string_view event, value data,
                           send_options how = {});
  /// Reaches every connection.
  void broadcast_event(std::string_view event, value data);
  /// Ids of the user's connections, sorted.
  std::vector<std::string> get_connected_clients(std::string_view user) const;
  bool is_user_connected(std::string_view user) const;
  /// Lets a connection get what is sent to a user besides its own. @returns false where it is unknown
  bool register_client(std::string_view connection, std::string_view user);
  /// @returns false where `register_client` had not been called with these
  bool unregister_client(std::string_view connection, std::string_view user);

private:
  local_node& node_;
};

/// Everything that a handler may do. Valid for the call; off the loop the same calls travel to the
/// connection and take effect there in order.
class toolkit {
public:
  toolkit(local_node& of, toolkit_port& port)
      : rooms(port)
      , channels(port)
      , presence(port)
      , hub(of)
      , node_(of)
      , port_(port) {}

  rooms_kit rooms;
  channels_kit channels;
  presence_kit presence;
  hub_kit hub;

  /// Answers the message with an `ack` that carries this. Without it an `id` is answered with an empty one.
  void reply(value payload) { port_.reply(std::move(payload)); }
  /// Answers the message with an `error`.
  void reject(failure why) { port_.reject(std::move(why)); }
  /// Sends to this connection.
  void send(outgoing what) { port_.send(std::move(what)); }
  void close(close_code code, std::string reason) { port_.close(code, std::move(reason)); }
  /// Runs something later on the connection's loop, unless the connection has ended by then.
  void after(std::chrono::milliseconds delay, std::function<void(toolkit&)> what) {
    port_.after(delay, std::move(what));
  }
  wall_ms now() const;
  /// A random id of 64 bits.
  std::string next_id() const;
  logger& log() const noexcept;

private:
  local_node& node_;
  toolkit_port& port_;
};

} // namespace troupe
