#include "transports/websocket/frame.hpp"

#include "runtime/model/utf8.hpp"

#include <algorithm>
#include <cstring>

namespace troupe::websocket {

namespace {

constexpr std::uint8_t fin_bit = 0x80;
constexpr std::uint8_t rsv1_bit = 0x40;
constexpr std::uint8_t rsv23_bits = 0x30;
constexpr std::uint8_t mask_bit = 0x80;
constexpr std::size_t control_bytes_max = 125;

bool is_control(opcode code) noexcept { return (static_cast<std::uint8_t>(code) & 0x8) != 0; }

bool is_known(std::uint8_t code) noexcept { return code <= 2 || (code >= 8 && code <= 10); }

std::size_t header_bytes_needed(const std::uint8_t* header, std::size_t have) noexcept {
  if (have < 2)
    return 2;
  const auto length = header[1] & 0x7F;
  return 2 + (length == 126 ? 2u : length == 127 ? 8u : 0u) + ((header[1] & mask_bit) != 0 ? 4u : 0u);
}

} // namespace

std::size_t write_frame_header(char* at, opcode code, std::size_t payload_bytes, bool compressed) noexcept {
  at[0] = static_cast<char>(fin_bit | (compressed ? rsv1_bit : 0) | static_cast<std::uint8_t>(code));
  if (payload_bytes < 126) {
    at[1] = static_cast<char>(payload_bytes);
    return 2;
  }
  const std::size_t width = payload_bytes < 65536 ? 2 : 8;
  at[1] = width == 2 ? 126 : 127;
  for (std::size_t i = 0; i < width; ++i)
    at[2 + i] = static_cast<char>(static_cast<std::uint64_t>(payload_bytes) >> (8 * (width - 1 - i)));
  return 2 + width;
}

void append_frame(std::string& out, opcode code, std::string_view payload) {
  char header[10];
  out.append(header, write_frame_header(header, code, payload.size()));
  out.append(payload);
}

void append_close_frame(std::string& out, close_code code, std::string_view reason) {
  if (code == close_code::no_status || code == close_code::abnormal)
    return append_frame(out, opcode::close, {});
  if (reason.size() > limits::close_reason_bytes_max) {
    auto end = limits::close_reason_bytes_max;
    while (end > 0 && (static_cast<std::uint8_t>(reason[end]) & 0xC0) == 0x80)
      --end;
    reason = reason.substr(0, end);
  }
  std::string payload;
  payload.push_back(static_cast<char>(static_cast<std::uint16_t>(code) >> 8));
  payload.push_back(static_cast<char>(static_cast<std::uint16_t>(code) & 0xFF));
  payload.append(reason);
  append_frame(out, opcode::close, payload);
}

std::size_t next_frame_boundary(std::string_view frames, std::size_t offset) noexcept {
  std::size_t at = 0;
  while (at < offset) {
    if (frames.size() - at < 2)
      return frames.size();
    const auto* header = reinterpret_cast<const std::uint8_t*>(frames.data() + at);
    const auto header_bytes = header_bytes_needed(header, 2);
    if (frames.size() - at < header_bytes)
      return frames.size();
    std::uint64_t length = header[1] & 0x7F;
    if (length >= 126) {
      length = 0;
      for (std::size_t i = 2; i < header_bytes; ++i)
        length = length << 8 | header[i];
    }
    if (length > frames.size() - at - header_bytes)
      return frames.size();
    at += header_bytes + length;
  }
  return at;
}

void apply_mask(std::span<char> data, const std::uint8_t (&key)[4], std::size_t phase) noexcept {
  std::uint8_t wide[8];
  for (std::size_t i = 0; i < 8; ++i)
    wide[i] = key[(phase + i) & 3];
  std::uint64_t pattern;
  std::memcpy(&pattern, wide, 8);
  std::size_t i = 0;
  for (; i + 8 <= data.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, data.data() + i, 8);
    word ^= pattern;
    std::memcpy(data.data() + i, &word, 8);
  }
  for (; i < data.size(); ++i)
    data[i] = static_cast<char>(static_cast<std::uint8_t>(data[i]) ^ wide[i & 7]);
}

bool is_receivable_close_code(std::uint16_t code) noexcept {
  if (code < 1000 || code >= 5000)
    return false;
  if (code >= 3000)
    return true;
  return code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

frame_parser::event frame_parser::next(std::span<char>& input) {
  if (!spent_.empty())
    std::string{}.swap(spent_);
  while (!failed_) {
    if (!in_payload_) {
      if (!take_header(input))
        return {};
      if (auto bad = check_header(); bad.what != kind::none)
        return bad;
    }
    const auto take = std::min<std::uint64_t>(remaining_, input.size());
    const auto chunk = input.first(take);
    input = input.subspan(take);
    apply_mask(chunk, key_, (length_ - remaining_) & 3);
    remaining_ -= take;
    const bool control = is_control(frame_);
    if (remaining_ == 0 && take == length_ && (control || (final_ && !in_message_))) {
      in_payload_ = false;
      return finish_frame({chunk.data(), chunk.size()}); // the fast path: nothing is copied
    }
    auto& into = control ? control_ : buffer_;
    into.append(chunk.data(), chunk.size());
    if (remaining_ > 0)
      return {};
    in_payload_ = false;
    if (control || final_)
      return finish_frame(take_buffer());
    in_message_ = true; // a fragment with more to come
  }
  return {};
}

bool frame_parser::take_header(std::span<char>& input) {
  for (;;) {
    const auto needed = header_bytes_needed(header_, header_have_);
    if (header_have_ == needed)
      return true;
    if (input.empty())
      return false;
    const auto take = std::min<std::size_t>(needed - header_have_, input.size());
    std::memcpy(header_ + header_have_, input.data(), take);
    header_have_ = static_cast<std::uint8_t>(header_have_ + take);
    input = input.subspan(take);
  }
}

/// Judges a complete header and begins its payload.
frame_parser::event frame_parser::check_header() {
  const auto code = static_cast<std::uint8_t>(header_[0] & 0x0F);
  const auto header_bytes = header_have_;
  header_have_ = 0;
  final_ = (header_[0] & fin_bit) != 0;
  if (!is_known(code) || (header_[0] & rsv23_bits) != 0)
    return violation(close_code::protocol_error, "reserved bits or opcode");
  if ((header_[1] & mask_bit) == 0)
    return violation(close_code::protocol_error, "a client must mask its frames");
  frame_ = static_cast<opcode>(code);
  const bool rsv1 = (header_[0] & rsv1_bit) != 0;
  const bool starts = frame_ == opcode::text || frame_ == opcode::binary;
  if (rsv1 && !(limits_->compression && starts))
    return violation(close_code::protocol_error, "a compressed frame was not agreed on");
  const auto short_length = header_[1] & 0x7F;
  length_ = static_cast<std::uint64_t>(short_length);
  if (short_length >= 126) {
    length_ = 0;
    for (std::size_t i = 2; i + 4 < header_bytes; ++i)
      length_ = length_ << 8 | header_[i];
    // RFC 6455 section 5.2: the least number of bytes must be used, the top bit must be 0.
    if (length_ < (short_length == 126 ? 126u : 65536u) || (length_ >> 63) != 0)
      return violation(close_code::protocol_error, "a length that is not the shortest");
  }
  std::memcpy(key_, header_ + header_bytes - 4, 4);
  remaining_ = length_;
  in_payload_ = true;
  if (is_control(frame_)) {
    if (!final_ || length_ > control_bytes_max)
      return violation(close_code::protocol_error, "a control frame that is fragmented or too long");
    return {};
  }
  if (starts == in_message_)
    return violation(close_code::protocol_error, starts ? "a message within a message" : "nothing to continue");
  if (starts) {
    message_ = frame_;
    compressed_ = rsv1;
    fragments_ = 0;
    wire_bytes_ = 0;
  }
  wire_bytes_ += header_bytes + length_;
  if (length_ > limits_->frame_bytes_max || buffer_.size() + length_ > limits_->message_bytes_max)
    return violation(close_code::too_large, "larger than max_message_bytes: send less at once");
  if (++fragments_ > limits_->fragments_per_message_max)
    return violation(close_code::too_large, "too many fragments: send larger frames");
  return {};
}

std::string_view frame_parser::take_buffer() {
  // Moved aside, so that the view lives until the next call and the memory goes then.
  spent_ = std::move(is_control(frame_) ? control_ : buffer_);
  (is_control(frame_) ? control_ : buffer_) = std::string{};
  return spent_;
}

frame_parser::event frame_parser::finish_frame(std::string_view payload) {
  if (is_control(frame_))
    return finish_control(payload);
  in_message_ = false;
  event e;
  e.what = message_ == opcode::text ? kind::text : kind::binary;
  e.payload = payload;
  e.compressed = compressed_;
  e.wire_bytes = wire_bytes_;
  return e;
}

frame_parser::event frame_parser::finish_control(std::string_view payload) {
  event e;
  e.payload = payload;
  if (frame_ != opcode::close) {
    e.what = frame_ == opcode::ping ? kind::ping : kind::pong;
    return e;
  }
  e.what = kind::close;
  if (payload.empty())
    return e;
  if (payload.size() == 1)
    return violation(close_code::protocol_error, "half a close code");
  const auto code =
      static_cast<std::uint16_t>(static_cast<std::uint8_t>(payload[0]) << 8 | static_cast<std::uint8_t>(payload[1]));
  if (!is_receivable_close_code(code))
    return violation(close_code::protocol_error, "a close code that may not be sent");
  e.code = static_cast<close_code>(code);
  e.payload.remove_prefix(2);
  if (!is_utf8(e.payload))
    return violation(close_code::invalid_payload, "a close reason that is not UTF-8");
  return e;
}

frame_parser::event frame_parser::violation(close_code code, std::string_view why) {
  failed_ = true;
  event e;
  e.what = kind::violation;
  e.code = code;
  e.payload = why;
  return e;
}

} // namespace troupe::websocket
