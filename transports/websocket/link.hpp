#pragma once

#include "actors/edge.hpp"
#include "runtime/system/loop.hpp"
#include "transports/socket_stream.hpp"
#include "transports/websocket/frame.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe {
class counter;
} // namespace troupe

namespace troupe::websocket {

/// What the links of one transport share.
struct link_settings {
  frame_limits frames; ///< `compression` as agreed on: there is one object for each case.
  std::size_t inflated_bytes_max = limits::message_bytes_max;
  mono_ms heartbeat_ms = 25'000; ///< Ping after so much silence, close after twice that; 0: off.
  mono_ms idle_ms = 0;           ///< Close where no message came for so long; 0: off.
  mono_ms assembly_ms = limits::message_assembly_ms_max; ///< From a message's first byte to its last.
  counter* bytes_received = nullptr;
  counter* bytes_sent = nullptr;
  std::function<void(std::string_view reason)> hit_limit; ///< Told of limits that the ingress cannot tell; may be null.
  std::shared_ptr<std::atomic<std::size_t>> open;         ///< Counts the links whose sockets are open; may be null.
};

/// A WebSocket after its handshake (RFC 6455): cuts what comes into messages for the ingress, and gives the
/// socket whole shared frames. Control frames go out at frame boundaries and overtake what was not yet taken.
/// Lives while the socket has work: pending waits hold it.
class link final : public edge::link, public std::enable_shared_from_this<link>, private loop_timer {
public:
  link(loop& on, std::unique_ptr<socket_stream> stream, std::shared_ptr<const link_settings> settings,
       const wire::encoder& format, std::shared_ptr<void> seat, std::string preface = {});
  ~link() override;

  /// Begins to read.
  /// @param early what came behind the handshake
  void start(std::shared_ptr<edge::ingress> in, std::string early);

  const wire::encoder& format() const noexcept override { return *format_; }
  std::size_t write(std::span<const wire::slice> slices) override;
  const void* beneath() const noexcept override { return stream_.get(); }
  void pause_reading(bool paused) override;
  void close(close_code code, std::string_view reason) override;
  void close_when_sent(close_code code, std::string_view reason) override;

private:
  enum class state : std::uint8_t {
    open,
    closing, ///< A close frame is on its way out; what comes in is thrown away.
    gone,
  };
  enum class segment_kind : std::uint8_t { data, ping, pong, close };
  struct segment {
    wire::slice part;
    segment_kind what = segment_kind::data;
  };

  template <std::size_t Parts>
  std::size_t write_parts(std::span<const wire::slice> slices);
  void read_later();
  void on_readable();
  void resume_reading();
  void process(std::span<char> input);
  void deliver(const frame_parser::event& e, edge::ingress& in);
  void peer_sent_close(close_code code, std::string_view reason);
  void on_lost();
  void fail(close_code code, std::string_view reason);

  bool send_preface();
  std::size_t write_with_preface(std::span<const wire::slice> slices);
  void send_control(segment_kind what, std::string_view payload);
  std::size_t split_at_boundary();
  bool flush();
  void consume(std::size_t bytes);
  void write_later();
  void on_writable();

  void begin_close(close_code code, std::string_view reason, bool all_taken = false);
  void all_sent();
  void finish(bool hard);

  void fired() override;
  void arm_deadline();

  loop& loop_;
  std::unique_ptr<socket_stream> stream_;
  std::shared_ptr<const link_settings> settings_;
  std::shared_ptr<edge::ingress> in_;
  std::shared_ptr<void> seat_; ///< Counted in the listener's limits while it lives.
  const wire::encoder* format_;
  frame_parser parser_;
  std::string preface_;               ///< The handshake's answer, until it leaves with the first frames.
  std::string carry_;                 ///< Raw input that waits while reading is paused.
  std::vector<segment> out_;          ///< Taken and not yet sent; the front may be begun.
  const char* front_frame_ = nullptr; ///< A frame boundary at or before the first unsent byte of the front.
  mono_ms heard_ms_;                  ///< When something came last.
  mono_ms message_ms_;                ///< When a message came last.
  mono_ms assembly_ms_ = 0;           ///< When the message that is incomplete began; 0: none.
  mono_ms paused_ms_ = 0;             ///< When reading stopped.
  mono_ms linger_until_ms_ = 0;
  state state_ = state::open;
  bool paused_ = false;
  bool read_pending_ = false;
  bool write_pending_ = false;
  bool owes_writable_ = false; ///< `write` took less than it was given.
  bool pinged_ = false;        ///< Since something came last.
  bool processing_ = false;
  bool peer_ended_ = false;
  bool sent_fin_ = false;
};

} // namespace troupe::websocket
