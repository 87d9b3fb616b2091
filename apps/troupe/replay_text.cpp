// What a replay_state says of itself, for people and for programs.

#include "apps/troupe/moment.hpp"
#include "apps/troupe/replay_state.hpp"
#include "apps/troupe/terminal.hpp"
#include "runtime/wire/parse.hpp"

namespace troupe::cli {
namespace {

constexpr std::size_t name_characters_max = 80;
constexpr std::size_t state_characters_max = 400;

std::string time_text(std::int64_t time_us) { return rfc3339(time_us).value_or(std::to_string(time_us) + " us"); }

std::string shown(std::string_view name) { return printable(name, name_characters_max); }

std::string shown_value(const value& what) {
  std::string json;
  wire::write_json(json, what);
  return printable(json, state_characters_max);
}

std::string plural(std::uint64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

value member_json(const replay_state::member& who) {
  auto out = value::object();
  if (!who.user.empty())
    out.set("user", who.user);
  out.set("since", time_text(who.since_us));
  out.set("state_recorded", who.state.has_value());
  if (who.state)
    out.set("state", *who.state);
  return out;
}

value room_json(const replay_state::room& in) {
  auto members = value::object();
  for (const auto& [connection, who] : in.members)
    members.set(connection, member_json(who));
  auto out = value::object();
  out.set("epoch", in.epoch);
  out.set("seq", in.seq);
  out.set("messages", in.messages);
  out.set("members", std::move(members));
  if (in.code_version.empty() && !in.base)
    return out;
  auto logic = value::object();
  logic.set("code_version", in.code_version);
  if (in.base) {
    auto base = value::object();
    base.set("state", in.base->state);
    base.set("seq", in.base->seq);
    base.set("index", in.base->index);
    base.set("time", time_text(in.base->time_us));
    logic.set("snapshot", std::move(base));
  }
  logic.set("steps_since", in.steps_since);
  if (!in.state_hash.empty())
    logic.set("state_hash", in.state_hash);
  out.set("logic", std::move(logic));
  return out;
}

value channel_json(const replay_state::channel& in) {
  auto out = value::object();
  out.set("epoch", in.epoch);
  out.set("first", in.first);
  out.set("last", in.last);
  out.set("messages", in.messages);
  auto durable = value::object();
  for (const auto& [name, offset] : in.durable)
    durable.set(name, offset);
  out.set("durable", std::move(durable));
  return out;
}

std::string room_text(const std::string& name, const replay_state::room& in) {
  auto out = "room " + shown(name) + ": epoch " + shown(in.epoch) + ", last seq " + std::to_string(in.seq) + ", " +
             plural(in.messages, "message") + " recorded, " + plural(in.members.size(), "member") + "\n";
  for (const auto& [connection, who] : in.members)
    out += "  " + shown(connection) + "  " + (who.user.empty() ? "-" : shown(who.user)) + "  since " +
           time_text(who.since_us) + "  " + (who.state ? shown_value(*who.state) : "presence state not recorded") +
           "\n";
  if (in.code_version.empty() && !in.base)
    return out;
  out += "  logic " + (in.code_version.empty() ? "of unknown version" : shown(in.code_version)) + ": ";
  if (in.base)
    out += "snapshot of seq " + std::to_string(in.base->seq) + " (record " + std::to_string(in.base->index) + ", " +
           time_text(in.base->time_us) + "): " + shown_value(in.base->state) + "\n";
  else
    out += "no snapshot recorded\n";
  if (in.steps_since == 0)
    return out;
  return out + "  " + plural(in.steps_since, "step") +
         " since: what they made of it is not in the log, only its hash: " +
         (in.state_hash.empty() ? "(none recorded)" : shown(in.state_hash)) + "\n";
}

std::string channel_text(const std::string& name, const replay_state::channel& in) {
  auto out = "channel " + shown(name) + ": epoch " + shown(in.epoch) + ", ";
  if (in.first)
    out += "offsets " + std::to_string(*in.first) + " to " + std::to_string(in.last) + " (" +
           plural(in.messages, "message") + ")\n";
  else
    out += "no message in the log\n";
  for (const auto& [durable, offset] : in.durable)
    out += "  durable " + shown(durable) + ": acknowledged up to " + std::to_string(offset) + "\n";
  return out;
}

} // namespace

value replay_state::position() const {
  if (last_log_.empty())
    return nullptr;
  return {{"class", last_log_}, {"index", last_index_}, {"time", time_text(last_time_us_)}};
}

value replay_state::to_json_value(const replay_scope& scope) const {
  auto out = value::object();
  if (scope.is_everything()) {
    auto node = value::object();
    node.set("name", node_);
    node.set("version", version_);
    node.set("running", node_since_us_ == 0 ? value() : value(running_));
    if (node_since_us_ != 0)
      node.set("since", time_text(node_since_us_));
    out.set("node", std::move(node));
    auto connections = value::object();
    for (const auto& [name, one] : connections_)
      connections.set(name, value::object({{"user", one.user}, {"since", time_text(one.since_us)}}));
    out.set("connections", std::move(connections));
  }
  auto rooms = value::object();
  for (const auto& [name, in] : rooms_)
    if (scope.has_room(name))
      rooms.set(name, room_json(in));
  out.set("rooms", std::move(rooms));
  auto channels = value::object();
  for (const auto& [name, in] : channels_)
    if (scope.has_channel(name))
      channels.set(name, channel_json(in));
  out.set("channels", std::move(channels));
  auto missing = value::object();
  for (const auto& [name, first] : firsts_)
    if (first > 0)
      missing.set(name, first);
  if (!missing.empty())
    out.set("not_known_before", std::move(missing));
  return out;
}

std::string replay_state::text(const replay_scope& scope) const {
  if (last_log_.empty())
    return "nothing was recorded before this moment\n";
  auto out = "after record " + std::to_string(last_index_) + " of " + shown(last_log_) + ", " +
             time_text(last_time_us_) + "\n";
  for (const auto& [name, first] : firsts_)
    if (first > 0)
      out += "what happened before record " + std::to_string(first) + " of " + shown(name) +
             " is not kept: what it did is missing below\n";
  if (scope.is_everything()) {
    if (node_since_us_ != 0)
      out += "node " + (node_.empty() ? "" : shown(node_) + " ") +
             (version_.empty() ? "" : "(" + shown(version_) + ") ") + (running_ ? "running since " : "stopped at ") +
             time_text(node_since_us_) + ", " + plural(connections_.size(), "connection") + "\n";
    for (const auto& [name, one] : connections_)
      out += "  " + shown(name) + "  " + (one.user.empty() ? "-" : shown(one.user)) + "  since " +
             time_text(one.since_us) + "\n";
  }
  for (const auto& [name, in] : rooms_)
    if (scope.has_room(name))
      out += room_text(name, in);
  for (const auto& [name, in] : channels_)
    if (scope.has_channel(name))
      out += channel_text(name, in);
  return out;
}

} // namespace troupe::cli
