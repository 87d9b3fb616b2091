#pragma once

#include "runtime/model/message.hpp"
#include "runtime/model/value.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe {

/// A message as a program writes it; the target is said where it is sent:
///
///     {.type = "chat:message", .payload = {{"body", "hello"}}}
struct outgoing {
  std::string type{}; ///< 1..128 of `A-Za-z0-9_.:/-`.
  value payload = {}; ///< Null where nothing is said.
  std::string id{};   ///< Empty: none.
  std::map<std::string, std::string> headers{};
  std::string traceparent{};
  troupe::qos qos = troupe::qos::at_most_once;
  std::int64_t ttl_ms = 0; ///< Milliseconds; 0: no limit.
  offline_policy offline = offline_policy::drop;

  // Privacy, as in a client's message (docs/protocol.md, "Privacy"); a program may speak for any subject.
  privacy_log log = privacy_log::unsaid;
  std::string subject{};               ///< The user whom it is about; empty: nobody.
  std::vector<std::string> audience{}; ///< The only users whom it is for, at most 100; empty: everybody.
};

} // namespace troupe
