#pragma once

#include "runtime/log/fault.hpp"
#include "runtime/model/errors.hpp"
#include "runtime/store/outcome.hpp"

#include <string>
#include <utility>

namespace troupe {

/// What a client is told where this node, most often its log, cannot serve it now: it may try again in a second.
inline failure unavailable(std::string why) { return {error_code::unavailable, std::move(why), 1000}; }
inline failure unavailable(const log::fault& why) { return unavailable(why.text()); }
inline failure unavailable(const store::store_failure& why) { return unavailable("the index: " + why.message); }

/// Of an append: a record that the log refuses, it would refuse again.
inline failure not_taken(const log::fault& why) {
  if (why.kind == log::fault_kind::refused)
    return {error_code::too_large, "the log cannot take it: " + why.text(), {}};
  return unavailable(why);
}

/// The index lacks something of what the log has, and does not take it.
inline failure index_lags() { return unavailable("the index is behind the log: its disk has no room, or failed"); }

} // namespace troupe
