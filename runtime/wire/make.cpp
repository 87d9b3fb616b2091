#include "runtime/wire/make.hpp"

#include "runtime/model/json_text.hpp"
#include "runtime/wire/msgpack_text.hpp"
#include "runtime/wire/parse.hpp"

#include <utility>

namespace troupe::wire {

namespace {

std::string_view name_of(privacy_log level) noexcept {
  return level == privacy_log::none ? "none" : level == privacy_log::metadata ? "metadata" : "full";
}

/// Appends what `what` says of privacy as an object in this format; nothing where it says nothing.
void write_privacy(std::string& out, const outgoing& what, encoding format) {
  if (what.log == privacy_log::unsaid && what.subject.empty() && what.audience.empty())
    return;
  value object = value::object();
  if (what.log != privacy_log::unsaid)
    object.set("log", std::string{name_of(what.log)});
  if (!what.subject.empty())
    object.set("subject", what.subject);
  if (!what.audience.empty()) {
    value users = value::array();
    for (const auto& user : what.audience)
      users.push_back(user);
    object.set("audience", std::move(users));
  }
  format == encoding::json ? write_json(out, object) : write_msgpack(out, object);
}

message_ptr finish(const outgoing& what, message_fields fields, std::shared_ptr<const sender> from, wall_ms ts) {
  fields.type = what.type;
  fields.id = what.id;
  fields.traceparent = what.traceparent;
  fields.qos = what.qos;
  fields.ttl_ms = what.ttl_ms;
  fields.offline = what.offline;
  fields.log = what.log;
  fields.subject = what.subject;
  fields.audience.assign(what.audience.begin(), what.audience.end());
  std::string payload, headers, privacy;
  const auto splice = what.payload.as_raw();
  fields.format = splice ? splice->format : encoding::json;
  if (splice) {
    fields.payload = splice->text;
  } else {
    write_json(payload, what.payload);
    fields.payload = payload;
  }
  if (!what.headers.empty()) {
    value object = value::object();
    for (const auto& [key, text] : what.headers)
      object.set(key, text);
    fields.format == encoding::json ? write_json(headers, object) : write_msgpack(headers, object);
    fields.headers = headers;
  }
  write_privacy(privacy, what, fields.format);
  fields.privacy = privacy;
  return message::make(fields, std::move(from), ts);
}

} // namespace

std::shared_ptr<const sender> make_sender(std::string connection, std::optional<std::string> user, std::string node) {
  auto result = std::make_shared<sender>();
  value who = {{"connection", connection}};
  if (user)
    who.set("user", *user);
  result->json = "\"from\":";
  write_json(result->json, who);
  result->json += ",\"node\":";
  append_json_string(result->json, node);
  append_msgpack_string(result->msgpack, "from");
  write_msgpack(result->msgpack, who);
  append_msgpack_string(result->msgpack, "node");
  append_msgpack_string(result->msgpack, node);
  result->connection = std::move(connection);
  result->user = std::move(user);
  result->node = std::move(node);
  return result;
}

message_ptr make_message(const outgoing& what, target_kind target, std::string_view name,
                         std::shared_ptr<const sender> from, wall_ms ts) {
  message_fields fields;
  fields.target = target;
  fields.target_name = name;
  return finish(what, std::move(fields), std::move(from), ts);
}

message_ptr make_message(const outgoing& what, std::span<const std::string> users, std::shared_ptr<const sender> from,
                         wall_ms ts) {
  message_fields fields;
  fields.target = target_kind::users;
  fields.users.assign(users.begin(), users.end());
  return finish(what, std::move(fields), std::move(from), ts);
}

} // namespace troupe::wire
