#include "tests/transports/beast_client.hpp"

#include "tests/transports/raw_client.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/websocket.hpp>

#include <stdexcept>

namespace beast = boost::beast;
namespace asio = boost::asio;

namespace troupe::testing {

/// A blocking socket, plain or TLS inside, as Beast wants a layer: one instantiation for both.
class blocking_layer {
public:
  using executor_type = asio::io_context::executor_type;

  blocking_layer(asio::io_context& io, std::uint16_t port, bool tls)
      : io_{io}
      , raw_{port, tls} {}

  executor_type get_executor() const noexcept { return io_.get_executor(); }

  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, boost::system::error_code& failed) {
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
      const asio::mutable_buffer into = *it;
      if (into.size() == 0)
        continue;
      const auto got = raw_.read_some(static_cast<char*>(into.data()), into.size());
      failed = got > 0    ? boost::system::error_code{}
               : got == 0 ? boost::system::error_code{asio::error::eof}
                          : boost::system::error_code{asio::error::connection_reset};
      return got > 0 ? static_cast<std::size_t>(got) : 0;
    }
    return 0;
  }
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers) {
    return checked([&](auto& failed) { return read_some(buffers, failed); });
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, boost::system::error_code& failed) {
    std::size_t sent = 0;
    failed = {};
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
      const asio::const_buffer from = *it;
      if (!raw_.send({static_cast<const char*>(from.data()), from.size()})) {
        failed = asio::error::broken_pipe;
        return sent;
      }
      sent += from.size();
    }
    return sent;
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers) {
    return checked([&](auto& failed) { return write_some(buffers, failed); });
  }

  raw_client& raw() noexcept { return raw_; }
  const raw_client& raw() const noexcept { return raw_; }

private:
  template <class F>
  static std::size_t checked(F f) {
    boost::system::error_code failed;
    const auto n = f(failed);
    if (failed)
      throw boost::system::system_error{failed};
    return n;
  }

  asio::io_context& io_;
  raw_client raw_;
};

void teardown(beast::role_type, blocking_layer& layer, boost::system::error_code& failed) {
  layer.raw().drop();
  failed = {};
}

struct beast_client::impl {
  impl(std::uint16_t port, bool tls)
      : socket{io, port, tls} {}

  asio::io_context io;
  beast::websocket::stream<blocking_layer> socket;
  beast::websocket::response_type answer;
  beast::flat_buffer buffer;
  std::string pong;
};

beast_client::beast_client(std::uint16_t port, client_options options)
    : impl_{std::make_unique<impl>(port, options.tls)} {
  auto& socket = impl_->socket;
  beast::websocket::permessage_deflate deflate;
  deflate.client_enable = options.deflate;
  socket.set_option(deflate);
  socket.set_option(beast::websocket::stream_base::decorator([&](beast::websocket::request_type& request) {
    for (const auto& [name, value] : options.headers)
      request.set(name, value);
  }));
  socket.control_callback([this](beast::websocket::frame_type kind, beast::string_view payload) {
    if (kind == beast::websocket::frame_type::pong)
      impl_->pong = std::string{payload};
  });
  socket.read_message_max(64 * 1024 * 1024);
  if (options.fragment) {
    socket.auto_fragment(true);
    socket.write_buffer_bytes(16);
  }
  boost::system::error_code failed;
  socket.handshake(impl_->answer, "127.0.0.1:" + std::to_string(port), options.path, failed);
  if (failed)
    throw std::runtime_error{std::to_string(impl_->answer.result_int()) + " " + failed.message()};
}

beast_client::~beast_client() = default;

void beast_client::send_text(std::string_view text) {
  impl_->socket.text(true);
  impl_->socket.write(asio::buffer(text.data(), text.size()));
}

void beast_client::send_binary(std::string_view bytes) {
  impl_->socket.binary(true);
  impl_->socket.write(asio::buffer(bytes.data(), bytes.size()));
}

std::optional<std::string> beast_client::receive() {
  boost::system::error_code failed;
  impl_->buffer.clear();
  impl_->socket.read(impl_->buffer, failed);
  if (failed)
    return std::nullopt;
  return beast::buffers_to_string(impl_->buffer.data());
}

bool beast_client::last_was_binary() const { return impl_->socket.got_binary(); }

void beast_client::ping(std::string_view payload) {
  impl_->socket.ping(beast::websocket::ping_data{beast::string_view{payload.data(), payload.size()}});
}

std::string beast_client::last_pong() const { return impl_->pong; }

void beast_client::close(std::uint16_t code, std::string_view reason) {
  boost::system::error_code ignored;
  impl_->socket.close(
      {static_cast<beast::websocket::close_code>(code), beast::string_view{reason.data(), reason.size()}}, ignored);
}

void beast_client::drop() { impl_->socket.next_layer().raw().drop(); }

std::uint16_t beast_client::close_code() const {
  const auto code = impl_->socket.reason().code;
  return code == beast::websocket::close_code::none ? 1006 : code;
}

std::string beast_client::close_reason() const { return std::string{impl_->socket.reason().reason.c_str()}; }

std::string beast_client::answer_header(std::string_view name) const {
  const auto value = impl_->answer[beast::string_view{name.data(), name.size()}];
  return {value.data(), value.size()};
}

std::string beast_client::certificate_subject() const { return impl_->socket.next_layer().raw().certificate_subject(); }

} // namespace troupe::testing
