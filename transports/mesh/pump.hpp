#pragma once

#include "runtime/model/byte_meter.hpp"
#include "runtime/wire/basp_check.hpp"
#include "transports/asio.hpp"
#include "transports/mesh/limits.hpp"
#include "transports/socket_stream.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace troupe {
class counter;
}

namespace troupe::mesh {

/// Carries bytes between a peer and CAF, both ways, through the check of frames. Holds at most one read of 64 KiB each
/// way; who does not take what it holds stops the other from being read. On the loop of its `io_context` only.
class pump : public std::enable_shared_from_this<pump> {
public:
  /// Told once. `reason` is a label: "frame_" with the name of a refusal, "stalled", "timeout", "peer_closed",
  /// "local_closed", or what `end` was given.
  using on_end = std::function<void(std::string_view reason, std::string_view detail)>;

  /// @param caf_fd the local end, which it takes over
  /// @param pauses counts each time that the peer is over its rate; outlives the pump
  /// @param clock monotonic milliseconds
  pump(asio::io_context& io, std::unique_ptr<socket_stream> peer, int caf_fd, basp_rules rules,
       const pump_limits& limits, counter& pauses, std::function<mono_ms()> clock, on_end ended);

  /// @param early what has come already
  void start(std::string_view early);
  /// Closes both sides and tells; the first reason counts.
  void end(std::string_view reason, std::string_view detail);

  std::uint64_t batches() const noexcept { return check_.batches(); }

private:
  bool ended() const noexcept { return !ended_; }
  bool take(std::string_view bytes);
  void read_peer();
  bool write_caf();
  void read_caf();
  void write_peer();
  void rest(mono_ms ms);
  void watch();

  std::unique_ptr<socket_stream> peer_;
  local_socket caf_;
  basp_check check_;
  basp_trim trim_;
  pump_limits limits_;
  counter& pauses_;
  byte_meter meter_;
  std::function<mono_ms()> clock_;
  on_end ended_;
  asio::steady_timer watch_;
  asio::steady_timer rest_;
  std::string to_caf_;
  std::string to_peer_;
  mono_ms started_ = 0;
  mono_ms moved_ = 0; ///< When the peer last took something, or nothing waited for it.
  std::uint64_t frames_ = 0;
};

} // namespace troupe::mesh
