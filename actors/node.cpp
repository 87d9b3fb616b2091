#include "actors/node.hpp"

#include "actors/answers.hpp"
#include "actors/audit_trail.hpp"
#include "actors/egress.hpp"
#include "runtime/system/clocks.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>
#include <chrono>
#include <random>

namespace troupe {
namespace {

constexpr mono_ms tell_every_ms = 1000;
constexpr std::size_t told_max = 4096; // limits and who hit them, within a second

std::string random_text(std::size_t length) {
  static constexpr char digits[] = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford's base32
  std::string text;
  while (text.size() < length)
    for (auto bits = local_node::random_bits(); text.size() < length && bits != 0; bits >>= 5)
      text += digits[bits & 31];
  return text;
}

template <class Clock>
std::int64_t milliseconds_of(typename Clock::time_point t) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(t.time_since_epoch()).count();
}

} // namespace

node_counts::node_counts(metrics& m)
    : received(m.counter("troupe_messages_received_total", "Messages that clients have sent."))
    , bad_messages(m.counter("troupe_bad_messages_total", "Messages that were answered with bad_message."))
    , rate_limited(m.counter("troupe_rate_limited_total", "Messages refused by limits.message_rate."))
    , handler_failures(m.counter("troupe_handler_failures_total", "Handlers that threw."))
    , room_restarts(m.counter("troupe_supervisor_restarts_total", "Restarts by a supervisor.", {{"child", "room"}}))
    , transport_restarts(
          m.counter("troupe_supervisor_restarts_total", "Restarts by a supervisor.", {{"child", "transport"}}))
    , dropped(m.counter("troupe_outbox_dropped_total", "Messages dropped by the policies of full outboxes."))
    , conflated(m.counter("troupe_outbox_conflated_total", "Messages replaced by newer ones of their key."))
    , expired(m.counter("troupe_outbox_expired_total", "Messages not sent since their ttl_ms was over."))
    , parked(m.counter("troupe_parked_total", "Messages that waited for credit of their room."))
    , resumed(m.counter("troupe_sessions_resumed_total", "Sessions that went on with another connection."))
    , opened(m.counter("troupe_connections_opened_total", "Connections since the start."))
    , connections(m.gauge("troupe_connections", "Connections, those waiting for a resume included."))
    , detached(m.gauge("troupe_connections_detached", "Connections that wait for their client to come back."))
    , rooms(m.gauge("troupe_rooms", "Rooms that are awake."))
    , channels(m.gauge("troupe_channels", "Channels that are awake."))
    , log_records(m.gauge("troupe_log_records", "Records that the log of channels has had."))
    , audit_records(m.gauge("troupe_audit_records", "Records that the audit log has had."))
    , audit_dropped(m.counter("troupe_audit_dropped_total", "Audit records that were not written.")) {}

local_node::local_node(config what, metrics& all, logger& lines, authenticator& who)
    : settings(std::move(what))
    , numbers(all)
    , log(lines)
    , identities(who)
    , counts(all)
    , name(settings.node.name)
    , mono_clock([] { return milliseconds_of<std::chrono::steady_clock>(std::chrono::steady_clock::now()); })
    , wall_clock(&calm_wall) {
  outbox_bounds.messages_max = settings.limits.outbox_messages;
  outbox_bounds.bytes_max = settings.limits.outbox_bytes;
  outbox_bounds.control_messages_max = settings.limits.control_messages;
}

slice local_node::encode(std::uint8_t encoder, const message& m) {
  auto bytes = std::make_shared<std::string>();
  wire::encoder_at(encoder).append(*bytes, m, {});
  const std::string_view view = *bytes;
  return {std::move(bytes), view};
}

void local_node::write_to(egress& out, const message& m) const { out.offer({.data = encode(out.encoder(), m)}); }

void local_node::write_error(egress& out, std::string_view id, const failure& why) const {
  if (out.attached())
    write_to(out, *plain_message("error", id, target_kind::none, {}, failure_payload(why)));
}

void local_node::count_pressure(std::string_view reason) {
  numbers.counter("troupe_backpressure_total", "Limits that were hit, by reason.", {{"reason", std::string{reason}}})
      .add();
}

/// Whether this was not told within the last second. Of more things than fit into memory nothing is told.
bool local_node::may_tell(std::string what) {
  const auto now = mono_clock();
  std::lock_guard guard{told_lock_};
  if (now - told_swept_ >= tell_every_ms) {
    std::erase_if(told_, [&](const auto& entry) { return now - entry.second >= tell_every_ms; });
    told_swept_ = now;
  }
  const auto known = told_.find(what);
  if (known == told_.end())
    return told_.size() < told_max && told_.emplace(std::move(what), now).second;
  if (now - known->second < tell_every_ms)
    return false;
  known->second = now;
  return true;
}

void local_node::pressure(std::string_view reason, std::string_view subject) {
  count_pressure(reason);
  if (may_tell(std::string{reason} + '\n' + std::string{subject}))
    tell_event("backpressure", subject, reason);
}

void local_node::pressure_at_door(std::string_view reason, std::string_view subject) {
  count_pressure(reason);
  if (may_tell(std::string{reason}))
    tell_event("backpressure", subject, reason);
}

void local_node::tell_event(std::string_view kind, std::string_view subject, std::string_view detail) {
  log.debug("event", "kind={} subject={} detail={}", kind, subject, detail);
  if (audit != nullptr)
    audit->event(kind, subject, detail);
  std::vector<std::function<void(const event&)>> sinks;
  {
    std::lock_guard guard{sinks_lock_};
    sinks = sinks_;
  }
  const event e{std::string{kind}, std::string{subject}, std::string{detail}, wall_clock()};
  for (const auto& sink : sinks) {
    try {
      sink(e);
    } catch (const std::exception& thrown) {
      log.warn("event_sink_failed", "kind={} error={}", kind, thrown.what());
    } catch (...) {
      log.warn("event_sink_failed", "kind={} error=unknown", kind);
    }
  }
}

void local_node::on_event(std::function<void(const event&)> sink) {
  std::lock_guard guard{sinks_lock_};
  sinks_.push_back(std::move(sink));
}

std::variant<identity, failure> local_node::verify(std::string_view token) const {
  if (!admin_token.empty() && token.size() == admin_token.size() &&
      CRYPTO_memcmp(token.data(), admin_token.data(), token.size()) == 0) {
    identity admin;
    admin.rights = caps::all();
    admin.admin = true;
    return admin;
  }
  return identities.verify(token, system_wall());
}

std::string local_node::new_epoch() { return random_text(10); }

std::string local_node::new_connection_id() { return random_text(13); }

std::uint64_t local_node::random_bits() {
  // RAND_bytes costs half a microsecond a call, so a thread asks for many at once.
  thread_local std::array<std::uint64_t, 32> pool;
  thread_local std::size_t left = 0;
  if (left == 0) {
    if (RAND_bytes(reinterpret_cast<unsigned char*>(pool.data()), sizeof pool) != 1)
      throw std::runtime_error{"no random numbers"};
    left = pool.size();
  }
  return std::exchange(pool[--left], 0);
}

} // namespace troupe
