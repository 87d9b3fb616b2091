// The baseline that Troupe is measured against: a plain room server on Boost.Beast, without actors.
// One thread; a published message is encoded once into a string that all members share; each
// connection has a queue of such strings and writes them one message at a time.
//
// Protocol, in text messages: "S room" joins and is answered "OK"; "P room payload" sends
// "M room payload" to everyone in the room, the sender included where it has joined.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
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
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using executor = asio::io_context::executor_type;
using socket_type = asio::basic_stream_socket<tcp, executor>;

class session;
using room_table = std::unordered_map<std::string, std::vector<session*>>;

/// One connection: reads a message at a time, writes a message at a time.
class session : public std::enable_shared_from_this<session> {
public:
  session(socket_type&& socket, room_table& rooms)
      : stream_(std::move(socket))
      , rooms_(rooms) {}

  ~session() {
    for (auto* members : joined_)
      std::erase(*members, this);
  }

  void run() {
    stream_.async_accept([self = shared_from_this()](error_code error) {
      if (!error)
        self->read();
    });
  }

private:
  void read() {
    stream_.async_read(buffer_, [self = shared_from_this()](error_code error, std::size_t) {
      if (error)
        return;
      const auto data = self->buffer_.cdata();
      self->on_message({static_cast<const char*>(data.data()), data.size()});
      self->buffer_.consume(data.size());
      self->read();
    });
  }

  void on_message(std::string_view text) {
    if (text.starts_with("S ")) {
      auto& members = rooms_[std::string{text.substr(2)}];
      members.push_back(this);
      joined_.push_back(&members);
      send(std::make_shared<const std::string>("OK"));
    } else if (text.starts_with("P ")) {
      const auto room = rooms_.find(std::string{text.substr(2, text.find(' ', 2) - 2)});
      if (room == rooms_.end())
        return;
      auto shared = std::make_shared<std::string>(text);
      shared->front() = 'M';
      const std::shared_ptr<const std::string> frame = std::move(shared);
      for (auto* member : room->second)
        member->send(frame);
    }
  }

  void send(std::shared_ptr<const std::string> frame) {
    queue_.push_back(std::move(frame));
    if (queue_.size() == 1)
      write();
  }

  void write() {
    stream_.async_write(asio::buffer(*queue_.front()), [self = shared_from_this()](error_code error, std::size_t) {
      if (error)
        return;
      self->queue_.pop_front();
      if (!self->queue_.empty())
        self->write();
    });
  }

  websocket::stream<socket_type> stream_;
  room_table& rooms_;
  beast::flat_buffer buffer_;
  std::deque<std::shared_ptr<const std::string>> queue_;
  std::vector<std::vector<session*>*> joined_;
};

using acceptor_type = asio::basic_socket_acceptor<tcp, executor>;

void accept(acceptor_type& acceptor, room_table& rooms) {
  acceptor.async_accept([&](error_code error, socket_type socket) {
    if (!error) {
      socket.set_option(tcp::no_delay{true}, error);
      std::make_shared<session>(std::move(socket), rooms)->run();
    }
    accept(acceptor, rooms);
  });
}

} // namespace

int main(int argc, char** argv) {
  try {
    room_table rooms; // Outlives the sessions, which the io_context owns through their handlers.
    asio::io_context io{1};
    const auto port = static_cast<unsigned short>(argc > 1 ? std::atoi(argv[1]) : 9002);
    acceptor_type acceptor{io.get_executor(), tcp::endpoint{asio::ip::address_v4::loopback(), port}};
    acceptor.listen(4096);
    accept(acceptor, rooms);
    io.run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "beast_server: %s\n", e.what());
    return 1;
  }
}
