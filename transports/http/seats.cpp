#include "transports/http/seats.hpp"

namespace troupe::http {

void seats::set_limits(const limits& to) {
  std::lock_guard guard{lock_};
  limits_ = to;
}

std::shared_ptr<void> seats::take(const std::optional<ip_address>& address, mono_ms now, seat_refusal& refused) {
  {
    std::lock_guard guard{lock_};
    forget_idle(now);
    refused = open_ >= limits_.connections ? seat_refusal{"connections"}
              : address                    ? enter(*address, true, now)
                                           : seat_refusal{};
    if (!refused.limit.empty())
      return nullptr;
    ++open_;
  }
  // The pointer owns nothing but the place: its deleter gives it back.
  return {this, [self = shared_from_this(), address](void*) {
            std::lock_guard guard{self->lock_};
            --self->open_;
            if (address)
              self->leave(*address);
          }};
}

std::shared_ptr<void> seats::take_by_address(const ip_address& address, bool handshake, mono_ms now,
                                             seat_refusal& refused) {
  {
    std::lock_guard guard{lock_};
    forget_idle(now);
    refused = enter(address, handshake, now);
    if (!refused.limit.empty())
      return nullptr;
  }
  return {this, [self = shared_from_this(), address](void*) {
            std::lock_guard guard{self->lock_};
            self->leave(address);
          }};
}

seat_refusal seats::enter(const ip_address& address, bool handshake, mono_ms now) {
  auto& mine = by_address_[address];
  if (mine.open >= limits_.per_address)
    return {"connections_per_address"};
  const auto& allowed = limits_.handshakes_per_address;
  if (handshake && allowed.limited()) {
    if (now - mine.window_ms >= allowed.per.count()) {
      mine.window_ms = now;
      mine.handshakes = 0;
    }
    if (mine.handshakes >= allowed.count)
      return {"handshake_rate_per_address", mine.window_ms + allowed.per.count() - now};
    ++mine.handshakes;
  }
  ++mine.open;
  return {};
}

void seats::leave(const ip_address& address) noexcept {
  const auto found = by_address_.find(address);
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
