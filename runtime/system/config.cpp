#include "runtime/system/config.hpp"

#include "runtime/system/config_keys.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <sched.h>

namespace troupe {

namespace {

std::size_t cores() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0)
    return 1;
  return std::max<std::size_t>(1, static_cast<std::size_t>(CPU_COUNT(&set)));
}

/// The policy with this name, which has been checked.
troupe::overflow overflow_named(std::string_view name) {
  const auto found = std::find_if(std::begin(settings::overflows), std::end(settings::overflows),
                                  [&](overflow o) { return to_string(o) == name; });
  return found == std::end(settings::overflows) ? overflow::disconnect : *found;
}

} // namespace

bool room_pattern::matches(std::string_view room) const noexcept {
  if (!name.empty() && name.back() == '*')
    return room.substr(0, name.size() - 1) == std::string_view{name}.substr(0, name.size() - 1);
  return room == name;
}

room_settings config::rooms_section::of(std::string_view name) const {
  room_settings out{overflow_named(overflow),       ring_messages,    ring_bytes, ring_age, idle_timeout,
                    presence_immediate_members_max, presence_interval};
  const auto found = std::find_if(patterns.begin(), patterns.end(), [&](const auto& p) { return p.matches(name); });
  if (found == patterns.end())
    return out;
  out.overflow = overflow_named(found->overflow.value_or(overflow));
  out.ring_messages = found->ring_messages.value_or(out.ring_messages);
  out.ring_bytes = found->ring_bytes.value_or(out.ring_bytes);
  out.ring_age = found->ring_age.value_or(out.ring_age);
  out.idle_timeout = found->idle_timeout.value_or(out.idle_timeout);
  out.presence_immediate_members_max =
      found->presence_immediate_members_max.value_or(out.presence_immediate_members_max);
  out.presence_interval = found->presence_interval.value_or(out.presence_interval);
  return out;
}

std::size_t loop_count(const config& settings) noexcept { return settings.loops != 0 ? settings.loops : cores(); }

std::size_t scheduler_threads(const config& settings) noexcept {
  return settings.scheduler.threads != 0 ? settings.scheduler.threads : std::max<std::size_t>(2, cores());
}

std::optional<listen_address> parse_listen_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return {};
  listen_address out;
  const auto digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size())
    return {};
  auto host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed)
    host = host.substr(1, host.size() - 2);
  out.host = host.empty() ? "0.0.0.0" : std::string{host};
  unsigned char bytes[16];
  if (inet_pton(bracketed ? AF_INET6 : AF_INET, out.host.c_str(), bytes) != 1)
    return {};
  return out;
}

config_errors check_config(const config& settings) {
  config_errors errors;
  if (settings.tls.certificate.empty() != settings.tls.key.empty())
    errors.emplace_back("tls.certificate and tls.key: need each other, but only one is set");
  if (settings.supervision.backoff_min > settings.supervision.backoff_max)
    errors.emplace_back("supervision.backoff_min: must not be above supervision.backoff_max");
  if (settings.websocket.max_frame_bytes > settings.websocket.max_message_bytes)
    errors.emplace_back("websocket.max_frame_bytes: must not be above websocket.max_message_bytes");
  if (settings.limits.outbox_bytes < settings.websocket.max_message_bytes)
    errors.emplace_back("limits.outbox_bytes: must not be below websocket.max_message_bytes");
  if (settings.limits.park_bytes < settings.websocket.max_message_bytes)
    errors.emplace_back("limits.park_bytes: must not be below websocket.max_message_bytes");
  if (settings.rooms.credit_bytes < settings.websocket.max_message_bytes)
    errors.emplace_back("rooms.credit_bytes: must not be below websocket.max_message_bytes");
  return errors;
}

} // namespace troupe
