#include "transports/loopback.hpp"

#include "runtime/system/config.hpp"
#include "runtime/system/loop.hpp"
#include "runtime/wire/json.hpp"

#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace troupe {

namespace {

/// Envelopes one after the other, each ended by a NUL, which JSON never holds (RFC 8259 section 7); a line end
/// may stand within a payload.
class loopback_frames final : public wire::encoder {
public:
  void append(std::string& out, const message& m, const stamp& at) const override {
    wire::encode_json(out, m, at);
    out.push_back('\0');
  }
};

const wire::encoder& frames() {
  static const loopback_frames instance;
  return instance;
}

} // namespace

/// Both ends of a connection: the link that the actors write to and what the client sees.
class loopback_client::pipe final : public edge::link, public std::enable_shared_from_this<pipe>, private loop_timer {
public:
  pipe(loop& on, edge::host& host, loopback_events events, std::size_t capacity_bytes)
      : loop_{on}
      , host_{host}
      , events_{std::move(events)}
      , capacity_bytes_{capacity_bytes} {}

  // -- the server's end

  const wire::encoder& format() const noexcept override { return frames(); }
  std::size_t write(std::span<const wire::slice> slices) override;
  void pause_reading(bool paused) override;
  void close(close_code code, std::string_view reason) override;

  // -- the client's end, from any thread

  bool offer(std::string json);
  void run(std::function<void(pipe&)> f) {
    loop_.post([self = shared_from_this(), f = std::move(f)] { f(*self); });
  }

  // -- the same, on the loop

  void open(const edge::handshake& who);
  void set_reading(bool on);
  void client_closes(close_code code, std::string reason);

private:
  enum class state : std::uint8_t { opening, open, closing, gone };

  void take_in();
  void receive(std::string_view text);
  void fail(close_code code, std::string_view reason);
  void deliver(std::string_view frames);
  void drain();
  void end(close_code code, std::string_view reason);
  void fired() override;

  loop& loop_;
  edge::host& host_;
  loopback_events events_;
  std::shared_ptr<edge::ingress> in_;
  std::deque<std::string> inbound_;  ///< From the client, not yet taken.
  std::deque<wire::slice> outbound_; ///< Taken, not yet read by the client.
  std::size_t outbound_bytes_ = 0;
  std::size_t capacity_bytes_;
  std::atomic<std::size_t> inbound_bytes_{0};
  std::string reason_;
  close_code code_ = close_code::no_status;
  std::optional<edge::close_info> ending_; ///< What the client has said.
  state state_ = state::opening;
  bool reading_ = true;
  bool paused_ = false;
  bool taking_ = false;
  bool owes_writable_ = false;
};

std::size_t loopback_client::pipe::write(std::span<const wire::slice> slices) {
  if (state_ != state::open && state_ != state::opening)
    return slices.size();
  std::size_t taken = 0;
  for (const auto& s : slices) {
    if (reading_ && outbound_.empty()) {
      deliver(s.bytes);
    } else {
      if (outbound_bytes_ >= capacity_bytes_) {
        owes_writable_ = true;
        break;
      }
      outbound_.push_back(s);
      outbound_bytes_ += s.bytes.size();
    }
    ++taken;
  }
  return taken;
}

void loopback_client::pipe::deliver(std::string_view text) {
  while (!text.empty() && events_.message) {
    const auto end = std::min(text.find('\0'), text.size());
    events_.message(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void loopback_client::pipe::pause_reading(bool paused) {
  if (paused == paused_ || state_ == state::gone)
    return;
  paused_ = paused;
  if (!paused)
    run([](pipe& p) { p.take_in(); });
}

/// What was taken still reaches the client, if it reads within the linger time.
void loopback_client::pipe::close(close_code code, std::string_view reason) {
  if (state_ == state::closing || state_ == state::gone)
    return;
  const auto in = std::move(in_);
  state_ = state::closing;
  paused_ = false;
  code_ = code;
  reason_ = reason;
  if (!outbound_.empty())
    loop_.arm(*this, limits::linger_ms_max);
  run([](pipe& p) { p.drain(); });
}

bool loopback_client::pipe::offer(std::string json) {
  if (inbound_bytes_.load(std::memory_order_relaxed) > capacity_bytes_)
    return false;
  inbound_bytes_.fetch_add(json.size(), std::memory_order_relaxed);
  run([text = std::move(json)](pipe& p) mutable {
    if (p.state_ != state::open)
      return;
    p.inbound_.push_back(std::move(text));
    p.take_in();
  });
  return true;
}

void loopback_client::pipe::open(const edge::handshake& who) {
  auto decision = host_.admit(who);
  if (const auto* refused = std::get_if<edge::refusal>(&decision))
    return end(refused->http_status == 401 ? close_code::unauthorized : close_code::forbidden, refused->why.message);
  auto in = host_.open(loop_, shared_from_this(), who, std::get<edge::grant>(std::move(decision)));
  if (state_ != state::opening)
    return; // the actor has closed it already
  in_ = std::move(in);
  state_ = state::open;
}

void loopback_client::pipe::take_in() {
  if (taking_)
    return;
  taking_ = true;
  while (state_ == state::open && !paused_ && !inbound_.empty()) {
    const auto text = std::move(inbound_.front());
    inbound_.pop_front();
    inbound_bytes_.fetch_sub(text.size(), std::memory_order_relaxed);
    receive(text);
  }
  taking_ = false;
  if (inbound_.empty() && !paused_ && ending_ && state_ != state::gone) {
    const auto in = std::move(in_);
    const auto info = *std::exchange(ending_, std::nullopt);
    end(info.code, info.reason);
    if (in)
      in->closed(info);
  }
}

void loopback_client::pipe::receive(std::string_view text) {
  if (text.size() > host_.settings().websocket.max_message_bytes)
    return fail(close_code::too_large, "larger than max_message_bytes");
  const auto in = in_;
  thread_local message_fields fields;
  thread_local std::string scratch;
  const auto bad = wire::decode_json(text, fields, scratch);
  if (bad && bad->not_utf8)
    return fail(close_code::invalid_payload, "not UTF-8");
  const auto next = bad ? in->malformed(bad->why, bad->id) : in->received(fields, text.size());
  if (next == edge::flow::pause)
    pause_reading(true);
}

void loopback_client::pipe::fail(close_code code, std::string_view reason) {
  const auto in = in_;
  close(code, reason);
  in->closed({code, std::string{reason}, false});
}

void loopback_client::pipe::set_reading(bool on) {
  reading_ = on;
  drain();
}

/// Gives the client what waits, then the end where there is one.
void loopback_client::pipe::drain() {
  while (reading_ && !outbound_.empty()) {
    const auto next = std::move(outbound_.front());
    outbound_.pop_front();
    outbound_bytes_ -= next.bytes.size();
    deliver(next.bytes);
  }
  if (!outbound_.empty())
    return;
  if (state_ == state::closing)
    return end(code_, reason_);
  if (state_ == state::open && std::exchange(owes_writable_, false)) {
    const auto in = in_;
    in->writable();
  }
}

/// The server notices it behind what was sent before, and so not while it does not read: as with a socket.
void loopback_client::pipe::client_closes(close_code code, std::string reason) {
  events_ = {};
  if (state_ == state::gone || ending_)
    return;
  ending_ = edge::close_info{code, std::move(reason), true};
  take_in();
}

void loopback_client::pipe::end(close_code code, std::string_view reason) {
  state_ = state::gone;
  loop_.disarm(*this);
  outbound_.clear();
  inbound_.clear();
  const auto events = std::exchange(events_, {});
  if (events.closed)
    events.closed(code, reason);
}

/// The client has not read within the linger time: as a reset.
void loopback_client::pipe::fired() {
  const auto self = shared_from_this();
  end(close_code::abnormal, {});
}

loopback_client::loopback_client(std::shared_ptr<pipe> p) noexcept
    : pipe_{std::move(p)} {}

loopback_client::~loopback_client() {
  pipe_->run([](pipe& p) { p.client_closes(close_code::abnormal, {}); });
}

bool loopback_client::send(std::string json) { return pipe_->offer(std::move(json)); }

void loopback_client::read(bool on) {
  pipe_->run([on](pipe& p) { p.set_reading(on); });
}

void loopback_client::close(close_code code, std::string reason) {
  pipe_->run([code, reason = std::move(reason)](pipe& p) mutable { p.client_closes(code, std::move(reason)); });
}

void loopback_client::drop() { close(close_code::abnormal); }

struct loopback_transport::state {
  std::mutex lock;
  edge::host* host = nullptr;
  std::size_t next_loop = 0;
};

loopback_transport::loopback_transport()
    : state_{std::make_shared<state>()} {}

void loopback_transport::start(edge::host& on) {
  std::lock_guard guard{state_->lock};
  state_->host = &on;
}

void loopback_transport::stop() noexcept {
  std::lock_guard guard{state_->lock};
  state_->host = nullptr;
}

std::unique_ptr<loopback_client> loopback_transport::connect(loopback_client_options options, loopback_events events) {
  std::lock_guard guard{state_->lock};
  if (state_->host == nullptr)
    throw std::logic_error("the loopback transport is not started");
  auto& host = *state_->host;
  auto& on = host.loop_at(options.loop.value_or(state_->next_loop++) % host.loop_count());
  auto made = std::make_shared<loopback_client::pipe>(on, host, std::move(events), options.capacity_bytes);
  edge::handshake who;
  who.transport = "loopback";
  who.address = "127.0.0.1";
  who.loopback = true;
  who.local_host = true;
  who.bearer = std::move(options.bearer);
  who.user = std::move(options.user);
  made->run([who = std::move(who)](loopback_client::pipe& p) { p.open(who); });
  return std::unique_ptr<loopback_client>{new loopback_client{std::move(made)}};
}

} // namespace troupe
