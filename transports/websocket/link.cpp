#include "transports/websocket/link.hpp"

#include "runtime/system/metrics.hpp"
#include "runtime/wire/json.hpp"
#include "runtime/wire/msgpack.hpp"
#include "transports/websocket/deflate.hpp"

#include <algorithm>
#include <climits>
#include <utility>

namespace troupe::websocket {

namespace {

iovec as_iovec(std::string_view bytes) noexcept { return {const_cast<char*>(bytes.data()), bytes.size()}; }

} // namespace

link::link(loop& on, std::unique_ptr<socket_stream> stream, std::shared_ptr<const link_settings> settings,
           const wire::encoder& format, std::shared_ptr<void> seat, std::string preface)
    : loop_{on}
    , stream_{std::move(stream)}
    , settings_{std::move(settings)}
    , seat_{std::move(seat)}
    , format_{&format}
    , parser_{settings_->frames}
    , preface_{std::move(preface)}
    , heard_ms_{on.now()}
    , message_ms_{heard_ms_} {
  if (settings_->open)
    settings_->open->fetch_add(1, std::memory_order_relaxed);
}

link::~link() {
  if (state_ != state::gone && settings_->open)
    settings_->open->fetch_sub(1, std::memory_order_relaxed);
}

void link::start(std::shared_ptr<edge::ingress> in, std::string early) {
  if (state_ != state::open) { // the actor refused it within `open`
    if (state_ == state::closing)
      read_later();
    return;
  }
  in_ = std::move(in);
  if (!preface_.empty()) // after the end of this turn, in which the first frames may take it along
    asio::post(loop_.io(), [self = shared_from_this()] { self->send_preface(); });
  arm_deadline();
  carry_ = std::move(early);
  if (!carry_.empty())
    resume_reading();
  else
    read_later();
}

// -- reading

void link::read_later() {
  if (read_pending_ || state_ == state::gone || peer_ended_ || (paused_ && state_ == state::open))
    return;
  read_pending_ = true;
  stream_->wait_readable([self = shared_from_this()](bool failed) {
    self->read_pending_ = false;
    if (!failed)
      self->on_readable();
  });
}

/// One receive for a wait: 64 KiB are a connection's share of a turn.
void link::on_readable() {
  if (state_ == state::gone || (paused_ && state_ == state::open))
    return;
  if (!carry_.empty())
    return resume_reading();
  const auto buffer = socket_stream::loop_buffer();
  const auto got = stream_->receive(buffer);
  if (got.what == socket_stream::outcome::end && state_ == state::closing) {
    peer_ended_ = true;
    if (sent_fin_)
      finish(false);
    return; // else the flush or the linger deadline ends it
  }
  if (got.what == socket_stream::outcome::end || got.what == socket_stream::outcome::failed)
    return on_lost();
  if (got.bytes > 0) {
    if (settings_->bytes_received != nullptr)
      settings_->bytes_received->add(got.bytes);
    heard_ms_ = loop_.now();
    pinged_ = false;
    process(buffer.first(got.bytes));
  }
  read_later();
}

/// Goes on with what came before reading was paused.
void link::resume_reading() {
  if (state_ == state::gone || (paused_ && state_ == state::open))
    return;
  auto held = std::exchange(carry_, {});
  process(held);
  read_later();
}

void link::process(std::span<char> input) {
  if (state_ != state::open)
    return;
  const auto self = shared_from_this();
  const auto in = in_; // outlives its own `close`
  std::string echo;
  bool pinged = false;
  processing_ = true;
  while (state_ == state::open && !paused_) {
    const auto e = parser_.next(input);
    if (e.what == frame_parser::kind::none)
      break;
    switch (e.what) {
    case frame_parser::kind::text:
    case frame_parser::kind::binary:
      assembly_ms_ = 0; // what is incomplete after this is another message
      deliver(e, *in);
      break;
    case frame_parser::kind::ping: // RFC 6455 section 5.5.3: answering the latest is enough
      echo.assign(e.payload);
      pinged = true;
      break;
    case frame_parser::kind::close:
      peer_sent_close(e.code, e.payload);
      break;
    case frame_parser::kind::violation:
      fail(e.code, e.payload);
      break;
    default:
      break;
    }
  }
  processing_ = false;
  if (state_ != state::open)
    return;
  if (paused_)
    carry_.assign(input.data(), input.size());
  if (pinged)
    send_control(segment_kind::pong, echo);
  if (!parser_.incomplete()) {
    assembly_ms_ = 0;
  } else if (assembly_ms_ == 0) {
    assembly_ms_ = loop_.now();
    arm_deadline();
  }
}

void link::deliver(const frame_parser::event& e, edge::ingress& in) {
  message_ms_ = heard_ms_;
  auto text = e.payload;
  if (e.compressed) {
    const auto inflated = inflate_message(text, settings_->inflated_bytes_max);
    if (inflated.what == inflate_result::too_large)
      return fail(close_code::too_large, "larger than max_message_bytes when inflated: send less at once");
    if (inflated.what != inflate_result::ok)
      return fail(close_code::invalid_payload, "not a deflate stream: fix the client");
    text = inflated.bytes;
  }
  thread_local message_fields fields; // both keep their capacity from message to message
  thread_local std::string scratch;
  const auto bad = e.what == frame_parser::kind::text ? wire::decode_json(text, fields, scratch)
                                                      : wire::decode_msgpack(text, fields);
  if (bad && bad->not_utf8)
    return fail(close_code::invalid_payload, default_reason(close_code::invalid_payload));
  const auto next = bad ? in.malformed(bad->why, bad->id) : in.received(fields, e.wire_bytes);
  if (next == edge::flow::pause)
    pause_reading(true);
}

void link::pause_reading(bool paused) {
  if (paused == paused_ || state_ != state::open)
    return;
  paused_ = paused;
  if (paused) {
    paused_ms_ = loop_.now();
    return;
  }
  // Deadlines stood still: the time that we did not listen is nobody's silence.
  const auto stood = loop_.now() - paused_ms_;
  heard_ms_ += stood;
  message_ms_ += stood;
  if (assembly_ms_ != 0)
    assembly_ms_ += stood;
  if (carry_.empty()) {
    if (!processing_)
      read_later();
    return;
  }
  // Later, because the caller is the actor that the messages go to.
  asio::post(loop_.io(), [self = shared_from_this()] { self->resume_reading(); });
}

void link::peer_sent_close(close_code code, std::string_view reason) {
  const auto in = std::move(in_);
  const edge::close_info info{code, std::string{reason}, true};
  begin_close(code, {});
  in->closed(info);
}

/// The socket ended without a close frame, or does not go on.
void link::on_lost() {
  if (state_ == state::gone)
    return;
  const auto in = std::move(in_);
  finish(false);
  if (in)
    in->closed({close_code::abnormal, {}, true});
}

/// Ends the connection for a reason of the transport's own.
void link::fail(close_code code, std::string_view reason) {
  const auto in = std::move(in_);
  begin_close(code, reason);
  if (in)
    in->closed({code, std::string{reason}, false});
}

// -- writing

/// A new socket has room for a handshake; one that has not is given up.
bool link::send_preface() {
  if (preface_.empty() || state_ == state::gone)
    return true;
  const auto text = std::exchange(preface_, {});
  const iovec part = as_iovec(text);
  if (stream_->send({&part, 1}).bytes == text.size()) {
    if (stream_->holds_output()) // a TLS record counts as sent while the kernel lacks some of it
      write_later();
    return true;
  }
  asio::post(loop_.io(), [self = shared_from_this()] { self->on_lost(); });
  return false;
}

/// The handshake's answer and the first frames, gathered into one buffer up to `together_bytes_max`; then the rest.
std::size_t link::write_with_preface(std::span<const wire::slice> slices) {
  constexpr std::size_t together_bytes_max = 16 * 1024; // a TLS record
  auto all = std::make_shared<std::string>(std::exchange(preface_, {}));
  const auto preface_bytes = all->size();
  std::size_t taken = 0;
  while (taken < slices.size() && all->size() + slices[taken].bytes.size() <= together_bytes_max)
    *all += slices[taken++].bytes;
  const iovec part = as_iovec(*all);
  const auto sent = stream_->send({&part, 1});
  if (sent.what == socket_stream::outcome::failed || sent.bytes < preface_bytes) {
    asio::post(loop_.io(), [self = shared_from_this()] { self->on_lost(); });
    return slices.size(); // `closed` follows
  }
  if (settings_->bytes_sent != nullptr)
    settings_->bytes_sent->add(sent.bytes - preface_bytes);
  if (sent.bytes < all->size()) {
    front_frame_ = all->data() + preface_bytes;
    out_.push_back({{all, std::string_view{*all}.substr(sent.bytes)}, segment_kind::data});
    write_later();
  } else if (stream_->holds_output()) {
    write_later();
  }
  return taken + (taken < slices.size() ? write(slices.subspan(taken)) : 0);
}

std::size_t link::write(std::span<const wire::slice> slices) {
  if (state_ != state::open)
    return slices.size();
  if (!preface_.empty())
    return write_with_preface(slices);
  if (!out_.empty() || stream_->holds_output()) {
    owes_writable_ = !slices.empty();
    return 0;
  }
  if (slices.size() == 1)
    return write_parts<1>(slices);
  return slices.size() <= 16 ? write_parts<16>(slices) : write_parts<IOV_MAX>(slices);
}

template <std::size_t Parts>
std::size_t link::write_parts(std::span<const wire::slice> slices) {
  std::size_t taken = 0;
  while (taken < slices.size()) {
    iovec parts[Parts];
    const auto batch = slices.subspan(taken, std::min(slices.size() - taken, Parts));
    for (std::size_t i = 0; i < batch.size(); ++i)
      parts[i] = as_iovec(batch[i].bytes);
    const auto sent = stream_->send({parts, batch.size()});
    if (sent.what == socket_stream::outcome::failed) {
      asio::post(loop_.io(), [self = shared_from_this()] { self->on_lost(); });
      return slices.size(); // `closed` follows
    }
    if (settings_->bytes_sent != nullptr)
      settings_->bytes_sent->add(sent.bytes);
    auto left = sent.bytes;
    for (const auto& s : batch) {
      if (left < s.bytes.size()) {
        if (left > 0) {
          front_frame_ = s.bytes.data();
          out_.push_back({{s.owner, s.bytes.substr(left)}, segment_kind::data});
          ++taken;
        }
        break;
      }
      left -= s.bytes.size();
      ++taken;
    }
    if (sent.what == socket_stream::outcome::would_block) {
      owes_writable_ = taken < slices.size();
      write_later();
      break;
    }
  }
  return taken;
}

/// Cuts the front where its frame in progress ends.
/// @returns the index in `out_` that lies at this boundary
std::size_t link::split_at_boundary() {
  if (out_.empty())
    return 0;
  auto& front = out_.front();
  const auto begun = static_cast<std::size_t>(front.part.bytes.data() - front_frame_);
  const std::string_view whole{front_frame_, begun + front.part.bytes.size()};
  const auto boundary = next_frame_boundary(whole, begun);
  if (boundary == begun)
    return 0;
  if (boundary < whole.size()) {
    segment rest{{front.part.owner, whole.substr(boundary)}, front.what};
    front.part.bytes = whole.substr(begun, boundary - begun);
    out_.insert(out_.begin() + 1, std::move(rest));
  }
  return 1;
}

/// A peer that makes us answer while it does not read costs one frame of each kind.
void link::send_control(segment_kind what, std::string_view payload) {
  if (!send_preface())
    return;
  if (state_ != state::open)
    return;
  auto frame = std::make_shared<std::string>();
  append_frame(*frame, what == segment_kind::ping ? opcode::ping : opcode::pong, payload);
  segment control{{frame, *frame}, what};
  for (auto& queued : out_) {
    const bool begun = &queued == &out_.front() && queued.part.bytes.data() != front_frame_;
    if (queued.what == what && !begun) {
      if (&queued == &out_.front())
        front_frame_ = control.part.bytes.data();
      queued = std::move(control);
      return;
    }
  }
  const auto at = split_at_boundary();
  if (at == 0)
    front_frame_ = control.part.bytes.data();
  out_.insert(out_.begin() + static_cast<std::ptrdiff_t>(at), std::move(control));
  if (!write_pending_ && !flush())
    asio::post(loop_.io(), [self = shared_from_this()] { self->on_lost(); });
}

/// Sends what is queued as far as the socket takes it.
/// @returns false where the connection is lost
bool link::flush() {
  iovec parts[8]; // a begun frame, its rest and a control frame of each kind are all there can be
  const auto count = std::min(out_.size(), std::size(parts));
  for (std::size_t i = 0; i < count; ++i)
    parts[i] = as_iovec(out_[i].part.bytes);
  const auto sent = stream_->send({parts, count});
  if (sent.what == socket_stream::outcome::failed)
    return false;
  if (settings_->bytes_sent != nullptr)
    settings_->bytes_sent->add(sent.bytes);
  consume(sent.bytes);
  if (!out_.empty() || stream_->holds_output())
    write_later();
  return true;
}

void link::consume(std::size_t bytes) {
  std::size_t done = 0;
  while (done < out_.size() && bytes >= out_[done].part.bytes.size())
    bytes -= out_[done++].part.bytes.size();
  out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(done));
  if (out_.empty()) {
    std::vector<segment>{}.swap(out_);
    return;
  }
  if (done > 0)
    front_frame_ = out_.front().part.bytes.data();
  out_.front().part.bytes.remove_prefix(bytes);
}

void link::write_later() {
  if (write_pending_ || state_ == state::gone)
    return;
  write_pending_ = true;
  stream_->wait_writable([self = shared_from_this()](bool failed) {
    self->write_pending_ = false;
    if (!failed)
      self->on_writable();
  });
}

void link::on_writable() {
  if (state_ == state::gone)
    return;
  if (!flush())
    return on_lost();
  if (!out_.empty() || stream_->holds_output())
    return;
  if (state_ == state::closing)
    return all_sent();
  if (std::exchange(owes_writable_, false) && in_) {
    const auto in = in_;
    in->writable();
  }
}

} // namespace troupe::websocket
