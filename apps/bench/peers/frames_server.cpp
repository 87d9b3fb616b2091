// beast_server with the frames by hand: the same rooms, the same queue of shared strings, one async_write a
// message, but Asio's socket where that has Beast's WebSocket stream. What the two differ by is what the stream
// costs (docs/decisions/0002-own-websocket-frames.md). It checks less than a real server must: no fragments, no
// UTF-8, no close handshake, and no message that does not fit into its buffer.

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using executor = asio::io_context::executor_type;
using socket_type = asio::basic_stream_socket<tcp, executor>;
using shared_bytes = std::shared_ptr<const std::string>;

class session;
using room_table = std::unordered_map<std::string, std::vector<session*>>;

char receive_buffer[64 * 1024]; // Of all connections: one thread reads from one at a time.

/// RFC 6455, section 4.2.2.
std::string accept_key(std::string_view key) {
  const auto text = std::string{key} + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  unsigned char out[32];
  const auto size = EVP_EncodeBlock(out, digest, sizeof digest);
  return {reinterpret_cast<char*>(out), static_cast<std::size_t>(size)};
}

/// A text frame (RFC 6455, section 5.2); less than 64 KiB.
shared_bytes make_frame(std::string_view text) {
  auto out = std::make_shared<std::string>();
  out->reserve(text.size() + 4);
  *out += static_cast<char>(0x81);
  if (text.size() < 126) {
    *out += static_cast<char>(text.size());
  } else {
    *out += static_cast<char>(126);
    *out += static_cast<char>(text.size() >> 8);
    *out += static_cast<char>(text.size());
  }
  *out += text;
  return out;
}

/// RFC 6455, section 5.3; eight bytes at a time.
void unmask(char* data, std::size_t size) {
  std::uint32_t key = 0;
  std::memcpy(&key, data - 4, 4);
  const auto twice = std::uint64_t{key} << 32 | key;
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + i, 8);
    word ^= twice;
    std::memcpy(data + i, &word, 8);
  }
  for (; i < size; ++i)
    data[i] = static_cast<char>(data[i] ^ static_cast<char>(key >> (8 * (i & 3))));
}

/// One connection: reads what has arrived and takes all frames of it, writes a message at a time.
class session : public std::enable_shared_from_this<session> {
public:
  session(socket_type&& socket, room_table& rooms)
      : socket_(std::move(socket))
      , rooms_(rooms) {}

  ~session() {
    for (auto* members : joined_)
      std::erase(*members, this);
  }

  void read() {
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
      if (!error && self->on_readable())
        self->read();
    });
  }

private:
  bool on_readable() {
    const auto kept = rest_.size();
    std::memcpy(receive_buffer, rest_.data(), kept);
    error_code error;
    const auto got = socket_.read_some(asio::buffer(receive_buffer + kept, sizeof receive_buffer - kept), error);
    if (error == asio::error::would_block)
      return true;
    const auto size = kept + got;
    std::size_t used = 0;
    if (error || (!upgraded_ && !upgrade({receive_buffer, size}, used)))
      return false;
    while (upgraded_)
      if (const auto one = take(receive_buffer + used, size - used); one > 0)
        used += one;
      else if (closing_)
        return false;
      else
        break;
    rest_.assign(receive_buffer + used, size - used);
    return true;
  }

  bool upgrade(std::string_view request, std::size_t& used) {
    constexpr std::string_view header = "Sec-WebSocket-Key: ";
    const auto end = request.find("\r\n\r\n"), key = request.find(header);
    if (end == request.npos)
      return true;
    if (key == request.npos)
      return false;
    upgraded_ = true;
    used = end + 4;
    send(std::make_shared<const std::string>("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                             "Connection: Upgrade\r\nSec-WebSocket-Accept: " +
                                             accept_key(request.substr(key + header.size(), 24)) + "\r\n\r\n"));
    return true;
  }

  /// @returns the bytes of the frame that it took; 0 where there is no whole one
  std::size_t take(char* at, std::size_t size) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(at[i]); };
    if (size < 6)
      return 0;
    std::size_t length = byte(1) & 127, header = 6;
    if (length == 126) {
      length = static_cast<std::size_t>(byte(2)) << 8 | byte(3);
      header = 8;
    }
    closing_ = length == 127 || (byte(0) & 15) == 8;
    if (closing_ || size < header + length)
      return 0;
    unmask(at + header, length);
    on_message(at + header, length);
    return header + length;
  }

  void on_message(char* data, std::size_t size) {
    const std::string_view text{data, size};
    if (text.starts_with("S ")) {
      auto& members = rooms_[std::string{text.substr(2)}];
      members.push_back(this);
      joined_.push_back(&members);
      send(make_frame("OK"));
    } else if (text.starts_with("P ")) {
      const auto room = rooms_.find(std::string{text.substr(2, text.find(' ', 2) - 2)});
      if (room == rooms_.end())
        return;
      data[0] = 'M';
      const auto frame = make_frame(text);
      for (auto* member : room->second)
        member->send(frame);
    }
  }

  void send(shared_bytes frame) {
    queue_.push_back(std::move(frame));
    if (queue_.size() == 1)
      write();
  }

  void write() {
    asio::async_write(socket_, asio::buffer(*queue_.front()),
                      [self = shared_from_this()](error_code error, std::size_t) {
                        if (error)
                          return;
                        self->queue_.pop_front();
                        if (!self->queue_.empty())
                          self->write();
                      });
  }

  socket_type socket_;
  room_table& rooms_;
  bool upgraded_ = false;
  bool closing_ = false;
  std::string rest_; ///< The beginning of a frame whose end has not arrived.
  std::deque<shared_bytes> queue_;
  std::vector<std::vector<session*>*> joined_;
};

using acceptor_type = asio::basic_socket_acceptor<tcp, executor>;

void accept(acceptor_type& acceptor, room_table& rooms) {
  acceptor.async_accept([&](error_code error, socket_type socket) {
    if (!error) {
      socket.set_option(tcp::no_delay{true}, error);
      socket.non_blocking(true, error);
      std::make_shared<session>(std::move(socket), rooms)->read();
    }
    accept(acceptor, rooms);
  });
}

} // namespace

int main(int argc, char** argv) {
  try {
    room_table rooms; // Outlives the sessions, which the io_context owns through their handlers.
    asio::io_context io{1};
    const auto port = static_cast<unsigned short>(argc > 1 ? std::atoi(argv[1]) : 9013);
    acceptor_type acceptor{io.get_executor(), tcp::endpoint{asio::ip::address_v4::loopback(), port}};
    acceptor.listen(4096);
    accept(acceptor, rooms);
    io.run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "frames_server: %s\n", e.what());
    return 1;
  }
}
