#include "transports/websocket/encoders.hpp"

#include "runtime/wire/json.hpp"
#include "runtime/wire/msgpack.hpp"
#include "transports/websocket/deflate.hpp"
#include "transports/websocket/frame.hpp"

#include <atomic>
#include <cstring>

namespace troupe::websocket {

namespace {

std::atomic<std::size_t> deflate_min_bytes{512};

void append_envelope(std::string& out, opcode kind, const message& m, const stamp& at) {
  if (kind == opcode::text)
    wire::encode_json(out, m, at);
  else
    wire::encode_msgpack(out, m, at);
}

/// Puts the header before what stands behind `guess` bytes of room for it at `begin`.
void put_header(std::string& out, std::size_t begin, std::size_t guess, opcode kind, bool compressed) {
  const auto payload = out.size() - begin - guess;
  const auto header = frame_header_bytes(payload);
  if (header > guess)
    out.insert(begin, header - guess, '\0');
  else if (header < guess)
    out.erase(begin, guess - header);
  write_frame_header(out.data() + begin, kind, payload, compressed);
}

class plain_frames final : public wire::encoder {
public:
  explicit plain_frames(opcode kind)
      : kind_{kind} {}

  void append(std::string& out, const message& m, const stamp& at) const override {
    const auto begin = out.size();
    // Nearly every envelope has from, ts and node, so it is longer than the message by that much; a wrong
    // guess costs one move of the payload.
    const auto guess = frame_header_bytes(m.size() + 64);
    out.append(guess, '\0');
    append_envelope(out, kind_, m, at);
    put_header(out, begin, guess, kind_, false);
  }

private:
  opcode kind_;
};

class deflated_frames final : public wire::encoder {
public:
  explicit deflated_frames(opcode kind)
      : kind_{kind} {}

  void append(std::string& out, const message& m, const stamp& at) const override {
    thread_local std::string envelope;
    envelope.clear();
    append_envelope(envelope, kind_, m, at);
    const auto begin = out.size();
    const auto guess = frame_header_bytes(envelope.size());
    out.append(guess, '\0');
    const bool compressed = envelope.size() >= deflate_min_bytes.load(std::memory_order_relaxed) &&
                            deflate_message(out, envelope) && out.size() - begin - guess < envelope.size();
    if (!compressed)
      out.replace(begin + guess, std::string::npos, envelope);
    put_header(out, begin, guess, kind_, compressed);
  }

private:
  opcode kind_;
};

} // namespace

const wire::encoder& json_frames() {
  static const plain_frames instance{opcode::text};
  return instance;
}

const wire::encoder& msgpack_frames() {
  static const plain_frames instance{opcode::binary};
  return instance;
}

const wire::encoder& deflated_json_frames() {
  static const deflated_frames instance{opcode::text};
  return instance;
}

const wire::encoder& deflated_msgpack_frames() {
  static const deflated_frames instance{opcode::binary};
  return instance;
}

void set_deflate_min_bytes(std::size_t bytes) noexcept { deflate_min_bytes.store(bytes, std::memory_order_relaxed); }

} // namespace troupe::websocket
