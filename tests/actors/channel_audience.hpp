#pragma once

#include "actors/channel_home.hpp"

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace troupe::testing {

using lines = std::vector<std::string>;

/// A subscriber as operations carry it; the connection is "c" and its key, the user "u" and its key unless given.
std::shared_ptr<const member_info> subscriber_of(member_key key, std::uint32_t incarnation = 0, std::string user = {});

struct channel_say {
  troupe::qos qos = qos::at_most_once;
  std::string type = "say";
  std::int64_t ttl_ms = 0;
  wall_ms ts = 1;
};
room_op say_op(member_key who, std::string id, std::string payload, channel_say how = {});
room_op request_op(room_verb verb, const std::shared_ptr<const member_info>& who, std::string id = {});

/// A message of the node to a client, in what tests look at.
struct told_message {
  std::string type;
  std::string id;
  std::uint64_t offset = 0; ///< Of a message, or of the payload of an `ack`.
  std::string text;         ///< The payload.

  /// For example `say 3 "x"`, `ack j at 0 recovered`, `gap retention 1-4`, `error m conflict`.
  std::string line() const;
};

/// Does with a channel's news what a fan-out does: frames to those who are live, pieces of the log to those who catch
/// up, and operations back when an outbox refuses or has sent. Nobody is given anything by a shorter way.
class channel_audience {
public:
  using item = std::shared_ptr<const std::string>;
  struct member {
    std::shared_ptr<const member_info> info;
    bool live = true;
    bool spilled = false;         ///< Deaf until the home has answered.
    std::size_t owes_drained = 0; ///< Since when its outbox was empty last.
  };

  /// What a connection is about to ask for: `added` or `rebound` makes it a member.
  void expect(std::shared_ptr<const member_info> info) { entering_[info->key].push_back(std::move(info)); }
  /// The connection has gone: so has all that waited for it.
  void drop(member_key who);
  void apply(const room_news& news);
  /// Sends the first thing that waits for a client; nothing where nothing does.
  std::vector<told_message> send_one(member_key who);
  /// Sends everything.
  lines send_all(member_key who);

  /// The messages in a piece of the wire.
  static std::vector<told_message> read(std::string_view bytes);

  bool is_member(member_key who) const { return members_.contains(who); }
  const member& at(member_key who) const { return members_.at(who); }
  bool idle() const;

  std::size_t room = 1'000'000; ///< Frames that an outbox takes.
  bool once_drained = true;     ///< Says `drained` once however much it is owed for.
  std::deque<room_op> ops;      ///< Towards the home, in order.
  /// Of the connections that there are, where that matters: what is said to others has nobody to hear it.
  std::map<member_key, std::uint32_t> incarnations;
  std::map<member_key, bool> rebound; ///< Of whom, and whether recovered.
  std::vector<member_key> refused;
  std::function<void(member_key, room_event::kind, bool recovered)> on_event = [](auto...) {};

private:
  void frames(const room_batch& batch);
  void single(const single_frame& f);
  void say(room_verb verb, const member& m, std::uint64_t offset);

  std::map<member_key, std::deque<std::shared_ptr<const member_info>>> entering_;
  std::map<member_key, member> members_;
  std::map<member_key, std::deque<item>> outboxes_;
};

} // namespace troupe::testing
