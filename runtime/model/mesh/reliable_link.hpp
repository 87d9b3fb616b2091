#pragma once

#include "runtime/model/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::mesh {

/// The bounds of a link to a peer. What a link holds is at most `window_bytes_max` and one batch for sending, and what
/// is below it at most `flight_bytes_max` or one batch; what it lets the peer have under way to this side is at most
/// `receive_bytes_max` and one batch.
struct link_limits {
  std::size_t batch_bytes_max = 1024 * 1024;
  std::size_t window_batches_max = 4096;           ///< Sent or not, until they are acknowledged.
  std::size_t window_bytes_max = 4 * 1024 * 1024;  ///< As `window_batches_max`.
  std::size_t flight_bytes_max = 1024 * 1024;      ///< Written and not acknowledged: what may lie in buffers below.
  std::size_t receive_batches_max = 4096;          ///< Received and not consumed yet.
  std::size_t receive_bytes_max = 4 * 1024 * 1024; ///< As `receive_batches_max`.
  std::size_t ack_batches_max = 32;                ///< So many received: acknowledge without waiting.
  std::size_t ack_bytes_max = 256 * 1024;          ///< As `ack_batches_max`.
  std::int64_t ack_delay_ms = 20;                  ///< An acknowledgement waits so long for a batch to travel on.
  std::int64_t slow_ms_max = 5'000;                ///< A window that does not drain for so long is given up.
  std::int64_t resume_ms_max = 30'000;             ///< A link that is cut for so long is given up.
};

/// One side of a link between two nodes, over connections that come and go: batches in order, each exactly once, as
/// long as both sides live and the window reaches; where it does not, `lost` says so on the side whose batches are
/// gone, and on the other that a new stream begins. Each connection carries frames whole, in order, and loses some at
/// its end; frames of an earlier connection may still come before the peer's greeting on the next.
///
/// A stream is known by the sessions of its two ends: random numbers that a process that starts again, or a side that
/// gave up, draws anew. On a new connection each side greets with its own session, the peer's as it knows it, and the
/// last number it has. Where both sessions are as remembered, what is missing is sent again. Credit is the receiver's:
/// totals up to which the peer may send, so that a lost grant does no harm. Time is an argument; nothing here waits.
class reliable_link {
public:
  /// Draws a number that was never drawn before and is not 0.
  using draw_session = std::function<std::uint64_t()>;

  enum class phase : std::uint8_t {
    cut,      ///< No connection.
    greeting, ///< Connected; the peer has not answered yet.
    open,
  };

  enum class offered : std::uint8_t {
    queued,
    pressed,   ///< The window is full and the batch was not taken: try again when `roomy`.
    too_large, ///< Of more than `batch_bytes_max`: not taken, never will be.
  };

  enum class arrival : std::uint8_t {
    nothing, ///< Control, or a frame that has come too late.
    batch,
    lost,   ///< The peer began anew: what it had not acknowledged is gone, and its next batch is a stream's first.
    broken, ///< No frame that a correct peer sends: cut the connection.
  };

  /// What a frame brought.
  struct received {
    arrival what = arrival::nothing;
    std::string_view batch;   ///< Views the frame.
    std::uint64_t stream = 0; ///< For `consumed`.
    const char* why = "";     ///< Where it is broken: a sentence's end for a log line.
    std::size_t dropped = 0;  ///< Where it is lost: batches that were in the window.
  };

  enum class overdue : std::uint8_t {
    nothing,
    slow,    ///< The peer did not make room in time: lost. Cut the connection.
    expired, ///< The link stayed cut for too long: lost.
  };

  reliable_link(const link_limits& limits, draw_session draw);

  // -- the connection below

  /// A new connection stands; an earlier one counts as cut. Has a greeting to send.
  void connected(mono_ms now);
  void cut(mono_ms now);

  // -- sending

  /// Queues a batch, of at least one byte, in any phase.
  offered offer(std::string batch, mono_ms now);
  /// Whether a batch of so many bytes would be taken.
  bool roomy(std::size_t bytes) const noexcept;
  /// Puts the next frame to write in place of what `out` holds. @returns false: nothing to write now
  bool next_frame(std::string& out, mono_ms now);

  // -- receiving

  received receive(std::string_view frame, mono_ms now);
  /// The owner is done with a batch: the peer may send another. Of a stream that is over it changes nothing.
  void consumed(std::uint64_t stream, std::size_t bytes);

  // -- time

  /// What is overdue at `now`; the link has begun anew where it is not `nothing`.
  overdue check(mono_ms now);
  /// When `next_frame` or `check` may have something new, if nothing else happens before.
  std::optional<mono_ms> next_deadline() const noexcept;

  phase now() const noexcept { return phase_; }
  std::uint64_t session() const noexcept { return session_; }
  std::size_t window_batches() const noexcept { return window_.size(); }
  std::size_t window_bytes() const noexcept { return window_bytes_; }
  /// Received and not consumed.
  std::uint64_t unconsumed_bytes() const noexcept { return received_bytes_ - consumed_bytes_; }
  /// The window was full and has not fallen to half of its bounds since.
  bool pressed() const noexcept { return pressed_since_.has_value(); }

private:
  struct entry {
    std::string bytes;
    std::uint64_t begin; ///< Bytes of the stream before it: what credit counts.
  };
  struct grant {
    std::uint64_t batches = 0;
    std::uint64_t bytes = 0;
  };
  struct fields; ///< Of a frame.

  void begin_anew();
  void hear_peer(std::uint64_t peer);
  received take_hello(const fields& f, mono_ms now);
  received take_batch(const fields& f, mono_ms now);
  const char* take_ack(const fields& f);
  const char* acknowledge(std::uint64_t last);
  grant granting() const noexcept;
  bool may_send() const noexcept;
  bool ack_due(mono_ms now) const noexcept;
  void put_ack(std::string& out);
  void relieve() noexcept;

  link_limits limits_;
  draw_session draw_;
  phase phase_ = phase::cut;
  std::uint64_t session_;
  std::uint64_t peer_ = 0;   ///< The peer's session; 0: not known.
  bool established_ = false; ///< Was open with `peer_` in this session.
  bool greet_ = false;
  bool answers_ = false;     ///< The greeting is an answer, which nobody answers.
  std::uint64_t stream_ = 1; ///< Counts what comes in: one up with each new peer or session.

  // Sending. Numbers begin at 1.
  std::deque<entry> window_; ///< From `first_` on.
  std::uint64_t first_ = 1;
  std::uint64_t next_ = 1; ///< To be written next.
  std::uint64_t sent_ = 0; ///< The highest that was ever written.
  std::uint64_t offered_bytes_ = 0;
  std::size_t window_bytes_ = 0;
  grant credit_; ///< From the peer.
  std::optional<mono_ms> pressed_since_;
  std::optional<mono_ms> cut_since_;

  // Receiving.
  std::uint64_t received_ = 0; ///< The last number.
  std::uint64_t received_bytes_ = 0;
  std::uint64_t consumed_ = 0;
  std::uint64_t consumed_bytes_ = 0;
  std::uint64_t told_ = 0;       ///< As `received_`, when it was last written.
  std::uint64_t told_bytes_ = 0; ///< As `received_bytes_`, then.
  grant told_grant_;
  std::optional<mono_ms> ack_at_;
};

} // namespace troupe::mesh
