#include "apps/troupe/replay_player.hpp"

#include "apps/troupe/command.hpp"
#include "apps/troupe/record_json.hpp"
#include "apps/troupe/server_commands.hpp"

#include <thread>
#include <utility>

namespace troupe::cli {
namespace {

using log::record_kind;
using log::record_view;

constexpr auto presence_updated = static_cast<record_kind>(35);
constexpr std::size_t refusals_shown = 10;

std::optional<value> json_field(const record_view& what, std::string_view record_view::*field) {
  auto json = json_of(what, field);
  return json ? std::optional{value(value::raw{*std::move(json), encoding::json})} : std::nullopt;
}

} // namespace

void replay_player::play(const record_view& what) {
  if (what.kind == presence_updated)
    return update(what);
  switch (what.kind) {
  case record_kind::room_joined:
    return join(what.connection, what.user, what.room, json_field(what, &record_view::payload));
  case record_kind::room_left:
    return leave(what.connection, what.room);
  case record_kind::room_step: // what a client sent to a room with logic is this, and not what the logic made of it
    if (what.detail != "message")
      return;
    logic_.emplace(what.room);
    return publish(what);
  case record_kind::message_published:
    if (logic_.contains(what.room)) {
      ++counts_.of_program;
      return;
    }
    return publish(what);
  case record_kind::channel_published:
    return publish(what);
  case record_kind::connection_closed:
    return depart(what.connection);
  case record_kind::node_started:
  case record_kind::node_stopped:
    while (!seats_.empty())
      depart(std::string{seats_.begin()->first});
    return;
  default:
    return;
  }
}

void replay_player::update(const record_view& what) {
  const auto state = json_field(what, &record_view::payload);
  const auto at = seats_.find(what.connection);
  if (!state || at == seats_.end() || !at->second->rooms.contains(what.room))
    return;
  auto request = value::object({{"type", "presence:update"}, {"room", what.room}});
  request.set("payload", value::object({{"state", *state}}));
  send(*at->second, std::move(request), {}, kind::request);
}

void replay_player::publish(const record_view& what) {
  const bool to_channel = what.kind == record_kind::channel_published;
  const auto payload = json_field(what, &record_view::payload);
  if (what.connection.empty()) {
    ++counts_.of_program;
    return;
  }
  // A channel stores everything, so what has no payload there was sent without one.
  if (!payload && (!to_channel || !what.payload.empty() || !what.key_id.empty())) {
    ++counts_.without_payload;
    return;
  }
  auto& from = seat_of(what.connection, what.user);
  if (!to_channel && !from.rooms.contains(what.room))
    join(what.connection, what.user, what.room, {});
  auto envelope = value::object();
  envelope.set("type", what.type);
  envelope.set(to_channel ? "channel" : "room", to_channel ? what.channel : what.room);
  if (what.qos.value_or(0) > 0)
    envelope.set("qos", *what.qos);
  if (payload)
    envelope.set("payload", *payload);
  if (const auto headers = json_field(what, &record_view::headers))
    envelope.set("headers", *headers);
  else if (what.kind == record_kind::room_step && what.code == 1U)
    envelope.set("headers", value::object({{"echo", "true"}}));
  ++counts_.sent;
  send(from, std::move(envelope), what.id, kind::message);
}

void replay_player::join(std::string_view connection, std::string_view user, std::string_view room,
                         const std::optional<value>& state) {
  auto& who = seat_of(connection, user);
  who.rooms.emplace(room);
  auto payload = value::object();
  if (state)
    payload.set("state", *state);
  auto request = value::object({{"type", "room:join"}, {"room", room}});
  request.set("payload", std::move(payload));
  send(who, std::move(request), {}, kind::request);
}

void replay_player::leave(std::string_view connection, std::string_view room) {
  const auto at = seats_.find(connection);
  if (at == seats_.end())
    return;
  const auto joined = at->second->rooms.find(room);
  if (joined == at->second->rooms.end())
    return;
  at->second->rooms.erase(joined);
  send(*at->second, value::object({{"type", "room:leave"}, {"room", room}}), {}, kind::request);
}

replay_player::seat& replay_player::seat_of(std::string_view connection, std::string_view user) {
  auto& place = seats_[std::string{connection}];
  if (place)
    return *place;
  place = std::make_unique<seat>();
  place->connection = connection;
  auto as = to_;
  if (as.user.empty())
    as.user = user;
  place->link = std::make_unique<server_link>(
      loop_, as, [this, of = place.get()](const value& envelope, std::string_view) { answered(*of, envelope); });
  ++counts_.connections;
  return *place;
}

void replay_player::send(seat& from, value envelope, std::string_view id, kind what) {
  std::string own{id};
  if (own.empty() || from.waiting.contains(own))
    own = "replay-" + std::to_string(++last_id_);
  envelope.set("id", own);
  from.link->send(envelope);
  from.waiting.emplace(std::move(own), what);
  ++waiting_;
}

void replay_player::answered(seat& of, const value& envelope) {
  const auto type = envelope["type"].as_string();
  const auto found = of.waiting.find(envelope["id"].as_string().value_or(""));
  if (found == of.waiting.end() || (type != "ack" && type != "error"))
    return;
  const bool is_message = found->second == kind::message;
  --waiting_;
  if (type == "ack") {
    counts_.acknowledged += is_message ? 1 : 0;
  } else {
    ++(is_message ? counts_.refused : counts_.requests_refused);
    if (refusals_.size() < refusals_shown)
      refusals_.push_back((is_message ? "a message of " : "a request of ") + of.connection +
                          " was refused: " + error_text(envelope));
  }
  of.waiting.erase(found);
}

void replay_player::depart(std::string_view connection) {
  const auto at = seats_.find(connection);
  if (at == seats_.end())
    return;
  leaving_.push_back(std::move(at->second));
  seats_.erase(at);
}

void replay_player::work(std::chrono::milliseconds most) {
  if (present() == 0)
    return std::this_thread::sleep_for(most);
  loop_.run_for(most);
  const auto check = [&](const seat& one) {
    if (const auto& end = one.link->ended(); end && !one.closing)
      throw command_failed{exit_cannot, "the connection that stands for " + one.connection + ": " + end->why};
  };
  for (const auto& [name, one] : seats_)
    check(*one);
  for (const auto& one : leaving_) {
    check(*one);
    if (one->waiting.empty() && one->link->is_open() && !std::exchange(one->closing, true))
      one->link->close();
  }
  leaving_.remove_if([](const auto& one) { return one->closing && one->link->ended(); });
}

void replay_player::end() {
  while (!seats_.empty())
    depart(std::string{seats_.begin()->first});
}

} // namespace troupe::cli
