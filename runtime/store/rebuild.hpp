#pragma once

#include "runtime/store/store.hpp"

#include <cstdint>
#include <string_view>

namespace troupe::store {

/// The records that a log class still has: [begin, end). Retention drops from the begin.
struct log_range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// What has to be done to a store before it can be served beside a log.
enum class catch_up : std::uint8_t {
  nothing, ///< It holds all of the log.
  apply,   ///< It is behind: apply the records of the plan to it.
  rebuild, ///< It is ahead of the log, or what it needs next was dropped: empty it first, then apply the records.
};

/// What to do, and with which records.
struct catch_up_plan {
  catch_up what = catch_up::nothing;
  log_range records;         ///< What is to be applied, in order; empty for `nothing`.
  std::uint64_t applied = 0; ///< What the store held when it was asked.
};

/// Compares how far a store is with what a log has.
///
/// Ahead means that the log lost records which the store has seen (its end was cut off, or it is another log): what
/// came of them has to go. A store that is behind the begin of the log missed records that nobody has any more; what
/// is left of the log leads to a right state only from an empty one.
catch_up_plan plan_catch_up(std::uint64_t applied, log_range log) noexcept;

/// The plan for one log class of a store. To empty a store for `rebuild`: `erase_prefix` of the keys of the class and
/// `forget` of the class in one batch, or `forget` in the last of several, so that a crash between leads to the same
/// plan again; or, where nothing else lives in the store, throw it away.
outcome<catch_up_plan> needs_catch_up(const store& s, std::string_view log_class, log_range log);

} // namespace troupe::store
