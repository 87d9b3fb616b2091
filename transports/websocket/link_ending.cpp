// How a link ends, and the deadlines that end it.

#include "transports/websocket/link.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace troupe::websocket {

// -- ending

void link::close(close_code code, std::string_view reason) {
  if (state_ != state::open)
    return;
  const auto in = std::move(in_); // no call reaches it any more
  begin_close(code, reason);
}

void link::close_when_sent(close_code code, std::string_view reason) {
  if (state_ != state::open)
    return;
  const auto in = std::move(in_);
  begin_close(code, reason, true);
}

/// The frame in progress or all that was taken, then the close frame, then FIN; the peer has five seconds for its own.
void link::begin_close(close_code code, std::string_view reason, bool all_taken) {
  if (!send_preface())
    return finish(true);
  state_ = state::closing;
  paused_ = false;
  std::string{}.swap(carry_);
  const auto at = all_taken ? out_.size() : split_at_boundary();
  out_.erase(out_.begin() + static_cast<std::ptrdiff_t>(at), out_.end());
  auto frame = std::make_shared<std::string>();
  append_close_frame(*frame, code, reason);
  if (at == 0)
    front_frame_ = frame->data();
  out_.push_back({{frame, *frame}, segment_kind::close});
  linger_until_ms_ = loop_.now() + limits::linger_ms_max;
  loop_.arm(*this, limits::linger_ms_max);
  if (!write_pending_) {
    if (!flush())
      return finish(true);
    if (out_.empty() && !stream_->holds_output())
      all_sent();
  }
  read_later(); // and throw away: closing over unread input would be a reset that eats the close frame
}

/// The close frame is out.
void link::all_sent() {
  sent_fin_ = true;
  stream_->shutdown_send();
  if (peer_ended_)
    finish(false);
}

void link::finish(bool hard) {
  if (state_ == state::gone)
    return;
  state_ = state::gone;
  if (settings_->open)
    settings_->open->fetch_sub(1, std::memory_order_relaxed);
  loop_.disarm(*this);
  std::vector<segment>{}.swap(out_);
  if (hard)
    stream_->reset();
  else
    stream_->close();
  seat_.reset();
}

// -- deadlines

/// One timer for all: it fires at the earliest deadline as it stood when armed, and looks again.
void link::arm_deadline() {
  if (state_ != state::open)
    return;
  constexpr mono_ms never = std::numeric_limits<mono_ms>::max();
  mono_ms due = never;
  if (settings_->heartbeat_ms > 0)
    due = heard_ms_ + (pinged_ ? 2 : 1) * settings_->heartbeat_ms;
  if (settings_->idle_ms > 0)
    due = std::min(due, message_ms_ + settings_->idle_ms);
  if (assembly_ms_ != 0)
    due = std::min(due, assembly_ms_ + settings_->assembly_ms);
  if (due != never)
    loop_.arm(*this, std::max<mono_ms>(due - loop_.now(), 0));
}

void link::fired() {
  const auto self = shared_from_this();
  const auto now = loop_.now();
  if (state_ == state::closing)
    return finish(true); // lingered long enough
  if (state_ == state::gone)
    return;
  if (paused_) { // deadlines stand still
    loop_.arm(*this, 1000);
    return;
  }
  if (assembly_ms_ != 0 && now - assembly_ms_ >= settings_->assembly_ms) {
    if (settings_->hit_limit)
      settings_->hit_limit("message_timeout");
    return fail(close_code::protocol_error, "a message took too long to arrive: send its frames sooner");
  }
  if (settings_->idle_ms > 0 && now - message_ms_ >= settings_->idle_ms)
    return fail(close_code::going_away, "idle: no message came for too long, come back when there is one");
  if (settings_->heartbeat_ms > 0) {
    if (now - heard_ms_ >= 2 * settings_->heartbeat_ms)
      return fail(close_code::heartbeat_missed, default_reason(close_code::heartbeat_missed));
    if (!pinged_ && now - heard_ms_ >= settings_->heartbeat_ms) {
      pinged_ = true;
      send_control(segment_kind::ping, {});
    }
  }
  arm_deadline();
}

} // namespace troupe::websocket
