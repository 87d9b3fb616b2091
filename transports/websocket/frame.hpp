#pragma once

#include "runtime/model/errors.hpp"
#include "runtime/model/limits.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace troupe::websocket {

/// The frame opcodes of RFC 6455 section 5.2.
enum class opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// How long the header of an unmasked frame with this payload is: 2, 4 or 10 bytes.
constexpr std::size_t frame_header_bytes(std::size_t payload_bytes) noexcept {
  return payload_bytes < 126 ? 2 : payload_bytes < 65536 ? 4 : 10;
}

/// Writes the header of an unmasked, final frame (a server never masks, RFC 6455 section 5.1).
/// @param at room for `frame_header_bytes(payload_bytes)`
/// @param compressed sets RSV1 (RFC 7692 section 6)
/// @returns how many bytes were written
std::size_t write_frame_header(char* at, opcode code, std::size_t payload_bytes, bool compressed = false) noexcept;

/// Appends a whole unmasked frame.
void append_frame(std::string& out, opcode code, std::string_view payload);

/// Appends a close frame; a reason past 123 bytes is cut at a character boundary. `no_status` and
/// `abnormal` are never sent (RFC 6455 section 7.4.1): the frame is then empty.
void append_close_frame(std::string& out, close_code code, std::string_view reason);

/// The first frame boundary at or after `offset` in `frames`, which begins at one and holds whole
/// unmasked frames.
std::size_t next_frame_boundary(std::string_view frames, std::size_t offset) noexcept;

/// Applies a masking key (RFC 6455 section 5.3) in place, beginning at byte `phase` of the key.
void apply_mask(std::span<char> data, const std::uint8_t (&key)[4], std::size_t phase) noexcept;

/// Whether a peer may send this code in a close frame (RFC 6455 section 7.4).
bool is_receivable_close_code(std::uint16_t code) noexcept;

/// What a frame_parser is held to.
struct frame_limits {
  std::size_t frame_bytes_max = limits::message_bytes_max;
  std::size_t message_bytes_max = limits::message_bytes_max; ///< As on the wire, all fragments together.
  std::size_t fragments_per_message_max = limits::fragments_per_message_max;
  bool compression = false; ///< Whether permessage-deflate was agreed on: RSV1 is then allowed.
};

/// Cuts what a client sends into messages and control frames, strictly by RFC 6455. Holds memory
/// only while a message is incomplete: a frame that lies whole in the input is given as a view of it.
class frame_parser {
public:
  enum class kind : std::uint8_t {
    none,      ///< The input is used up.
    text,      ///< A whole message. Its UTF-8 is not checked here: the decoder does that in its only pass.
    binary,    ///< A whole message.
    ping,      ///< `payload` is to be sent back.
    pong,      ///< Only says that the peer lives.
    close,     ///< `code` and `payload` (the reason) as the peer gave them.
    violation, ///< The connection must be closed with `code`; `payload` says why. Final.
  };

  struct event {
    kind what = kind::none;
    std::string_view payload; ///< Unmasked; valid until the next call.
    bool compressed = false;  ///< A message that is still to be inflated.
    close_code code = close_code::no_status;
    std::size_t wire_bytes = 0; ///< What the message took on the wire, headers included.
  };

  explicit frame_parser(const frame_limits& limits) noexcept
      : limits_{&limits} {}

  /// Takes bytes from the front of `input` (which it may overwrite to unmask) up to the next event.
  event next(std::span<char>& input);

  /// Whether a message or frame has begun and not ended: such a message has a deadline.
  bool incomplete() const noexcept { return header_have_ > 0 || in_payload_ || in_message_; }

private:
  bool take_header(std::span<char>& input);
  event check_header();
  event finish_frame(std::string_view payload);
  event finish_control(std::string_view payload);
  event violation(close_code code, std::string_view why);
  std::string_view take_buffer();

  const frame_limits* limits_;
  std::string buffer_;          ///< The message so far, unmasked.
  std::string control_;         ///< A control frame that came in pieces, or what the last event pointed to.
  std::string spent_;           ///< What the last event pointed to.
  std::uint64_t length_ = 0;    ///< Of the current frame.
  std::uint64_t remaining_ = 0; ///< Of the current frame, still to come.
  std::size_t wire_bytes_ = 0;
  std::uint32_t fragments_ = 0;
  std::uint8_t header_[14] = {};
  std::uint8_t header_have_ = 0;
  std::uint8_t key_[4] = {};
  opcode frame_ = opcode::continuation;   ///< Of the current frame.
  opcode message_ = opcode::continuation; ///< Of the current message.
  bool final_ = false;
  bool compressed_ = false;
  bool in_payload_ = false;
  bool in_message_ = false; ///< After a first fragment.
  bool failed_ = false;
};

} // namespace troupe::websocket
