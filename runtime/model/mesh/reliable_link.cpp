#include "runtime/model/mesh/reliable_link.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace troupe::mesh {
namespace {

// A frame is a kind of one byte and numbers of eight, the highest byte first; a batch's own bytes are the rest.
enum class kind : std::uint8_t { hello = 1, batch = 2, ack = 3, answer = 4 };

constexpr std::size_t number_bytes = 8;

void put(std::string& out, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(number >> shift));
}

std::uint64_t number_at(std::string_view frame, std::size_t index) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < number_bytes; ++i)
    number = number << 8 | static_cast<unsigned char>(frame[1 + index * number_bytes + i]);
  return number;
}

} // namespace

struct reliable_link::fields {
  std::uint64_t session = 0; ///< Of a hello: the sender's.
  bool asks = false;         ///< Of a hello: whoever is open already answers it.
  std::uint64_t known = 0;   ///< Of a hello: the receiver's session, as the sender knows it; 0: not at all.
  std::uint64_t number = 0;  ///< Of a batch.
  std::uint64_t last = 0;    ///< The last number that the sender has received.
  grant credit;
  std::string_view bytes; ///< Of a batch.
};

reliable_link::reliable_link(const link_limits& limits, draw_session draw)
    : limits_{limits}
    , draw_{std::move(draw)}
    , session_{draw_()} {}

// -- the connection below

void reliable_link::connected(mono_ms now) {
  cut(now);
  phase_ = phase::greeting;
  greet_ = true;
  answers_ = false;
}

void reliable_link::cut(mono_ms now) {
  cut_since_ = cut_since_.value_or(now);
  phase_ = phase::cut;
  greet_ = false;
  ack_at_.reset();
}

/// Both directions start from nothing, under a new session.
void reliable_link::begin_anew() {
  session_ = draw_();
  established_ = false;
  window_.clear();
  window_bytes_ = 0;
  first_ = next_ = 1;
  sent_ = 0;
  offered_bytes_ = 0;
  pressed_since_.reset();
  hear_peer(0);
}

/// The peer's stream begins.
void reliable_link::hear_peer(std::uint64_t peer) {
  peer_ = peer;
  ++stream_;
  credit_ = {};
  received_ = received_bytes_ = consumed_ = consumed_bytes_ = 0;
  told_ = told_bytes_ = 0;
  told_grant_ = {};
  ack_at_.reset();
}

// -- sending

bool reliable_link::roomy(std::size_t bytes) const noexcept {
  return window_.empty() ||
         (window_.size() < limits_.window_batches_max && window_bytes_ + bytes <= limits_.window_bytes_max);
}

reliable_link::offered reliable_link::offer(std::string batch, mono_ms now) {
  assert(!batch.empty());
  if (batch.size() > limits_.batch_bytes_max)
    return offered::too_large;
  if (!roomy(batch.size())) {
    pressed_since_ = pressed_since_.value_or(now);
    return offered::pressed;
  }
  const auto bytes = batch.size();
  window_.push_back({std::move(batch), offered_bytes_});
  offered_bytes_ += bytes;
  window_bytes_ += bytes;
  return offered::queued;
}

/// One batch may pass the granted bytes: whoever has any credit can send whatever comes next, and nothing gets stuck.
bool reliable_link::may_send() const noexcept {
  const auto index = next_ - first_;
  if (index >= window_.size() || next_ > credit_.batches || window_[index].begin >= credit_.bytes)
    return false;
  const auto flight = window_[index].begin - window_.front().begin;
  return flight == 0 || flight + window_[index].bytes.size() <= limits_.flight_bytes_max;
}

reliable_link::grant reliable_link::granting() const noexcept {
  return {consumed_ + limits_.receive_batches_max, consumed_bytes_ + limits_.receive_bytes_max};
}

bool reliable_link::ack_due(mono_ms now) const noexcept {
  if (received_ - told_ >= limits_.ack_batches_max || received_bytes_ - told_bytes_ >= limits_.ack_bytes_max)
    return true;
  if (ack_at_ && *ack_at_ <= now)
    return true;
  // The peer may be waiting for credit: half of a window is worth a frame.
  const auto fresh = granting();
  return 2 * (fresh.batches - told_grant_.batches) >= limits_.receive_batches_max ||
         2 * (fresh.bytes - told_grant_.bytes) >= limits_.receive_bytes_max;
}

void reliable_link::put_ack(std::string& out) {
  told_ = received_;
  told_bytes_ = received_bytes_;
  told_grant_ = granting();
  ack_at_.reset();
  put(out, told_);
  put(out, told_grant_.batches);
  put(out, told_grant_.bytes);
}

bool reliable_link::next_frame(std::string& out, mono_ms now) {
  out.clear();
  if (greet_) {
    greet_ = false;
    out.push_back(static_cast<char>(answers_ ? kind::answer : kind::hello));
    put(out, session_);
    put(out, peer_);
    put_ack(out);
    return true;
  }
  if (phase_ != phase::open)
    return false;
  if (may_send()) {
    const auto& bytes = window_[next_ - first_].bytes;
    out.reserve(1 + 4 * number_bytes + bytes.size());
    out.push_back(static_cast<char>(kind::batch));
    put(out, next_);
    sent_ = std::max(sent_, next_++);
    put_ack(out);
    out += bytes;
    return true;
  }
  if (!ack_due(now))
    return false;
  out.push_back(static_cast<char>(kind::ack));
  put_ack(out);
  return true;
}

// -- receiving

reliable_link::received reliable_link::receive(std::string_view frame, mono_ms now) {
  const auto broken = [](const char* why) { return received{arrival::broken, {}, 0, why, 0}; };
  if (phase_ == phase::cut)
    return {};
  if (frame.empty())
    return broken("an empty frame");
  const auto what = static_cast<kind>(frame[0]);
  if (what < kind::hello || what > kind::answer)
    return broken("a frame of an unknown kind");
  const bool greets = what == kind::hello || what == kind::answer;
  const std::size_t own = greets ? 2 : what == kind::batch ? 1 : 0;
  const auto head = 1 + (own + 3) * number_bytes;
  if (what == kind::batch ? frame.size() <= head : frame.size() != head)
    return broken("a frame of the wrong length");
  fields f;
  if (greets) {
    f.session = number_at(frame, 0);
    f.known = number_at(frame, 1);
  } else if (what == kind::batch) {
    f.number = number_at(frame, 0);
  }
  f.last = number_at(frame, own);
  f.credit = {number_at(frame, own + 1), number_at(frame, own + 2)};
  f.bytes = frame.substr(head);
  if (greets) {
    f.asks = what == kind::hello;
    return take_hello(f, now);
  }
  if (phase_ != phase::open)
    return {}; // of the connection before, or sent to a session that is over: it will be sent again, or is lost
  if (const auto* why = take_ack(f))
    return broken(why);
  return what == kind::batch ? take_batch(f, now) : received{};
}

reliable_link::received reliable_link::take_hello(const fields& f, mono_ms now) {
  const auto broken = [](const char* why) { return received{arrival::broken, {}, 0, why, 0}; };
  if (f.session == 0)
    return broken("a greeting without a session");
  received result;
  if (f.session != peer_) {
    if (phase_ == phase::open)
      phase_ = phase::greeting;
    if (established_) {
      result = {arrival::lost, {}, 0, "", window_.size()};
      begin_anew();
    }
    hear_peer(f.session);
    greet_ = true; // the peer must learn that we know it
    answers_ = false;
  }
  if (f.known != session_) {
    // It has not heard of our session yet; what it will say next answers the greeting that is on its way.
    return established_ ? broken("a greeting to a session that was never ours") : result;
  }
  if (const auto* why = take_ack(f))
    return broken(why);
  if (phase_ == phase::open && f.asks)
    greet_ = answers_ = true; // its connection is new, and ours is not: it has dropped what we sent in between
  if (phase_ == phase::greeting || f.asks) {
    next_ = first_; // whatever the peer has not acknowledged goes again
    if (pressed_since_)
      pressed_since_ = now; // it is not slow because it was away
  }
  phase_ = phase::open;
  established_ = true;
  cut_since_.reset();
  return result;
}

const char* reliable_link::take_ack(const fields& f) {
  if (const auto* why = acknowledge(f.last))
    return why;
  credit_.batches = std::max(credit_.batches, f.credit.batches);
  credit_.bytes = std::max(credit_.bytes, f.credit.bytes);
  return nullptr;
}

const char* reliable_link::acknowledge(std::uint64_t last) {
  if (last > sent_)
    return "an acknowledgement of what was never sent";
  while (first_ <= last) {
    window_bytes_ -= window_.front().bytes.size();
    window_.pop_front();
    ++first_;
  }
  next_ = std::max(next_, first_);
  relieve();
  return nullptr;
}

/// Half of the bounds, not one place: a peer that lets a drop through now and then is as slow as one that does not.
void reliable_link::relieve() noexcept {
  if (2 * window_.size() <= limits_.window_batches_max && 2 * window_bytes_ <= limits_.window_bytes_max)
    pressed_since_.reset();
}

reliable_link::received reliable_link::take_batch(const fields& f, mono_ms now) {
  const auto broken = [](const char* why) { return received{arrival::broken, {}, 0, why, 0}; };
  if (f.number <= received_)
    return {};
  if (f.number != received_ + 1)
    return broken("a batch too far ahead");
  if (f.bytes.size() > limits_.batch_bytes_max)
    return broken("a batch of too many bytes");
  if (f.number > told_grant_.batches || received_bytes_ >= told_grant_.bytes)
    return broken("a batch without credit");
  ++received_;
  received_bytes_ += f.bytes.size();
  if (!ack_at_)
    ack_at_ = now + limits_.ack_delay_ms;
  return {arrival::batch, f.bytes, stream_, "", 0};
}

void reliable_link::consumed(std::uint64_t stream, std::size_t bytes) {
  if (stream != stream_)
    return;
  assert(consumed_ < received_ && consumed_bytes_ + bytes <= received_bytes_);
  ++consumed_;
  consumed_bytes_ += bytes;
}

// -- time

reliable_link::overdue reliable_link::check(mono_ms now) {
  if (pressed_since_ && phase_ != phase::cut && now - *pressed_since_ >= limits_.slow_ms_max) {
    begin_anew();
    cut(now);
    return overdue::slow;
  }
  if (cut_since_ && now - *cut_since_ >= limits_.resume_ms_max && (established_ || !window_.empty())) {
    begin_anew();
    cut_since_ = now;
    greet_ = phase_ == phase::greeting; // what was said last is not true any more
    return overdue::expired;
  }
  return overdue::nothing;
}

std::optional<mono_ms> reliable_link::next_deadline() const noexcept {
  std::optional<mono_ms> next;
  const auto consider = [&](mono_ms at) { next = next ? std::min(*next, at) : at; };
  if (phase_ == phase::open && ack_at_)
    consider(*ack_at_);
  if (phase_ != phase::cut && pressed_since_)
    consider(*pressed_since_ + limits_.slow_ms_max);
  if (cut_since_ && (established_ || !window_.empty()))
    consider(*cut_since_ + limits_.resume_ms_max);
  return next;
}

} // namespace troupe::mesh
