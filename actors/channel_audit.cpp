#include "actors/channel_audit.hpp"

#include "actors/answers.hpp"
#include "actors/message_record.hpp"

namespace troupe {

void channel_audit::add(log::record_kind kind, const sender& who, std::string_view epoch, std::uint64_t offset,
                        std::string_view durable, std::string_view detail) {
  log::record_view r;
  r.time_us = now_ * 1000;
  r.kind = kind;
  r.channel = channel_;
  set_sender(r, who);
  r.epoch = epoch;
  r.offset = offset;
  r.durable = durable.substr(durable.find('\0') + 1); // the user is known; npos + 1 is 0
  r.detail = detail;
  into_.add(r, audit_level::metadata);
}

void channel_audit::subscribed(const sender& who, std::string_view epoch, std::uint64_t offset,
                               std::string_view durable) {
  add(log::record_kind::channel_subscribed, who, epoch, offset, durable, {});
}

void channel_audit::unsubscribed(const sender& who, std::string_view epoch, std::uint64_t offset,
                                 std::string_view durable, std::string_view why) {
  add(log::record_kind::channel_unsubscribed, who, epoch, offset, durable, why);
}

void channel_audit::read(const sender& who, std::string_view epoch, std::uint64_t offset, const room_request& asked) {
  value what = {{"limit", std::uint64_t{asked.limit}}, {"reverse", asked.reverse}};
  if (asked.since)
    what.set("since", value{{"epoch", asked.since->epoch}, {"offset", asked.since->seq}});
  add(log::record_kind::channel_read, who, epoch, offset, {}, json_of(what));
}

} // namespace troupe
