// What the audit log learns of a connection.

#include "actors/audit_trail.hpp"
#include "actors/connection.hpp"
#include "actors/node.hpp"

namespace troupe {

void connection::record_opened(std::string_view detail) {
  if (node_.audit == nullptr)
    return;
  recorded_ = true;
  log::record_view r;
  r.time_us = node_.wall_clock() * 1000;
  r.kind = log::record_kind::connection_opened;
  r.connection = who_->connection;
  if (who_->user)
    r.user = *who_->user;
  r.detail = detail;
  node_.audit->on(*home()).add(r, audit_level::metadata);
}

void connection::record_closed(close_code code, std::string_view reason) {
  if (!std::exchange(recorded_, false))
    return;
  log::record_view r;
  r.time_us = node_.wall_clock() * 1000;
  r.kind = log::record_kind::connection_closed;
  r.connection = who_->connection;
  if (who_->user)
    r.user = *who_->user;
  r.code = static_cast<std::uint64_t>(code);
  r.detail = reason;
  node_.audit->on(*home()).add(r, audit_level::metadata);
}

} // namespace troupe
