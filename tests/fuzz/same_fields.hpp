#pragma once

#include "runtime/model/message.hpp"

namespace troupe::fuzz {

/// Whether what receivers are shown is the same.
inline bool same_for_receivers(const message_fields& a, const message_fields& b) {
  return a.type == b.type && a.id == b.id && a.target == b.target && a.target_name == b.target_name &&
         a.users == b.users && a.traceparent == b.traceparent;
}

} // namespace troupe::fuzz

/// Ends the run where a property does not hold; libFuzzer then keeps the input.
#define TROUPE_FUZZ_CHECK(condition)                                                                                   \
  if (!(condition))                                                                                                    \
  __builtin_trap()
