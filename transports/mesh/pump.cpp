#include "transports/mesh/pump.hpp"

#include "runtime/system/metrics.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <sys/socket.h>
#include <utility>

namespace troupe::mesh {
namespace {

using outcome_of = socket_stream::outcome;

constexpr int reads_per_turn_max = 4;          // then others have their turn
constexpr std::uint64_t frame_cost_bytes = 64; // so that empty frames are not free
constexpr mono_ms watch_ms_max = 1'000;

bool is_retry(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

} // namespace

pump::pump(asio::io_context& io, std::unique_ptr<socket_stream> peer, int caf_fd, basp_rules rules,
           const pump_limits& limits, counter& pauses, std::function<mono_ms()> clock, on_end ended)
    : peer_{std::move(peer)}
    , caf_{io}
    , check_{std::move(rules)}
    , limits_{limits}
    , pauses_{pauses}
    , meter_{limits.bytes_per_second_max}
    , clock_{std::move(clock)}
    , ended_{std::move(ended)}
    , watch_{io}
    , rest_{io} {
  boost_error failed;
  caf_.assign(asio::local::stream_protocol{}, caf_fd, failed);
}

void pump::start(std::string_view early) {
  started_ = moved_ = clock_();
  watch();
  if (take(early) && write_caf())
    read_peer();
  read_caf();
}

void pump::end(std::string_view reason, std::string_view detail) {
  const auto told = std::exchange(ended_, nullptr);
  if (!told)
    return;
  boost_error ignored;
  watch_.cancel();
  rest_.cancel();
  caf_.close(ignored);
  peer_->shutdown_send();
  peer_->close();
  told(reason, detail);
}

// -- from the peer to CAF

bool pump::take(std::string_view bytes) {
  const auto why = check_.take(bytes, to_caf_);
  const auto frames = check_.frames() - std::exchange(frames_, check_.frames());
  meter_.spend(bytes.size() + frames * frame_cost_bytes, clock_());
  if (!why)
    return true;
  end("frame_" + std::string{to_string(*why)}, "a frame that no node sends");
  return false;
}

/// Reads while CAF takes it; the one who runs into a limit waits and calls again.
void pump::read_peer() {
  for (int i = 0; i < reads_per_turn_max && !ended(); ++i) {
    if (const auto ms = meter_.wait_ms(clock_()); ms > 0)
      return rest(ms);
    const auto into = socket_stream::loop_buffer();
    const auto got = peer_->receive(into);
    if (got.what == outcome_of::would_block && got.bytes == 0)
      break;
    if (got.bytes == 0)
      return end("peer_closed", got.what == outcome_of::end ? "" : "the connection was lost");
    if (!take({into.data(), got.bytes}) || !write_caf())
      return;
  }
  if (!ended())
    peer_->wait_readable([self = shared_from_this()](bool) { self->read_peer(); });
}

void pump::rest(mono_ms ms) {
  pauses_.add();
  rest_.expires_after(std::chrono::milliseconds{ms});
  rest_.async_wait([weak = weak_from_this()](const boost_error& failed) {
    if (const auto self = weak.lock(); self && !failed)
      self->read_peer();
  });
}

/// @returns whether CAF took all; else it goes on by itself when there is room, and reading after it
bool pump::write_caf() {
  while (!to_caf_.empty()) {
    const auto sent = ::send(caf_.native_handle(), to_caf_.data(), to_caf_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      to_caf_.erase(0, static_cast<std::size_t>(sent));
      continue;
    }
    if (sent < 0 && is_retry(errno))
      caf_.async_wait(local_socket::wait_write, [self = shared_from_this()](const boost_error&) {
        if (!self->ended() && self->write_caf())
          self->read_peer();
      });
    else
      end("local_closed", "CAF closed its side");
    return false;
  }
  return true;
}

// -- from CAF to the peer

void pump::read_caf() {
  for (int i = 0; i < reads_per_turn_max && !ended(); ++i) {
    const auto into = socket_stream::loop_buffer();
    const auto got = ::recv(caf_.native_handle(), into.data(), into.size(), MSG_DONTWAIT);
    if (got < 0 && is_retry(errno))
      break;
    if (got <= 0)
      return end("local_closed", "CAF closed its side");
    trim_.take({into.data(), static_cast<std::size_t>(got)}, to_peer_);
    moved_ = clock_();
    write_peer();
    if (!to_peer_.empty() || peer_->holds_output())
      return; // `write_peer` reads on
  }
  if (!ended())
    caf_.async_wait(local_socket::wait_read, [self = shared_from_this()](const boost_error&) {
      if (!self->ended())
        self->read_caf();
    });
}

void pump::write_peer() {
  const iovec part{to_peer_.data(), to_peer_.size()};
  const auto sent = peer_->send({&part, to_peer_.empty() ? std::size_t{0} : std::size_t{1}});
  if (sent.what == outcome_of::failed || sent.what == outcome_of::end)
    return end("peer_closed", "the connection was lost");
  to_peer_.erase(0, sent.bytes);
  if (sent.bytes > 0)
    moved_ = clock_();
  if (to_peer_.empty() && !peer_->holds_output())
    return;
  peer_->wait_writable([self = shared_from_this()](bool) {
    if (self->ended())
      return;
    self->write_peer();
    if (!self->ended() && self->to_peer_.empty() && !self->peer_->holds_output())
      self->read_caf();
  });
}

// -- time

void pump::watch() {
  const auto shortest = std::min({limits_.handshake_ms_max, limits_.stall_ms_max, watch_ms_max});
  watch_.expires_after(std::chrono::milliseconds{shortest});
  watch_.async_wait([weak = weak_from_this()](const boost_error& failed) {
    const auto self = weak.lock();
    if (!self || failed || self->ended())
      return;
    const auto now = self->clock_();
    if (!self->check_.greeted() && now - self->started_ >= self->limits_.handshake_ms_max)
      return self->end("timeout", "its handshake with CAF took too long");
    const bool waits = !self->to_peer_.empty() || self->peer_->holds_output();
    if (waits && now - self->moved_ >= self->limits_.stall_ms_max)
      return self->end("stalled", "it took nothing for too long");
    self->watch();
  });
}

} // namespace troupe::mesh
