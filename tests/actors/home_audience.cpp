#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "tests/actors/home_audience.hpp"

#include "runtime/wire/json.hpp"
#include "runtime/wire/make.hpp"
#include "runtime/wire/parse.hpp"

namespace troupe::testing {
namespace {

class lines_encoder final : public wire::encoder {
public:
  void append(std::string& out, const message& m, const stamp& at) const override {
    wire::encode_json(out, m, at);
    out += '\n';
  }
};

const lines_encoder lines_instance;

std::string text(const value& v) {
  std::string out;
  wire::write_json(out, v);
  return out;
}

std::string name_of(const value& v) { return std::string{v["connection"].as_string().value_or("?")}; }

std::string diff_line(const value& p) {
  std::string out = "diff";
  const auto list = [&](std::string_view kind, char sign) {
    for (const auto& m : p[kind].elements())
      out += std::string{" "} + sign + name_of(m) + (kind == "updates" ? "=" + text(m["state"]) : "");
  };
  list("joins", '+');
  list("leaves", '-');
  list("updates", '~');
  if (p.contains("more"))
    out += " more " + text(p["more"]["joins"]) + " " + text(p["more"]["leaves"]) + " " + text(p["more"]["updates"]);
  return out;
}

std::string state_line(const value& p) {
  std::string out = "state";
  for (const auto& m : p["members"].elements())
    out += " " + name_of(m) + "=" + text(m["state"]);
  return out;
}

std::string ack_line(const value& v) {
  const auto& p = v["payload"];
  std::string out = "ack " + std::string{v["id"].as_string().value_or("")};
  if (p.contains("members"))
    out += " members " + text(p["members"]);
  if (p.contains("seq"))
    out += " at " + text(p["seq"]);
  if (p.contains("recovered"))
    out += *p["recovered"].as_bool() ? " recovered" : " lost";
  return out;
}

} // namespace

std::uint8_t lines_format() { return static_cast<std::uint8_t>(lines_instance.index()); }

std::shared_ptr<const member_info> member_of(member_key key, std::string state, bool presence) {
  auto info = std::make_shared<member_info>();
  info->key = key;
  info->who = wire::make_sender("c" + std::to_string(key), "u" + std::to_string(key), "here");
  info->state = std::move(state);
  info->presence = presence;
  info->encoder = lines_format();
  info->since = 1;
  return info;
}

room_op op_of(room_verb verb, member_key who, std::string id) {
  room_op op;
  op.verb = verb;
  op.who = who;
  op.encoder = lines_format();
  op.answer = !id.empty();
  op.id = std::move(id);
  return op;
}

room_op join_op(member_key who, std::string id, std::string state, bool presence, std::optional<position> since) {
  auto op = op_of(room_verb::join, who, std::move(id));
  op.answer = true;
  op.more = std::make_unique<room_request>();
  op.more->member = member_of(who, std::move(state), presence);
  op.more->since = std::move(since);
  return op;
}

room_op rebind_op(member_key who, std::optional<position> since, bool presence) {
  auto op = join_op(who, {}, "null", presence, std::move(since));
  op.verb = room_verb::rebind;
  op.answer = false;
  return op;
}

room_op restore_op(member_key who, std::string state) {
  auto op = join_op(who, {}, std::move(state));
  op.verb = room_verb::restore;
  op.answer = false;
  return op;
}

room_op update_op(member_key who, std::string id, std::string state) {
  auto op = op_of(room_verb::update, who, std::move(id));
  op.answer = true;
  op.more = std::make_unique<room_request>();
  op.more->state = std::move(state);
  return op;
}

room_op publish_op(member_key who, std::string id, std::string payload, publish_options how) {
  auto op = op_of(room_verb::publish, who);
  op.answer = !id.empty();
  op.echo = how.echo;
  message_fields fields;
  fields.type = how.type;
  fields.id = id;
  fields.target = target_kind::room;
  fields.target_name = "r";
  fields.payload = payload;
  fields.qos = how.qos;
  fields.ttl_ms = how.ttl_ms;
  fields.headers = how.headers;
  op.message = message::make(fields, who == 0 ? nullptr : member_of(who)->who, how.ts);
  return op;
}

std::string line_of(std::string_view json) {
  const auto v = wire::parse({json, encoding::json});
  BOOST_REQUIRE_MESSAGE(v, "no JSON: " << json);
  const auto type = std::string{(*v)["type"].as_string().value_or("")};
  const auto& p = (*v)["payload"];
  if (type == "ack")
    return ack_line(*v);
  if (type == "error")
    return "error " + std::string{(*v)["id"].as_string().value_or("")} + " " +
           std::string{p["code"].as_string().value_or("")};
  if (type == "room:joined" || type == "room:left")
    return type.substr(5) + " " + name_of((*v)["from"]);
  if (type == "presence:diff")
    return diff_line(p);
  if (type == "presence:state")
    return state_line(p);
  if (type == "room:epoch")
    return "epoch " + std::string{p["epoch"].as_string().value_or("")};
  return type + " " + text((*v)["seq"]) + " " + name_of((*v)["from"]) + " " + text(p);
}

void audience::hear(member_key who, std::string_view line) {
  BOOST_TEST(line.ends_with('\n'));
  for (; !line.empty(); line.remove_prefix(line.find('\n') + 1)) // a replay is several in one piece
    heard_[who].push_back(line_of(line.substr(0, line.find('\n'))));
}

void audience::frames(const room_batch& batch) {
  const auto* encoded = batch.in(lines_format());
  BOOST_REQUIRE(batch.frames.empty() || encoded != nullptr);
  std::size_t single = 0;
  const auto singles_before = [&](std::size_t index) {
    for (; single < batch.singles.size() && batch.singles[single].before <= index; ++single)
      hear(batch.singles[single].to, *batch.singles[single].bytes);
  };
  std::uint32_t begin = 0;
  for (std::size_t i = 0; i < batch.frames.size(); ++i) {
    singles_before(i);
    const auto& f = batch.frames[i];
    for (const auto who : members_)
      if (who != f.except && (!f.presence || !presence.contains(who) || presence[who]))
        hear(who, std::string_view{encoded->bytes}.substr(begin, encoded->ends[i] - begin));
    begin = encoded->ends[i];
  }
  singles_before(batch.frames.size());
}

void audience::apply(const room_news_ptr& news) {
  if (news == nullptr)
    return;
  credit |= news->credit;
  for (const auto& event : news->events) {
    switch (event.what) {
    case room_event::kind::frames:
      frames(*event.batch);
      break;
    case room_event::kind::rebound:
      rebound[event.who] = event.recovered;
      [[fallthrough]];
    case room_event::kind::added:
      members_.insert(event.who);
      break;
    case room_event::kind::removed:
      members_.erase(event.who);
      break;
    case room_event::kind::refused:
      refused.insert(event.who);
      break;
    case room_event::kind::paused: // of channels only
    case room_event::kind::live:
      break;
    }
  }
}

} // namespace troupe::testing
