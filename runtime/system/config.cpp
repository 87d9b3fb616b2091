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

/// Whether a pattern, a whole name or a prefix followed by `*`, is for this name.
bool is_for(std::string_view pattern, std::string_view name) noexcept {
  return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern;
}

/// The first pattern that is for this name, or null.
template <settings::name_pattern Pattern>
const Pattern* pattern_for(const std::vector<Pattern>& patterns, std::string_view name) noexcept {
  const auto found =
      std::find_if(patterns.begin(), patterns.end(), [&](const Pattern& p) { return is_for(p.name, name); });
  return found == patterns.end() ? nullptr : &*found;
}

template <class T>
void lay_over(T& setting, const std::optional<T>& given) {
  if (given)
    setting = *given;
}

bool has(const std::vector<std::string>& users, const std::optional<std::string>& user) noexcept {
  return users.empty() || (user && std::any_of(users.begin(), users.end(),
                                               [&](const std::string& pattern) { return is_for(pattern, *user); }));
}

} // namespace

room_settings config::rooms_section::of(std::string_view name) const {
  room_settings out = *this;
  const auto* p = pattern_for(patterns, name);
  if (p == nullptr)
    return out;
  lay_over(out.overflow, p->overflow);
  lay_over(out.ring_messages, p->ring_messages);
  lay_over(out.ring_bytes, p->ring_bytes);
  lay_over(out.ring_age, p->ring_age);
  lay_over(out.idle_timeout, p->idle_timeout);
  lay_over(out.presence_immediate_members_max, p->presence_immediate_members_max);
  lay_over(out.presence_interval, p->presence_interval);
  lay_over(out.audit, p->audit);
  lay_over(out.audit_floor, p->audit_floor);
  return out;
}

channel_settings config::channels_section::of(std::string_view name) const {
  channel_settings out = *this;
  const auto* p = pattern_for(patterns, name);
  if (p == nullptr)
    return out;
  lay_over(out.fsync, p->fsync);
  lay_over(out.overflow, p->overflow);
  lay_over(out.history_messages, p->history_messages);
  lay_over(out.history_bytes, p->history_bytes);
  lay_over(out.history_age, p->history_age);
  lay_over(out.qos_floor, p->qos_floor);
  lay_over(out.ring_messages, p->ring_messages);
  lay_over(out.ring_bytes, p->ring_bytes);
  lay_over(out.window, p->window);
  lay_over(out.redeliver_after, p->redeliver_after);
  lay_over(out.dedupe_messages, p->dedupe_messages);
  lay_over(out.idle_timeout, p->idle_timeout);
  lay_over(out.readers, p->readers);
  lay_over(out.writers, p->writers);
  lay_over(out.audit, p->audit);
  return out;
}

bool config::channels_section::may_read(std::string_view name, const std::optional<std::string>& user) const noexcept {
  const auto* p = pattern_for(patterns, name);
  return has(p != nullptr && p->readers ? *p->readers : readers, user);
}

bool config::channels_section::may_write(std::string_view name, const std::optional<std::string>& user) const noexcept {
  const auto* p = pattern_for(patterns, name);
  return has(p != nullptr && p->writers ? *p->writers : writers, user);
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
  if (settings.channels.credit_bytes < settings.websocket.max_message_bytes)
    errors.emplace_back("channels.credit_bytes: must not be below websocket.max_message_bytes");
  return errors;
}

} // namespace troupe
