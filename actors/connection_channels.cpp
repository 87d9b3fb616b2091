// The channels of a connection: subscribing, publishing, acknowledging, reading what was. Once it is subscribed a
// channel is to a connection what a room is (connection_rooms.cpp).

#include "actors/connection.hpp"

#include "actors/inbox_name.hpp"
#include "actors/node.hpp"
#include "runtime/model/limits.hpp"
#include "runtime/wire/make.hpp"
#include "runtime/wire/parse.hpp"

namespace troupe {
namespace {

constexpr std::size_t durable_bytes_max = 128;
constexpr std::uint32_t history_limit = 100; // where the client does not say
constexpr std::uint32_t history_limit_max = 1000;

const failure no_channels{error_code::no_handler, "this node keeps no log, and so it has no channels", {}};
const failure stored_always{
    error_code::forbidden, "a channel stores what is published: privacy.log cannot be none", {}};

failure bad(std::string why) { return {error_code::bad_message, std::move(why), {}}; }

} // namespace

bool connection::lacks_channels(std::string_view id) {
  if (node_.journal != nullptr)
    return false;
  write_failure(id, no_channels);
  return true;
}

/// Answers what is asked of no channel, or of one that the connection may not read.
bool connection::refuses_channel(const request& r) {
  if (r.fields.target != target_kind::channel)
    write_failure(r.id, bad("this needs a channel"));
  else if (!allows(a_channel(r.fields.target_name), right::read))
    write_failure(r.id, {error_code::forbidden, "you have no right to read this channel", {}});
  else
    return lacks_channels(r.id);
  return true;
}

void connection::on_channel_subscribe(const request& r) {
  if (refuses_channel(r))
    return;
  const auto payload = wire::parse({r.fields.payload, r.fields.format});
  if (!payload)
    return write_failure(r.id, bad("payload cannot be read"));
  starting_point start;
  const auto& from = (*payload)["from"];
  const auto word = from.as_string();
  start.earliest = word == "earliest";
  start.since = position_from(from, "offset");
  if (!from.is_null() && word != "latest" && !start.earliest && !start.since)
    return write_failure(r.id,
                         bad("payload.from must be \"latest\", \"earliest\" or {\"epoch\": text, \"offset\": number}"));
  if (const auto& durable = (*payload)["durable"]; !durable.is_null()) {
    start.durable = durable.as_string().value_or("");
    if (start.durable.empty() || start.durable.size() > durable_bytes_max)
      return write_failure(r.id, bad("payload.durable must be a name of 1 to 128 bytes"));
    if (!who_->user)
      return write_failure(r.id, bad("a durable subscription belongs to a user, and this client has none"));
  }
  enter(a_channel(r.fields.target_name), "null", false, std::move(start), r.id, true);
}

void connection::on_channel_unsubscribe(const request& r) {
  if (r.fields.target != target_kind::channel)
    return write_failure(r.id, bad("this needs a channel"));
  const auto at = rooms_.find(a_channel(r.fields.target_name));
  if (at == rooms_.end())
    return write_failure(r.id, {error_code::not_a_member, "you are not subscribed to this channel", {}});
  const auto payload = wire::parse({r.fields.payload, r.fields.format});
  const auto& forget = payload ? (*payload)["forget"] : value{};
  if (!payload || (!forget.is_null() && !forget.is_bool()))
    return write_failure(r.id, bad("payload.forget must be true or false"));
  exit(at, r.id, true, forget.as_bool().value_or(false));
}

void connection::on_channel_history(const request& r) {
  if (refuses_channel(r))
    return;
  const auto payload = wire::parse({r.fields.payload, r.fields.format});
  if (!payload)
    return write_failure(r.id, bad("payload cannot be read"));
  const auto& since = (*payload)["since"];
  const auto& limit = (*payload)["limit"];
  const auto& reverse = (*payload)["reverse"];
  const auto most = limit.is_null() ? history_limit : limit.as_uint().value_or(0);
  if (most == 0 || most > history_limit_max)
    return write_failure(r.id, bad("payload.limit must be a number from 1 to 1000"));
  if (!reverse.is_null() && !reverse.is_bool())
    return write_failure(r.id, bad("payload.reverse must be true or false"));
  auto op = make_op(room_verb::history, r.id, true);
  op.more = std::make_unique<room_request>();
  op.more->since = position_from(since, "offset");
  op.more->limit = static_cast<std::uint32_t>(most);
  op.more->reverse = reverse.as_bool().value_or(false);
  op.more->member = make_info("null", false, 0);
  if (!since.is_null() && !op.more->since)
    return write_failure(r.id, bad("payload.since must be {\"epoch\": text, \"offset\": number}"));
  push(reach(a_channel(r.fields.target_name)), std::move(op));
}

// Nobody is answered, whatever it says; of what the client is not subscribed to nothing is owed.
void connection::on_ack(const request& r) {
  const auto payload = wire::parse({r.fields.payload, r.fields.format});
  if (!payload)
    return;
  if (const auto upto = (*payload)["inbox"].as_uint(); upto && who_->user)
    tell_inbox(*who_->user, 0, *upto);
  const auto offset = (*payload)["offset"].as_uint();
  auto channel = (*payload)["channel"].as_string();
  if (r.fields.target == target_kind::channel)
    channel = r.fields.target_name;
  if (!offset || !channel)
    return;
  const auto at = rooms_.find(a_channel(*channel));
  if (at == rooms_.end())
    return;
  auto op = make_op(room_verb::acknowledge);
  op.more = std::make_unique<room_request>();
  op.more->offset = *offset;
  fans_.submit_anyway(*at->second.room, std::move(op));
}

void connection::publish_in_channel(const message_ptr& m) {
  if (lacks_channels(m->id()))
    return;
  if (m->fields().log == privacy_log::none)
    return write_failure(m->id(), stored_always);
  if (!allows(a_channel(m->channel()), right::write))
    return write_failure(m->id(), {error_code::forbidden, "you have no right to publish in this channel", {}});
  push_to_channel(m, !m->id().empty());
}

void connection::push_to_channel(message_ptr m, bool answer) {
  auto op = make_op(room_verb::publish, {}, answer);
  const auto channel = reach(a_channel(m->channel()));
  op.message = std::move(m);
  push(channel, std::move(op));
}

std::optional<failure> connection::tool_publish(const outgoing& what, const std::string& channel, publish_options how) {
  if (node_.journal == nullptr)
    return no_channels;
  if (!how.unchecked && !allows(a_channel(channel), right::write))
    return failure{error_code::forbidden, "you have no right to publish in the channel " + channel, {}};
  if (!is_channel_name(channel))
    return bad("this is no name of a channel");
  if (what.qos != qos::at_most_once && what.id.empty())
    return bad("qos 1 and 2 need an id");
  if (what.log == privacy_log::none)
    return stored_always;
  if (what.audience.size() > limits::audience_max)
    return bad("an audience has at most 100 users");
  push_to_channel(wire::make_message(what, target_kind::channel, channel, who_, home()->wall()), false);
  return std::nullopt;
}

} // namespace troupe
