#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "tests/actors/channel_audience.hpp"
#include "tests/actors/home_audience.hpp"

#include "runtime/wire/make.hpp"
#include "runtime/wire/parse.hpp"

namespace troupe::testing {
namespace {

std::string json(const value& v) {
  std::string out;
  wire::write_json(out, v);
  return out;
}

told_message message_of(std::string_view frame) {
  const auto v = wire::parse({frame, encoding::json});
  BOOST_REQUIRE_MESSAGE(v, "no JSON: " << frame);
  told_message result;
  result.type = (*v)["type"].as_string().value_or("");
  result.id = (*v)["id"].as_string().value_or("");
  result.text = json((*v)["payload"]);
  const auto& place = result.type == "ack" ? (*v)["payload"] : *v;
  if (place.contains("offset"))
    result.offset = std::stoull(json(place["offset"]));
  return result;
}

} // namespace

std::string told_message::line() const {
  const auto p = wire::parse({text, encoding::json});
  BOOST_REQUIRE(p);
  if (type == "ack") {
    auto out = "ack " + id;
    if (p->contains("offset"))
      out += " at " + std::string{(*p)["epoch"].as_string().value_or("?")} + ":" + std::to_string(offset);
    if (p->contains("recovered"))
      out += *(*p)["recovered"].as_bool() ? " recovered" : " lost";
    return out;
  }
  if (type == "error")
    return "error " + id + " " + std::string{(*p)["code"].as_string().value_or("")};
  if (type == "gap")
    return "gap " + std::string{(*p)["reason"].as_string().value_or("")} +
           (p->contains("from") ? " " + json((*p)["from"]) + "-" + json((*p)["to"]) : "");
  if (type == "channel:history") {
    auto out = "history " + id + " at " + json((*p)["offset"]) + ":";
    for (const auto& m : (*p)["messages"].elements())
      out += " " + json(m["offset"]);
    for (const auto& gap : (*p)["gaps"].elements())
      out +=
          " " + std::string{gap["reason"].as_string().value_or("")} + " " + json(gap["from"]) + "-" + json(gap["to"]);
    return out;
  }
  return type + " " + std::to_string(offset) + " " + text;
}

std::shared_ptr<const member_info> subscriber_of(member_key key, std::uint32_t incarnation, std::string user) {
  auto info = std::make_shared<member_info>();
  info->key = key;
  info->incarnation = incarnation;
  if (user.empty())
    user = "u" + std::to_string(key);
  info->who =
      wire::make_sender("c" + std::to_string(key), user == "-" ? std::nullopt : std::optional{std::move(user)}, "here");
  info->encoder = lines_format();
  return info;
}

room_op say_op(member_key who, std::string id, std::string payload, channel_say how) {
  room_op op;
  op.verb = room_verb::publish;
  op.who = who;
  op.encoder = lines_format();
  op.answer = !id.empty();
  message_fields fields;
  fields.type = how.type;
  fields.id = id;
  fields.target = target_kind::channel;
  fields.target_name = "c";
  fields.payload = payload;
  fields.qos = how.qos;
  fields.ttl_ms = how.ttl_ms;
  op.message = message::make(fields, subscriber_of(who)->who, how.ts);
  return op;
}

room_op request_op(room_verb verb, const std::shared_ptr<const member_info>& who, std::string id) {
  room_op op;
  op.verb = verb;
  op.who = who->key;
  op.incarnation = who->incarnation;
  op.encoder = who->encoder;
  op.answer = !id.empty();
  op.id = std::move(id);
  op.more = std::make_unique<room_request>();
  op.more->member = who;
  return op;
}

void channel_audience::drop(member_key who) {
  members_.erase(who);
  entering_.erase(who);
  outboxes_.erase(who);
}

void channel_audience::say(room_verb verb, const member& m, std::uint64_t offset) {
  ops.push_back(request_op(verb, m.info));
  ops.back().more->offset = offset;
}

void channel_audience::single(const single_frame& f) {
  const auto at = members_.find(f.to);
  if (at == members_.end()) {
    if (f.stored) // its connection has gone meanwhile
      return;
    if (const auto now = incarnations.find(f.to); now == incarnations.end() || now->second == f.incarnation)
      outboxes_[f.to].push_back(f.bytes);
    return;
  }
  auto& m = at->second;
  if (f.incarnation != m.info->incarnation)
    return;
  if (f.stored && m.spilled)
    return;
  BOOST_TEST((!f.stored || !m.live), "a piece of the log for somebody who is live");
  m.owes_drained += f.stored ? 1 : 0;
  outboxes_[f.to].push_back(f.bytes);
}

void channel_audience::frames(const room_batch& batch) {
  const auto* encoded = batch.in(lines_format());
  BOOST_REQUIRE((batch.frames.empty() || encoded != nullptr));
  std::size_t next = 0;
  const auto singles_before = [&](std::size_t index) {
    for (; next < batch.singles.size() && batch.singles[next].before <= index; ++next)
      single(batch.singles[next]);
  };
  std::uint32_t begin = 0;
  for (std::size_t i = 0; i < batch.frames.size(); ++i) {
    singles_before(i);
    const auto bytes = std::make_shared<const std::string>(encoded->bytes.substr(begin, encoded->ends[i] - begin));
    begin = encoded->ends[i];
    for (auto& [who, m] : members_) {
      if (!m.live || m.spilled || (m.info->wants && !m.info->wants->passes(batch.frames[i].message->type())))
        continue;
      if (outboxes_[who].size() < room) {
        outboxes_[who].push_back(bytes);
        continue;
      }
      m.spilled = true;
      ++m.owes_drained;
      say(room_verb::spilled, m, batch.frames[i].seq);
    }
  }
  singles_before(batch.frames.size());
}

void channel_audience::apply(const room_news& news) {
  for (const auto& event : news.events) {
    const auto who = event.who;
    on_event(who, event.what, event.recovered);
    const auto at = members_.find(who);
    auto& entering = entering_[who];
    switch (event.what) {
    case room_event::kind::frames:
      frames(*event.batch);
      break;
    case room_event::kind::rebound:
    case room_event::kind::added:
      if (entering.empty() || entering.front()->incarnation != event.incarnation)
        break;
      if (event.what == room_event::kind::rebound)
        rebound[who] = event.recovered;
      members_[who] = {std::move(entering.front())};
      entering.pop_front();
      break;
    case room_event::kind::removed:
      members_.erase(who);
      break;
    case room_event::kind::refused:
      refused.push_back(who);
      if (members_.erase(who) == 0 && !entering.empty() && entering.front()->incarnation == event.incarnation)
        entering.pop_front();
      break;
    case room_event::kind::paused:
      if (at == members_.end() || (at->second.spilled && !event.recovered))
        break;
      at->second.live = at->second.spilled = false;
      break;
    case room_event::kind::live:
      if (at != members_.end() && !at->second.spilled)
        at->second.live = true;
      break;
    }
  }
}

std::vector<told_message> channel_audience::read(std::string_view bytes) {
  std::vector<told_message> found;
  for (; !bytes.empty(); bytes.remove_prefix(bytes.find('\n') + 1)) {
    BOOST_REQUIRE(bytes.ends_with('\n'));
    found.push_back(message_of(bytes.substr(0, bytes.find('\n'))));
  }
  return found;
}

std::vector<told_message> channel_audience::send_one(member_key who) {
  auto& outbox = outboxes_[who];
  if (outbox.empty())
    return {};
  const auto first = std::move(outbox.front());
  outbox.pop_front();
  auto sent = read(*first);
  const auto at = members_.find(who);
  if (!outbox.empty() || at == members_.end())
    return sent;
  auto owed = std::exchange(at->second.owes_drained, 0);
  for (owed = once_drained ? std::min<std::size_t>(owed, 1) : owed; owed > 0; --owed)
    say(room_verb::drained, at->second, 0);
  return sent;
}

lines channel_audience::send_all(member_key who) {
  lines result;
  for (auto sent = send_one(who); !sent.empty(); sent = send_one(who))
    for (const auto& e : sent)
      result.push_back(e.line());
  return result;
}

bool channel_audience::idle() const {
  for (const auto& [who, outbox] : outboxes_)
    if (!outbox.empty())
      return false;
  return ops.empty();
}

} // namespace troupe::testing
