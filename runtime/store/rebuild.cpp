#include "runtime/store/rebuild.hpp"

namespace troupe::store {

catch_up_plan plan_catch_up(std::uint64_t applied, log_range log) noexcept {
  if (applied > log.end)
    return {catch_up::rebuild, log, applied};
  if (applied == log.end)
    return {catch_up::nothing, {log.end, log.end}, applied};
  // An empty store needs no emptying, wherever the log begins.
  if (applied < log.begin)
    return {applied == 0 ? catch_up::apply : catch_up::rebuild, log, applied};
  return {catch_up::apply, {applied, log.end}, applied};
}

outcome<catch_up_plan> needs_catch_up(const store& s, std::string_view log_class, log_range log) {
  const auto applied = s.applied(log_class);
  if (!applied.ok())
    return applied.why();
  return plan_catch_up(applied.value(), log);
}

} // namespace troupe::store
