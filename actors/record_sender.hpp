#pragma once

#include "runtime/log/record.hpp"
#include "runtime/model/message.hpp"

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

} // namespace troupe
