#pragma once

#include "actors/room_home.hpp"
#include "runtime/model/value.hpp"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::testing {

/// The wire format of these tests: JSON, a line for each message.
std::uint8_t lines_format();

/// A member as operations carry it; the connection is "c" and its key.
std::shared_ptr<const member_info> member_of(member_key key, std::string state = "null", bool presence = true);

room_op op_of(room_verb verb, member_key who, std::string id = {});
room_op join_op(member_key who, std::string id, std::string state = "null", bool presence = true,
                std::optional<position> since = {});
room_op rebind_op(member_key who, std::optional<position> since = {}, bool presence = true);
room_op restore_op(member_key who, std::string state = "null");
room_op update_op(member_key who, std::string id, std::string state);

struct publish_options {
  bool echo = false;
  troupe::qos qos = qos::at_most_once;
  std::string type = "say";
  std::int64_t ttl_ms = 0;
  std::string headers = {};
  wall_ms ts = 1;
};
room_op publish_op(member_key who, std::string id, std::string payload, publish_options how = {});

/// Hears what a room says as a fan-out would hand it on, one member at a time and without cleverness.
class audience {
public:
  void apply(const room_news_ptr& news);

  /// What a member was sent since the last call, each as a short line, for example `say 3 c1 "x"`, `ack id`, `joined
  /// c2`.
  std::vector<std::string> take(member_key who) { return std::exchange(heard_[who], {}); }
  const std::set<member_key>& members() const noexcept { return members_; }
  std::map<member_key, bool> rebound; ///< Of whom, and whether recovered.
  std::set<member_key> refused;
  bool credit = false;

  std::map<member_key, bool> presence; ///< Who wants to be told of others; the default is true.

private:
  void hear(member_key who, std::string_view line);
  void frames(const room_batch& batch);

  std::set<member_key> members_;
  std::map<member_key, std::vector<std::string>> heard_;
};

/// The short line of an envelope.
std::string line_of(std::string_view json);

using lines = std::vector<std::string>;

} // namespace troupe::testing
