// The requests of the protocol that a connection answers itself.

#include "actors/connection.hpp"

#include "actors/answers.hpp"
#include "actors/hub.hpp"
#include "actors/node.hpp"
#include "runtime/model/json_text.hpp"
#include "runtime/wire/parse.hpp"
#include "runtime/wire/transcode.hpp"

#include <algorithm>
#include <set>

namespace troupe {
namespace {

const failure state_too_large{error_code::too_large, "payload.state is larger than limits.presence_state_bytes", {}};
const failure bad_room{error_code::bad_message, "this needs a room", {}};

} // namespace

const connection::request_entry connection::request_table[] = {
    {"ping", &connection::on_ping},
    {"auth", &connection::on_auth},
    {"session:resume", &connection::on_resume},
    {"room:join", &connection::on_join},
    {"room:leave", &connection::on_leave},
    {"presence:get", &connection::on_presence_get},
    {"presence:update", &connection::on_presence_update},
    {"subscribe", &connection::on_subscribe},
    {"unsubscribe", &connection::on_unsubscribe},
    {"ack", &connection::on_ack},
    {"channel:subscribe", &connection::on_channel_subscribe},
    {"channel:unsubscribe", &connection::on_channel_unsubscribe},
    {"channel:history", &connection::on_channel_history},
};

std::optional<position> connection::position_from(const value& v, std::string_view number) {
  const auto epoch = v["epoch"].as_string();
  const auto at = v[number].as_uint();
  if (!epoch || !at)
    return std::nullopt;
  return position{std::string{*epoch}, *at};
}

bool connection::answer_request(const message_fields& fields) {
  for (const auto& entry : request_table) {
    if (entry.type != fields.type)
      continue;
    const auto run = entry.run;
    const bool keeps_fresh =
        run == &connection::on_ping || run == &connection::on_auth || run == &connection::on_resume;
    (this->*run)({fields, std::string{fields.id}});
    fresh_ = fresh_ && keeps_fresh;
    return true;
  }
  return false;
}

void connection::on_ping(const request& r) {
  message_fields pong;
  pong.type = "pong";
  pong.id = r.id;
  pong.payload = r.fields.payload;
  pong.format = r.fields.format;
  node_.write_to(out_, *message::make(pong, nullptr, 0));
}

void connection::on_auth(const request& r) {
  const auto payload = wire::parse({r.fields.payload, r.fields.format});
  const auto token = payload ? (*payload)["token"].as_string() : std::nullopt;
  if (!token)
    return write_failure(r.id, {error_code::bad_message, "auth needs payload.token", {}});
  auto verified = node_.verify(*token);
  if (const auto* refused = std::get_if<failure>(&verified)) {
    write_failure(r.id, *refused);
    if (phase_ == phase::unknown)
      close_with(close_code::unauthorized, "unauthorized: the token was refused");
    return;
  }
  auto who = std::make_shared<identity>(std::get<identity>(std::move(verified)));
  if (phase_ == phase::unknown) {
    identity_ = std::move(who);
    greet();
  } else if (who->user != identity_->user) {
    return write_failure(r.id, {error_code::forbidden, "auth cannot change the user of a connection", {}});
  } else {
    identity_ = std::move(who);
    check_rights();
  }
  write("ack", r.id, "{}");
  arm_deadline();
}

void connection::on_join(const request& r) {
  if (r.fields.target != target_kind::room)
    return write_failure(r.id, bad_room);
  const std::string room{r.fields.target_name};
  if (!identity_->rights.allows("room", room, right::read))
    return write_failure(r.id, {error_code::forbidden, "you have no right to read this room", {}});
  const auto payload = wire::parse({r.fields.payload, r.fields.format});
  if (!payload)
    return write_failure(r.id, {error_code::bad_message, "payload cannot be read", {}});
  const auto& presence = (*payload)["presence"];
  const auto& since = (*payload)["since"];
  if (!presence.is_null() && !presence.is_bool())
    return write_failure(r.id, {error_code::bad_message, "payload.presence must be true or false", {}});
  auto from = position_from(since, "seq");
  if (!since.is_null() && !from)
    return write_failure(r.id,
                         {error_code::bad_message, "payload.since must be {\"epoch\": text, \"seq\": number}", {}});
  const bool sees = identity_->rights.allows("room", room, right::presence);
  auto state = sees ? json_of((*payload)["state"]) : "null";
  if (state.size() > node_.settings.limits.presence_state_bytes)
    return write_failure(r.id, state_too_large);
  enter(a_room(room), std::move(state), sees && presence.as_bool().value_or(true), {std::move(from)}, r.id, true);
}

void connection::on_leave(const request& r) {
  if (r.fields.target != target_kind::room)
    return write_failure(r.id, bad_room);
  const auto at = rooms_.find(a_room(r.fields.target_name));
  if (at == rooms_.end())
    return write_failure(r.id, {error_code::not_a_member, "you are not in this room", {}});
  exit(at, r.id, true);
}

void connection::on_presence_get(const request& r) {
  if (r.fields.target != target_kind::room)
    return write_failure(r.id, bad_room);
  const auto at = rooms_.find(a_room(r.fields.target_name));
  if (at == rooms_.end())
    return write_failure(r.id, {error_code::not_a_member, "join the room before you ask who is in it", {}});
  if (!identity_->rights.allows("room", r.fields.target_name, right::presence))
    return write_failure(r.id, {error_code::forbidden, "you have no right to see who is in this room", {}});
  auto op = make_op(room_verb::list, r.id, true);
  op.members_only = true;
  push(at->second.room, std::move(op));
}

void connection::on_presence_update(const request& r) {
  if (r.fields.target != target_kind::room)
    return write_failure(r.id, bad_room);
  const auto at = rooms_.find(a_room(r.fields.target_name));
  if (at == rooms_.end())
    return write_failure(r.id, {error_code::not_a_member, "you are not in this room", {}});
  if (!identity_->rights.allows("room", r.fields.target_name, right::presence))
    return write_failure(r.id, {error_code::forbidden, "you have no right to presence in this room", {}});
  const auto payload = wire::parse({r.fields.payload, r.fields.format});
  if (!payload || !payload->is_object())
    return write_failure(r.id, {error_code::bad_message, "payload must be an object with state", {}});
  auto op = make_op(room_verb::update, r.id, true);
  op.more = std::make_unique<room_request>();
  op.more->state = json_of((*payload)["state"]);
  if (op.more->state.size() > node_.settings.limits.presence_state_bytes)
    return write_failure(r.id, state_too_large);
  auto info = std::make_shared<member_info>(*at->second.info);
  info->state = op.more->state;
  at->second.info = std::move(info);
  fans_.remember(*at->second.room, key_, op.more->state);
  push(at->second.room, std::move(op));
}

void connection::on_subscribe(const request& r) { filter_request(r, true); }

void connection::on_unsubscribe(const request& r) { filter_request(r, false); }

void connection::filter_request(const request& r, bool add) {
  const auto payload = wire::parse({r.fields.payload, r.fields.format});
  std::vector<std::string_view> types;
  bool valid = payload && (*payload)["types"].is_array();
  if (valid)
    for (const auto& type : (*payload)["types"].elements()) {
      valid = valid && type.is_string();
      types.push_back(type.as_string().value_or(""));
    }
  if (!valid)
    return write_failure(r.id, {error_code::bad_message, "payload.types must be a list of types", {}});
  if (!add)
    out_.filter().unsubscribe(types);
  else if (!out_.filter().subscribe(types))
    return write_failure(r.id, {error_code::bad_message, "a type is empty or too long, or there are more than 64", {}});
  if (subscription_ != nullptr)
    subscription_->set(out_.filter());
  write("ack", r.id, "{}");
}

} // namespace troupe
