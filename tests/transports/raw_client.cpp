#include "tests/transports/raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::testing {

raw_client::raw_client(std::uint16_t port, bool tls)
    : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{10, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    ::close(fd_);
    throw std::runtime_error{"cannot connect"};
  }
  if (!tls)
    return;
  context_ = SSL_CTX_new(TLS_client_method());
  ssl_ = SSL_new(context_);
  SSL_set_fd(ssl_, fd_);
  if (SSL_connect(ssl_) != 1) {
    drop();
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    throw std::runtime_error{"no TLS"};
  }
}

raw_client::~raw_client() {
  drop();
  SSL_free(ssl_);
  SSL_CTX_free(context_);
}

bool raw_client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ssl_ != nullptr ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                                      : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

ssize_t raw_client::read_some(char* into, std::size_t bytes) {
  if (!early_.empty()) {
    const auto take = early_.copy(into, bytes);
    early_.erase(0, take);
    return static_cast<ssize_t>(take);
  }
  if (ssl_ == nullptr)
    return ::recv(fd_, into, bytes, 0);
  const auto got = SSL_read(ssl_, into, static_cast<int>(bytes));
  return got > 0 ? got : SSL_get_error(ssl_, got) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

std::string raw_client::read_all() {
  std::string all;
  char buffer[16384];
  for (ssize_t got; (got = read_some(buffer, sizeof buffer)) > 0;)
    all.append(buffer, static_cast<std::size_t>(got));
  return all;
}

std::string raw_client::read_bytes(std::size_t count) {
  std::string all;
  char buffer[16384];
  while (all.size() < count) {
    const auto got = read_some(buffer, std::min(sizeof buffer, count - all.size()));
    if (got <= 0)
      break;
    all.append(buffer, static_cast<std::size_t>(got));
  }
  return all;
}

std::string raw_client::read_response() {
  std::string all;
  char buffer[4096];
  std::size_t whole = std::string::npos;
  while (all.size() < whole) {
    const auto got = read_some(buffer, sizeof buffer);
    if (got <= 0)
      return all;
    all.append(buffer, static_cast<std::size_t>(got));
    const auto head = all.find("\r\n\r\n");
    if (whole == std::string::npos && head != std::string::npos) {
      const auto length = all.find("Content-Length: ");
      whole = head + 4 + (length < head ? std::stoul(all.substr(length + 16)) : 0);
    }
  }
  early_ = all.substr(whole);
  return all.substr(0, whole);
}

std::string raw_client::upgrade(std::string_view path, std::string_view more_headers) {
  std::string request = "GET ";
  request.append(path).append(" HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
  request.append(more_headers).append("\r\n");
  send(request);
  return read_response();
}

std::string masked_frame(unsigned first_byte, std::string_view payload) {
  static constexpr char key[4] = {0x37, static_cast<char>(0xfa), 0x21, 0x3d};
  std::string frame;
  frame.push_back(static_cast<char>(first_byte));
  if (payload.size() < 126) {
    frame.push_back(static_cast<char>(0x80 | payload.size()));
  } else {
    const int width = payload.size() < 65536 ? 2 : 8;
    frame.push_back(static_cast<char>(0x80 | (width == 2 ? 126 : 127)));
    for (int i = width - 1; i >= 0; --i)
      frame.push_back(static_cast<char>(static_cast<std::uint64_t>(payload.size()) >> (8 * i)));
  }
  frame.append(key, 4);
  for (std::size_t i = 0; i < payload.size(); ++i)
    frame.push_back(static_cast<char>(payload[i] ^ key[i % 4]));
  return frame;
}

bool raw_client::send_frame(unsigned first_byte, std::string_view payload) {
  return send(masked_frame(first_byte, payload));
}

unsigned raw_client::read_frame(std::string& payload) {
  const auto head = read_bytes(2);
  if (head.size() < 2)
    return 0;
  std::uint64_t length = static_cast<unsigned char>(head[1]) & 0x7F;
  if (length >= 126) {
    const auto more = read_bytes(length == 126 ? 2 : 8);
    length = 0;
    for (const unsigned char c : more)
      length = length << 8 | c;
  }
  payload = read_bytes(length);
  return payload.size() < length ? 0 : static_cast<unsigned char>(head[0]);
}

std::uint16_t raw_client::read_close_code() {
  std::string payload;
  while (const auto first = read_frame(payload))
    if ((first & 0x0F) == 8)
      return payload.size() < 2 ? 1005
                                : static_cast<std::uint16_t>(static_cast<unsigned char>(payload[0]) << 8 |
                                                             static_cast<unsigned char>(payload[1]));
  return 1006;
}

bool raw_client::wait_reset() {
  pollfd watched{fd_, 0, 0}; // errors are always told
  return ::poll(&watched, 1, 10'000) == 1 && (watched.revents & POLLERR) != 0;
}

void raw_client::drop() noexcept {
  if (fd_ >= 0)
    ::close(fd_);
  fd_ = -1;
}

std::string raw_client::certificate_subject() const {
  auto* certificate = SSL_get1_peer_certificate(ssl_);
  char name[256] = {};
  X509_NAME_oneline(X509_get_subject_name(certificate), name, sizeof name);
  X509_free(certificate);
  return name;
}

} // namespace troupe::testing
