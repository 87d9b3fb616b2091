// A log that is damaged, and a person who wants to go on without what is lost.

#include "actors/channel_log.hpp"
#include "actors/channel_log_keys.hpp"
#include "actors/inbox_name.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
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
  if (!damaged || !at.skip_segment())
    return unavailable(why.text());
  if (!accept_loss)
    return advised(why);
  if (const auto failed = writer_->note_loss({"passed over to the next segment: " + why.text()}))
    return unavailable(failed->text());
  return std::nullopt;
}

/// Records what was accepted to be lost. Whoever makes the index anew finds that record, and so do later starts.
std::optional<failure> channel_log::note_loss(const setup& how) {
  for (const auto& loss : losses()) {
    const auto index = writer_->append(log::record_of(loss, how.clock_us ? how.clock_us() : system_time_us()));
    if (!index)
      return unavailable(index.error().text());
    if (loss.breaks_order)
      changes_.put(store::key(index_tag::loss), store::u64_bytes(*index));
  }
  if (!losses().empty()) {
    auto failed = writer_->sync();
    if (!failed)
      failed = writer_->losses_are_recorded();
    if (failed)
      return unavailable(failed->text());
  }
  if (!catch_up_index())
    return unavailable("the index is behind the log: its disk has no room, or failed");
  const auto known = index_->get(store::key(index_tag::loss));
  if (!known.ok())
    return unavailable("the index: " + known.why().message);
  order_lost_before_ = known.value() ? store::u64_from(*known.value()).value_or(0) : 0;
  return std::nullopt;
}

/// How many messages of an inbox nobody has acknowledged, as far as the index knows.
std::uint64_t channel_log::unacknowledged(std::string_view inbox, std::string_view epoch) const {
  const auto newest = run_before(inbox, epoch, std::numeric_limits<std::uint64_t>::max());
  const auto position = index_->get(position_key(inbox, channel_home::durable_key({}, inbox_durable)));
  if (!newest.ok() || !newest.value() || !position.ok())
    return 0;
  const auto upto = position.value() ? position_from(*position.value()) : std::pair{std::uint64_t{0}, epoch};
  return newest.value()->last - (upto.second == epoch ? std::min(upto.first, newest.value()->last) : 0);
}

} // namespace troupe
