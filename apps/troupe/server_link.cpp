#include "apps/troupe/server_link.hpp"

#include "apps/troupe/command.hpp"
#include "apps/troupe/server_address.hpp"
#include "runtime/wire/parse.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#ifndef TROUPE_VERSION
#error "TROUPE_VERSION must come from the build"
#endif

namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
namespace asio = boost::asio;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using boost_error = boost::system::error_code;

namespace troupe::cli {

struct link_loop::impl {
  asio::io_context io{1};
};

link_loop::link_loop()
    : impl_{std::make_unique<impl>()} {}
link_loop::~link_loop() = default;

void link_loop::run_for(std::chrono::milliseconds most) {
  impl_->io.restart();
  if (impl_->io.run_one_for(most) > 0)
    impl_->io.poll();
}

namespace {

constexpr std::size_t message_bytes_max = std::size_t{64} << 20;
constexpr std::chrono::seconds patience{10};
constexpr std::chrono::seconds silence_max{90}; ///< The server pings long before.

/// A server with keys says nothing to who has shown no token, and waits until it gives up. Asked something, it refuses
/// at once; one without keys has said `hello` before it answers.
constexpr std::string_view knock_id = "troupe-knock";

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~')
      out += c;
    else
      out.append({'%', digits[byte >> 4U], digits[byte & 15U]});
  }
  return out;
}

/// Codes by which the server says whether to come back (docs/protocol.md, "Close codes").
bool may_come_back(std::uint16_t code) noexcept {
  return code == 1001 || code == 1006 || (code >= 1011 && code <= 1013) || (code >= 3000 && code < 3500);
}

} // namespace

/// What outlives a server_link until its last handler has run.
class server_link::session : public std::enable_shared_from_this<session> {
public:
  virtual ~session() = default;
  virtual void start() = 0;
  virtual void drop() = 0;

  void send(std::string text) {
    if (ended_ || closing_)
      return;
    bytes_ += text.size();
    queue_.push_back(std::move(text));
    if (open_)
      write_next();
  }
  void close() {
    if (ended_ || closing_)
      return;
    closing_ = true;
    if (!open_)
      drop();
    else if (!writing_)
      say_goodbye();
  }
  void forget() { receive_ = nullptr; }

  bool is_open() const noexcept { return open_ && !ended_; }
  const std::optional<link_end>& ended() const noexcept { return ended_; }
  std::size_t waiting_bytes() const noexcept { return bytes_; }

protected:
  session(server_address where, const link_options& how, on_message receive)
      : where_{std::move(where)}
      , how_{how}
      , receive_{std::move(receive)} {}

  virtual void write_next() = 0;
  virtual void say_goodbye() = 0;

  void end(std::string why, bool come_back) {
    if (!ended_)
      ended_ = link_end{std::move(why), come_back};
  }
  void cannot(const std::string& what, const boost_error& why, bool come_back = true) {
    end("cannot " + what + " " + where_.host + ":" + where_.port + ": " + why.message(), come_back);
  }

  void knock() {
    std::string text;
    wire::write_json(text, {{"type", "ping"}, {"id", knock_id}});
    bytes_ += text.size();
    queue_.push_front(std::move(text)); // the others wait for hello
    write_next();
  }

  void received(std::string_view text) {
    auto envelope = wire::parse({text, encoding::json});
    if (!envelope)
      return end("the server sent something that is no JSON", false);
    const auto type = (*envelope)["type"].as_string().value_or("");
    if (open_) {
      const bool is_own = type == "pong" && (*envelope)["id"].as_string() == knock_id;
      if (receive_ && !is_own)
        receive_(*envelope, text);
    } else if (type == "hello") {
      open_ = true;
      if (!queue_.empty())
        write_next();
    } else if (type == "error") {
      const auto& payload = (*envelope)["payload"];
      if (how_.token.empty() && payload["code"].as_string() == "unauthorized")
        return end("the server wants a token (--token-file FILE, or the variable TROUPE_TOKEN)", false);
      end("the server refused: " + std::string{payload["message"].as_string().value_or("it does not say why")},
          payload["temporary"].as_bool().value_or(false));
    }
  }

  server_address where_;
  link_options how_;
  on_message receive_;
  std::optional<link_end> ended_;
  std::deque<std::string> queue_;
  std::size_t bytes_ = 0;
  bool open_ = false;
  bool writing_ = false;
  bool closing_ = false;
};

namespace {

using plain_stream = beast::tcp_stream;
using tls_stream = beast::ssl_stream<beast::tcp_stream>;

/// A session over one kind of stream.
template <class Stream>
class session_over final : public server_link::session {
public:
  template <class... Args>
  session_over(asio::io_context& io, server_address where, const link_options& how, server_link::on_message receive,
               Args&... args)
      : session{std::move(where), how, std::move(receive)}
      , resolver_{io}
      , socket_{io, args...} {}

  void start() override {
    resolver_.async_resolve(this->where_.host, this->where_.port,
                            [self = self()](boost_error failed, const tcp::resolver::results_type& found) {
                              if (failed)
                                return self->cannot("find", failed);
                              self->connect(found);
                            });
  }

  void drop() override {
    this->end("closed", false);
    resolver_.cancel();
    beast::get_lowest_layer(socket_).close();
  }

private:
  std::shared_ptr<session_over> self() { return std::static_pointer_cast<session_over>(this->shared_from_this()); }

  void connect(const tcp::resolver::results_type& found) {
    auto& raw = beast::get_lowest_layer(socket_);
    raw.expires_after(patience);
    raw.async_connect(found, [self = self()](boost_error failed, const tcp::endpoint&) {
      if (failed)
        return self->cannot("connect to", failed);
      boost_error ignored;
      beast::get_lowest_layer(self->socket_).socket().set_option(tcp::no_delay{true}, ignored);
      self->secure();
    });
  }

  void secure() {
    if constexpr (std::is_same_v<Stream, tls_stream>) {
      auto& tls = socket_.next_layer();
      boost_error no_number;
      asio::ip::make_address(this->where_.host, no_number);
      if (no_number) // RFC 6066, section 3: names only
        SSL_set_tlsext_host_name(tls.native_handle(), this->where_.host.c_str());
      tls.set_verify_mode(ssl::verify_peer);
      tls.set_verify_callback(ssl::host_name_verification{this->where_.host});
      tls.async_handshake(ssl::stream_base::client, [self = self()](boost_error failed) {
        if (failed)
          return self->cannot("agree on TLS with", failed, false);
        self->upgrade();
      });
    } else {
      upgrade();
    }
  }

  void upgrade() {
    beast::get_lowest_layer(socket_).expires_never();
    websocket::stream_base::timeout times{};
    times.handshake_timeout = patience;
    times.idle_timeout = silence_max;
    times.keep_alive_pings = true;
    socket_.set_option(times);
    socket_.read_message_max(message_bytes_max);
    socket_.set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
      request.set(http::field::user_agent, "troupe/" TROUPE_VERSION);
      request.set(http::field::sec_websocket_protocol, "troupe.v1.json");
      if (!this->how_.token.empty())
        request.set(http::field::authorization, "Bearer " + this->how_.token);
    }));
    auto target = this->where_.path;
    if (!this->how_.user.empty())
      target += "?user=" + percent_encoded(this->how_.user);
    socket_.async_handshake(answer_, this->where_.authority(), target, [self = self()](boost_error failed) {
      if (failed == websocket::error::upgrade_declined)
        return self->declined();
      if (failed)
        return self->cannot("speak WebSocket with", failed);
      self->socket_.text(true);
      self->read();
      if (self->how_.token.empty())
        self->knock();
    });
  }

  void declined() {
    const auto status = answer_.result_int();
    this->end("the server refused the connection: " + std::to_string(status) + " " +
                  std::string{answer_.reason().data(), answer_.reason().size()},
              status >= 500 || status == 429);
  }

  void read() {
    socket_.async_read(buffer_, [self = self()](boost_error failed, std::size_t) {
      if (failed)
        return self->lost(failed);
      const auto data = self->buffer_.cdata();
      self->received({static_cast<const char*>(data.data()), data.size()});
      self->buffer_.clear();
      if (!self->ended_)
        self->read();
      else
        beast::get_lowest_layer(self->socket_).close();
    });
  }

  void lost(const boost_error& failed) {
    if (this->closing_)
      return this->end("closed", false);
    if (failed != websocket::error::closed)
      return this->end(
          "the connection to " + this->where_.host + ":" + this->where_.port + " was lost: " + failed.message(), true);
    const auto& reason = socket_.reason();
    const std::string said{reason.reason.data(), reason.reason.size()};
    this->end("the server closed the connection: " + (said.empty() ? "" : said + " ") + "(" +
                  std::to_string(reason.code) + ")",
              may_come_back(reason.code));
  }

  void write_next() override {
    if (this->writing_ || this->queue_.empty() || this->ended_)
      return;
    this->writing_ = true;
    socket_.async_write(asio::buffer(this->queue_.front()), [self = self()](boost_error failed, std::size_t) {
      self->writing_ = false;
      if (failed)
        return self->lost_by_writing(failed);
      self->bytes_ -= self->queue_.front().size();
      self->queue_.pop_front();
      if (!self->queue_.empty())
        self->write_next();
      else if (self->closing_)
        self->say_goodbye();
    });
  }

  /// The reader learns why, for what the server said comes that way.
  void lost_by_writing(const boost_error&) { this->queue_.clear(); }

  void say_goodbye() override {
    socket_.async_close(websocket::close_code::normal, [self = self()](boost_error) { self->end("closed", false); });
  }

  tcp::resolver resolver_;
  websocket::stream<Stream> socket_;
  websocket::response_type answer_;
  beast::flat_buffer buffer_;
};

std::shared_ptr<ssl::context> trust(const std::string& ca_file) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  context->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  boost_error failed;
  context->set_default_verify_paths(failed);
  if (!ca_file.empty())
    context->load_verify_file(ca_file, failed);
  if (failed)
    throw command_failed{exit_cannot, "cannot read the certificates in " + ca_file + ": " + failed.message()};
  return context;
}

} // namespace

server_link::server_link(link_loop& loop, const link_options& options, on_message receive) {
  auto where = parse_address(options.url);
  auto& io = loop.inside().io;
  if (where.tls) {
    const auto context = trust(options.ca_file); // streams share ownership of what is inside
    session_ = std::make_shared<session_over<tls_stream>>(io, std::move(where), options, std::move(receive), *context);
  } else {
    session_ = std::make_shared<session_over<plain_stream>>(io, std::move(where), options, std::move(receive));
  }
  session_->start();
}

server_link::~server_link() {
  session_->forget();
  if (!session_->ended())
    session_->drop();
}

bool server_link::is_open() const noexcept { return session_->is_open(); }
const std::optional<link_end>& server_link::ended() const noexcept { return session_->ended(); }
void server_link::send(const value& envelope) {
  std::string text;
  wire::write_json(text, envelope);
  session_->send(std::move(text));
}
std::size_t server_link::waiting_bytes() const noexcept { return session_->waiting_bytes(); }
void server_link::close() { session_->close(); }

} // namespace troupe::cli
