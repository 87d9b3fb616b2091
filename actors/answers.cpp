#include "actors/answers.hpp"

#include "runtime/model/json_text.hpp"
#include "runtime/wire/parse.hpp"

#include <algorithm>

namespace troupe {

message_ptr plain_message(std::string_view type, std::string_view id, target_kind target, std::string_view name,
                          std::string_view payload, std::shared_ptr<const sender> from) {
  message_fields fields;
  fields.type = type;
  fields.id = id;
  fields.target = target;
  fields.target_name = name;
  fields.payload = payload;
  return message::make(fields, std::move(from), 0);
}

std::string json_of(const value& v) {
  std::string out;
  wire::write_json(out, v);
  return out;
}

std::string position_payload(std::uint64_t seq, std::string_view epoch) {
  std::string out = "{\"seq\":";
  append_json_number(out, seq);
  out += ",\"epoch\":\"";
  out += epoch;
  out += "\"}";
  return out;
}

std::string failure_payload(const failure& why) {
  std::string out = "{\"code\":\"";
  out += to_string(why.code);
  out += "\",\"message\":";
  append_json_string(out, why.message);
  out += is_temporary(why.code) ? ",\"temporary\":true" : ",\"temporary\":false";
  if (why.retry_ms) {
    out += ",\"retry_ms\":";
    append_json_number(out, *why.retry_ms);
  }
  out += '}';
  return out;
}

bool expired(const message& m, wall_ms now) noexcept {
  return m.fields().ttl_ms > 0 && m.ts() != 0 && m.ts() + m.fields().ttl_ms < now;
}

mono_ms end_of_ttl(const message& m, wall_ms wall, mono_ms now) noexcept {
  const auto ttl = m.fields().ttl_ms;
  if (ttl == 0)
    return 0;
  return now + ttl - (m.ts() == 0 ? 0 : std::max<wall_ms>(wall - m.ts(), 0));
}

void append_member(std::string& out, const member& m) {
  out += "{\"connection\":";
  append_json_string(out, m.connection);
  if (m.user) {
    out += ",\"user\":";
    append_json_string(out, *m.user);
  }
  out += ",\"state\":";
  out += m.state.empty() ? "null" : m.state;
  out += ",\"node\":";
  append_json_string(out, m.node);
  out += ",\"since\":";
  append_json_number(out, m.since);
  out += '}';
}

} // namespace troupe
