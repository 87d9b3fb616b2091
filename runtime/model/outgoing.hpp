#pragma once

#include "runtime/model/message.hpp"
#include "runtime/model/value.hpp"

#include <cstdint>
#include <map>
#include <string>

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
};

} // namespace troupe
