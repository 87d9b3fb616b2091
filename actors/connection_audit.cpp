// What the audit log learns of a connection.

#include "actors/audit_trail.hpp"
#include "actors/connection.hpp"
#include "actors/message_record.hpp"
#include "actors/node.hpp"
#include "runtime/model/json_text.hpp"

namespace troupe {
namespace {

log::record_view begin(log::record_kind kind, const sender& who, wall_ms now) {
  log::record_view r;
  r.time_us = now * 1000;
  r.kind = kind;
  set_sender(r, who);
  return r;
}

} // namespace

void connection::record_opened(std::string_view detail) {
  if (node_.audit == nullptr)
    return;
  recorded_ = true;
  auto r = begin(log::record_kind::connection_opened, *who_, node_.wall_clock());
  r.detail = detail;
  node_.audit->on(*home()).add(r, audit_level::metadata);
}

void connection::record_closed(close_code code, std::string_view reason) {
  if (!std::exchange(recorded_, false))
    return;
  auto r = begin(log::record_kind::connection_closed, *who_, node_.wall_clock());
  r.code = static_cast<std::uint64_t>(code);
  r.detail = reason;
  node_.audit->on(*home()).add(r, audit_level::metadata);
}

// One record a message, so that a long list costs no more than it took to send. A message may ask not to be recorded
// where rooms let it.
void connection::record_direct(const message& m) {
  const auto& f = m.fields();
  const auto level = level_for(f, node_.settings.direct.audit, node_.settings.rooms.audit_floor);
  if (node_.audit == nullptr || level == audit_level::off)
    return;
  auto r = begin(log::record_kind::message_received, *who_, node_.wall_clock());
  set_message(r, f);
  std::string users;
  for (const auto user : f.users) {
    users += users.empty() ? '[' : ',';
    append_json_string(users, user);
  }
  if (!users.empty())
    users += ']';
  r.detail = users;
  r.target = f.target_name;
  node_.audit->on(*home()).add(r, audit_level::metadata);
}

} // namespace troupe
