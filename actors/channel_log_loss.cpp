// A log that is damaged, and a person who wants to go on without what is lost.

#include "actors/channel_log.hpp"
#include "actors/channel_log_keys.hpp"

#include <chrono>
#include <utility>

namespace troupe {
namespace {

failure unavailable(std::string why) { return {error_code::unavailable, std::move(why), 1000}; }

std::int64_t system_time_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

} // namespace

/// For whoever cannot be served, with what can be done about it.
failure channel_log::advised(const log::fault& why) {
  const bool may_be_accepted = why.kind == log::fault_kind::damaged || why.kind == log::fault_kind::lost;
  return unavailable(why.text() + std::string{may_be_accepted ? log::accept_loss_advice : std::string_view{}});
}

/// With consent: goes on at the next segment. @returns why not
std::optional<failure> channel_log::pass_damage(log::cursor& at, bool accept_loss) {
  const auto why = at.why();
  const bool damaged = why.kind == log::fault_kind::damaged || why.kind == log::fault_kind::lost;
  if (damaged && accept_loss && at.skip_segment()) {
    losses_.push_back("passed over to the next segment: " + why.text());
    return std::nullopt;
  }
  return advised(why);
}

/// Records what was accepted to be lost. Whoever makes the index anew finds that record, and so do later starts.
std::optional<failure> channel_log::note_loss(const setup& how) {
  for (const auto& what : losses_) {
    log::record_view r;
    r.time_us = how.clock_us ? how.clock_us() : system_time_us();
    r.kind = log::record_kind::log_damaged;
    r.detail = what;
    const auto index = writer_->append(r);
    if (!index)
      return unavailable(index.error().text());
    if (const auto failed = writer_->sync())
      return unavailable(failed->text());
    changes_.put(store::key(index_tag::loss), store::u64_bytes(*index));
  }
  if (!catch_up_index())
    return unavailable("the index is behind the log: its disk has no room, or failed");
  const auto known = index_->get(store::key(index_tag::loss));
  if (!known.ok())
    return unavailable("the index: " + known.why().message);
  order_lost_before_ = known.value() ? store::u64_from(*known.value()).value_or(0) : 0;
  return std::nullopt;
}

} // namespace troupe
