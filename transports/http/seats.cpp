#include "transports/http/seats.hpp"

namespace troupe::http {

void seats::set_limits(const limits& to) {
  std::lock_guard guard{lock_};
  limits_ = to;
}

std::shared_ptr<void> seats::take(const std::optional<ip_address>& address, mono_ms now, std::string_view& refused) {
  {
    std::lock_guard guard{lock_};
    forget_idle(now);
    if (open_ >= limits_.connections) {
      refused = "connections";
      return nullptr;
    }
    if (address) {
      auto& mine = by_address_[*address];
      if (mine.open >= limits_.per_address) {
        refused = "connections_per_address";
        return nullptr;
      }
      if (limits_.handshakes_per_address.limited()) {
        if (now - mine.window_ms >= limits_.handshakes_per_address.per.count()) {
          mine.window_ms = now;
          mine.handshakes = 0;
        }
        if (mine.handshakes >= limits_.handshakes_per_address.count) {
          refused = "handshake_rate_per_address";
          return nullptr;
        }
        ++mine.handshakes;
      }
      ++mine.open;
    }
    ++open_;
  }
  // The pointer owns nothing but the place: its deleter gives it back.
  return {this, [self = shared_from_this(), address](void*) { self->release(address); }};
}

void seats::release(const std::optional<ip_address>& address) noexcept {
  std::lock_guard guard{lock_};
  --open_;
  if (!address)
    return;
  const auto found = by_address_.find(*address);
  if (--found->second.open == 0 && !limits_.handshakes_per_address.limited())
    by_address_.erase(found);
}

/// Addresses without connections are kept only for their handshake window.
void seats::forget_idle(mono_ms now) {
  const auto span = limits_.handshakes_per_address.per.count();
  if (now - swept_ms_ < span)
    return;
  swept_ms_ = now;
  std::erase_if(by_address_, [&](const auto& e) { return e.second.open == 0 && now - e.second.window_ms >= span; });
}

} // namespace troupe::http
