#pragma once

#include "runtime/log/record.hpp"
#include "runtime/model/message.hpp"
#include "runtime/system/config.hpp"

#include <algorithm>

namespace troupe {

/// Names in a record who did what it tells of. The record holds views of `who`.
inline void set_sender(log::record_view& r, const sender& who) {
  r.connection = who.connection;
  if (who.user)
    r.user = *who.user;
}

/// Names in a record who sent the message that it tells of, and from which node; nobody where the server itself did.
inline void set_sender(log::record_view& r, const message& m) {
  if (const auto& from = m.from()) {
    set_sender(r, *from);
    r.node = from->node;
  }
}

/// Which message a record tells of; what is in it only with `set_content`.
inline void set_message(log::record_view& r, const message_fields& f) {
  r.id = f.id;
  r.type = f.type;
  r.format = static_cast<std::uint64_t>(f.format);
  r.privacy = f.privacy;
  r.subject = f.subject;
  if (f.qos != qos::at_most_once)
    r.qos = static_cast<std::uint64_t>(f.qos);
}

inline void set_content(log::record_view& r, const message_fields& f) {
  r.payload = f.payload;
  r.headers = f.headers;
  r.traceparent = f.traceparent;
}

/// At which level a message is recorded: it may ask for less than is kept, but for no less than the floor.
inline audit_level level_for(const message_fields& f, audit_level kept, audit_level floor) {
  if (f.log == privacy_log::unsaid || f.log == privacy_log::full)
    return kept;
  const auto wanted = f.log == privacy_log::none ? audit_level::off : audit_level::metadata;
  return std::min(kept, std::max(wanted, floor));
}

} // namespace troupe
