#include "transports/http/session.hpp"

#include "runtime/system/loop.hpp"
#include "transports/http/fields.hpp"
#include "transports/http/query.hpp"
#include "transports/http/responses.hpp"
#include "transports/http/server.hpp"
#include "transports/socket_stream.hpp"

#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace troupe::http {

namespace {

constexpr mono_ms linger_ms = 2'000;
/// Input that waits behind a request that is being served; a client that pipelines more has to wait.
constexpr std::size_t early_bytes_max = 64 * 1024;
/// How many clients behind one connection of a proxy are remembered.
constexpr std::size_t proxied_clients_max = 64;

using request_parser = http_wire::request_parser<http_wire::string_body>;

class session final : public exchange, public std::enable_shared_from_this<session>, private loop_timer {
public:
  session(loop& on, std::shared_ptr<server> owner, std::unique_ptr<socket_stream> stream, session_peer peer,
          std::shared_ptr<void> seat)
      : loop_{on}
      , server_{std::move(owner)}
      , stream_{std::move(stream)}
      , peer_{peer}
      , seat_{std::move(seat)} {}

  void start() {
    loop_.arm(*this, server_->settings().handshake_timeout_ms);
    new_request();
    shake_hands();
  }

  // exchange
  const http::request& request() const noexcept override { return request_; }
  loop& on() noexcept override { return loop_; }
  bool has_header(std::string_view name) const override {
    return parser_->get().find(view(name)) != parser_->get().end();
  }
  std::string header(std::string_view name) const override {
    std::string joined;
    const auto [first, last] = parser_->get().equal_range(view(name));
    for (auto it = first; it != last; ++it)
      joined.append(it == first ? "" : ", ").append(it->value().data(), it->value().size());
    return joined;
  }
  void reply(response answer) override;
  void take_over(std::string head, std::function<void(taken_socket)> then) override;

private:
  enum class phase : std::uint8_t { handshake, reading, serving, writing, lingering, gone };

  static boost::beast::string_view view(std::string_view text) { return {text.data(), text.size()}; }
  static std::string_view plain(boost::beast::string_view text) { return {text.data(), text.size()}; }

  void new_request();
  void shake_hands();
  void read_later();
  void on_readable();
  void parse();
  bool header_arrived();
  void serve();
  bool resolve_client();
  bool seat_client(const ip_address& client, seat_refusal& refused);
  void refuse(unsigned status, error_code code, std::string_view why, mono_ms retry_ms = 0);
  void count_refused();
  void refuse_size(unsigned status, std::string_view why);
  void hit_limit(std::string_view reason);
  void send_answer(response answer, mono_ms deadline);
  void begin_writing(mono_ms deadline);
  void write_some();
  void answered();
  void end() noexcept;
  void fired() override;

  loop& loop_;
  std::shared_ptr<server> server_;
  std::unique_ptr<socket_stream> stream_;
  session_peer peer_;
  std::shared_ptr<void> seat_;
  std::shared_ptr<void> client_seat_; ///< Of the client behind a trusted proxy that spoke last.
  std::vector<ip_address> clients_;   ///< All who spoke through that proxy; the one with the seat is the last.
  std::optional<request_parser> parser_;
  std::string input_;
  http::request request_;
  std::string target_;
  std::shared_ptr<route> route_;
  std::string head_;        ///< Of the answer, as far as it is not sent.
  std::string unsent_head_; ///< Left to whoever takes over.
  response answer_;
  std::size_t sent_ = 0; ///< Of head and body.
  bool without_body_ = false;
  bool close_after_ = false;
  bool counted_ = false; ///< That there was no place for it.
  bool first_ = true;    ///< The handshake's deadline covers the first request.
  phase phase_ = phase::handshake;
  std::function<void(taken_socket)> then_;
};

void session::new_request() {
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(server_->settings().header_bytes_max));
  parser_->body_limit(boost::none);
  route_.reset();
}

void session::shake_hands() {
  switch (stream_->handshake()) {
  case socket_stream::outcome::done:
    phase_ = phase::reading;
    return read_later();
  case socket_stream::outcome::would_block:
    return read_later();
  default:
    return end();
  }
}

void session::read_later() {
  stream_->wait_readable([self = shared_from_this()](bool failed) {
    if (failed || self->phase_ == phase::gone)
      return;
    if (self->phase_ == phase::handshake)
      self->shake_hands();
    else
      self->on_readable();
  });
}

void session::on_readable() {
  const auto buffer = socket_stream::loop_buffer();
  const auto got = stream_->receive(buffer);
  if (got.what == socket_stream::outcome::end || got.what == socket_stream::outcome::failed)
    return end();
  if (phase_ == phase::lingering)
    return read_later();
  if (got.bytes > 0) {
    if (!first_ && input_.empty() && !parser_->got_some())
      loop_.arm(*this, server_->settings().request_timeout_ms);
    input_.append(buffer.data(), got.bytes);
  }
  parse();
}

/// Gives the parser what there is; goes on reading where the request is not complete.
void session::parse() {
  for (;;) {
    boost_error failed;
    const bool had_header = parser_->is_header_done();
    parser_->eager(had_header);
    const auto used = parser_->put(asio::buffer(input_), failed);
    input_.erase(0, used);
    if (failed == http_wire::error::header_limit || failed == http_wire::error::buffer_overflow)
      return refuse_size(431, "the request's head is too long");
    if (failed == http_wire::error::body_limit)
      return refuse_size(413, "the request's body is too long");
    if (failed && failed != http_wire::error::need_more)
      return refuse(400, error_code::bad_message, "not an HTTP/1.1 request");
    if (!had_header && parser_->is_header_done()) {
      if (!header_arrived())
        return;
      if (!parser_->is_done())
        continue; // its body may be there already
    }
    if (parser_->is_done())
      return serve();
    if (!parser_->is_header_done() && input_.size() > server_->settings().header_bytes_max)
      return refuse_size(431, "the request's head is too long");
    return read_later();
  }
}

/// What can be said before a body is read.
/// @returns false where the request was answered
bool session::header_arrived() {
  const auto& message = parser_->get();
  request_ = {};
  target_.assign(message.target().data(), message.target().size());
  request_.method = plain(message.method_string());
  request_.http_1_1 = message.version() == 11;
  request_.keep_alive = message.keep_alive();
  request_.secure = stream_->secure();
  request_.loopback = peer_.address.is_loopback();
  if (message.version() != 11 && message.version() != 10) {
    refuse(505, error_code::bad_message, "HTTP/1.1 is spoken here");
    return false;
  }
  // RFC 9112 section 3.2: exactly one Host, or a proxy and we might not mean the same.
  const auto hosts = message.count(http_wire::field::host);
  if (hosts > 1 || (hosts == 0 && request_.http_1_1)) {
    refuse(400, error_code::bad_message, "exactly one Host header is needed");
    return false;
  }
  const auto parts = split_target(target_);
  if (!parts) {
    refuse(400, error_code::bad_message, "not a request target");
    return false;
  }
  request_.path = parts->path;
  request_.query = parts->query;
  const bool all = peer_.refused.limit == all_taken;
  const bool served = all && server_->tells_status(request_.path);
  counted_ = counted_ || served;
  // Who looks after the node sees how it is when it is full as well.
  if (!peer_.refused.limit.empty() && !served) {
    count_refused();
    refuse(all ? 503 : 429, all ? error_code::unavailable : error_code::rate_limited,
           "no place for another connection: limits." + std::string{peer_.refused.limit}, peer_.refused.retry_ms);
    return false;
  }
  if (!resolve_client())
    return false;
  route_ = server_->find(request_.path);
  const auto body_max = route_ ? route_->body_bytes_max() : 0;
  const auto length = parser_->content_length();
  if ((length && *length > body_max) || (body_max == 0 && parser_->chunked())) {
    refuse_size(413, "the request's body is too long");
    return false;
  }
  parser_->body_limit(body_max);
  return true;
}

/// Who it is behind trusted proxies; such a client is counted by its own address.
bool session::resolve_client() {
  for (const auto* name : {"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"})
    request_.forwarded = request_.forwarded || has_header(name);
  auto client = peer_.address;
  if (peer_.trusted_proxy && request_.forwarded) {
    const auto list = has_header("X-Forwarded-For") ? header("X-Forwarded-For") : forwarded_for(header("Forwarded"));
    client = client_address(peer_.address, list, server_->settings().trusted_proxies);
  }
  seat_refusal refused;
  if (!seat_client(client, refused)) {
    refuse(429, error_code::rate_limited, "no place for another connection of this client", refused.retry_ms);
    return false;
  }
  request_.address = client.text();
  return true;
}

/// A client behind a proxy holds a place while it is the one that speaks, and counts as one handshake a session:
/// proxies send requests of many clients over the connections that they keep.
bool session::seat_client(const ip_address& client, seat_refusal& refused) {
  if (client == peer_.address) {
    client_seat_.reset();
    return true;
  }
  if (client_seat_ && clients_.back() == client)
    return true;
  client_seat_.reset();
  const auto known = std::find(clients_.begin(), clients_.end(), client);
  client_seat_ = server_->take_client_seat(client, known == clients_.end(), loop_.now(), refused);
  if (!client_seat_)
    return false;
  if (known != clients_.end())
    clients_.erase(known);
  else if (clients_.size() >= proxied_clients_max)
    clients_.erase(clients_.begin());
  clients_.push_back(client);
  return true;
}

void session::serve() {
  phase_ = phase::serving;
  request_.body = parser_->get().body();
  if (!route_ && !server_->is_attached()) {
    auto away = problem(503, error_code::unavailable, "this node is going away");
    away.headers.push_back(retry_after(1000));
    return reply(std::move(away));
  }
  if (!route_)
    return reply(problem(404, error_code::unknown_target, "nothing is served here"));
  const auto methods = route_->methods();
  if (request_.method == "OPTIONS") {
    response options;
    options.status = 204;
    options.headers.emplace_back("Allow", methods);
    return reply(std::move(options));
  }
  if (!has_token(methods, request_.method)) {
    auto wrong = problem(405, error_code::bad_message, "this method is not allowed here");
    wrong.headers.emplace_back("Allow", methods);
    return reply(std::move(wrong));
  }
  // A copy: the route may go away while it answers.
  const auto serving = route_;
  try {
    serving->serve(shared_from_this());
  } catch (const std::exception&) {
    if (phase_ == phase::serving)
      reply(problem(500, error_code::internal, "something went wrong"));
  }
}

/// Answers what cannot be served; what else the client has to say is not understood any more.
/// @param retry_ms after which trying again can help; 0: it cannot, or nobody knows
void session::refuse(unsigned status, error_code code, std::string_view why, mono_ms retry_ms) {
  phase_ = phase::serving;
  auto answer = problem(status, code, why);
  if (retry_ms > 0)
    answer.headers.push_back(retry_after(retry_ms));
  answer.close = true;
  send_answer(std::move(answer), linger_ms);
}

void session::count_refused() {
  if (peer_.refused.limit == all_taken && !std::exchange(counted_, true))
    server_->count_refusal(peer_.refused.limit, peer_.trusted_proxy ? "a proxy" : peer_.address.text());
}

void session::refuse_size(unsigned status, std::string_view why) {
  hit_limit("too_large");
  refuse(status, error_code::too_large, why);
}

void session::hit_limit(std::string_view reason) {
  server_->host().pressure(reason, request_.address.empty() ? peer_.address.text() : request_.address);
}

void session::reply(response answer) { send_answer(std::move(answer), server_->settings().request_timeout_ms); }

void session::send_answer(response answer, mono_ms deadline) {
  if (phase_ != phase::serving)
    return;
  close_after_ = answer.close || !peer_.refused.limit.empty() || !parser_->is_done() || !request_.keep_alive;
  without_body_ = request_.method == "HEAD";
  head_ = response_head(answer, close_after_);
  answer_ = std::move(answer);
  begin_writing(deadline);
}

void session::take_over(std::string head, std::function<void(taken_socket)> then) {
  if (phase_ != phase::serving)
    return;
  then_ = std::move(then);
  if (first_) { // nothing was sent yet, so the socket surely has room for the head and more
    unsent_head_ = std::move(head);
    return answered();
  }
  head_ = std::move(head);
  answer_ = {};
  begin_writing(server_->settings().request_timeout_ms);
}

/// @param deadline for all of the answer: who does not read it holds neither descriptor nor place for longer
void session::begin_writing(mono_ms deadline) {
  sent_ = 0;
  phase_ = phase::writing;
  loop_.arm(*this, deadline);
  write_some();
}

void session::write_some() {
  const std::string_view body = without_body_ ? std::string_view{} : body_of(answer_);
  const auto whole = head_.size() + body.size();
  iovec parts[2];
  std::size_t count = 0;
  if (sent_ < head_.size())
    parts[count++] = {head_.data() + sent_, head_.size() - sent_};
  const auto of_body = sent_ > head_.size() ? sent_ - head_.size() : 0;
  if (of_body < body.size())
    parts[count++] = {const_cast<char*>(body.data()) + of_body, body.size() - of_body};
  const auto result = stream_->send({parts, count});
  if (result.what == socket_stream::outcome::failed)
    return end();
  sent_ += result.bytes;
  if (sent_ == whole && !stream_->holds_output())
    return answered();
  stream_->wait_writable([self = shared_from_this()](bool failed) {
    if (!failed && self->phase_ == phase::writing)
      self->write_some();
  });
}

void session::answered() {
  if (then_) {
    phase_ = phase::gone;
    loop_.disarm(*this);
    auto then = std::move(then_);
    auto seat = client_seat_ ? std::make_shared<std::pair<std::shared_ptr<void>, std::shared_ptr<void>>>(
                                   std::move(seat_), std::move(client_seat_))
                             : std::shared_ptr<void>{};
    try {
      then({std::move(stream_), std::move(input_), seat ? std::move(seat) : std::move(seat_), std::move(unsent_head_)});
    } catch (const std::exception&) {
      // The socket went with it; nobody is left to be told.
    }
    return;
  }
  if (close_after_) {
    // Unread input would turn the close into a reset, which takes the answer away from the client.
    phase_ = phase::lingering;
    stream_->shutdown_send();
    loop_.arm(*this, linger_ms);
    return read_later();
  }
  first_ = false;
  answer_ = {};
  phase_ = phase::reading;
  new_request();
  loop_.arm(*this, server_->settings().idle_timeout_ms);
  if (input_.empty())
    return read_later();
  // Pipelined: later, so that a long row of requests is no deep row of calls.
  asio::post(loop_.io(), [self = shared_from_this()] {
    if (self->phase_ == phase::reading)
      self->parse();
  });
}

void session::end() noexcept {
  phase_ = phase::gone;
  count_refused(); // one that left without a request
  loop_.disarm(*this);
  if (stream_)
    stream_->close();
}

void session::fired() {
  const auto self = shared_from_this();
  if (phase_ == phase::handshake || (phase_ == phase::reading && first_))
    hit_limit("handshake_timeout");
  else if ((phase_ == phase::reading && parser_->got_some()) || phase_ == phase::writing)
    hit_limit("request_timeout");
  // A request that has begun hears why; anybody else is only slow.
  if (phase_ == phase::reading && parser_->got_some())
    return refuse(408, error_code::bad_message, "the request took too long");
  end();
}

} // namespace

void start_session(loop& on, std::shared_ptr<server> owner, std::unique_ptr<socket_stream> stream, session_peer peer,
                   std::shared_ptr<void> seat) {
  std::make_shared<session>(on, std::move(owner), std::move(stream), peer, std::move(seat))->start();
}

} // namespace troupe::http
