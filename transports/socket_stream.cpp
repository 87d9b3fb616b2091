#include "transports/socket_stream.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

namespace troupe {

namespace {

constexpr std::size_t record_bytes_max = 16 * 1024; // RFC 8446 section 5.1

// OpenSSL's own socket BIO writes with write(2), which raises SIGPIPE; this one does not.
int fd_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

bool is_retry(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

int bio_write(BIO* bio, const char* data, int bytes) {
  BIO_clear_retry_flags(bio);
  const auto sent = ::send(fd_of(bio), data, static_cast<std::size_t>(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && is_retry(errno))
    BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* into, int bytes) {
  BIO_clear_retry_flags(bio);
  const auto got = ::recv(fd_of(bio), into, static_cast<std::size_t>(bytes), MSG_DONTWAIT);
  if (got < 0 && is_retry(errno))
    BIO_set_retry_read(bio);
  return static_cast<int>(got);
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* bio_method() {
  static BIO_METHOD* const method = [] {
    auto* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "troupe socket");
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_ctrl(m, bio_control);
    return m;
  }();
  return method;
}

thread_local const char* last_tls_error = nullptr;

/// Where the slices of a record are put together.
std::span<char> record_buffer() {
  thread_local const auto buffer = std::make_unique_for_overwrite<char[]>(record_bytes_max);
  return {buffer.get(), record_bytes_max};
}

} // namespace

std::span<char> socket_stream::loop_buffer() {
  constexpr std::size_t bytes = 64 * 1024;
  thread_local const auto buffer = std::make_unique_for_overwrite<char[]>(bytes);
  return {buffer.get(), bytes};
}

socket_stream::socket_stream(asio::io_context& io, int fd, bool v6, std::shared_ptr<ssl_ctx_st> context, bool client)
    : socket_{io.get_executor()} {
  boost_error failed;
  socket_.assign(v6 ? tcp::v6() : tcp::v4(), fd, failed);
  if (failed) {
    ::close(fd);
    return;
  }
  if (!context)
    return;
  ssl_ = SSL_new(context.get());
  auto* bio = ssl_ != nullptr ? BIO_new(bio_method()) : nullptr;
  if (bio == nullptr) {
    close();
    return;
  }
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  client ? SSL_set_connect_state(ssl_) : SSL_set_accept_state(ssl_);
}

socket_stream::~socket_stream() { SSL_free(ssl_); }

socket_stream::outcome socket_stream::tls_outcome(int returned, bool reading) noexcept {
  const int error = SSL_get_error(ssl_, returned);
  read_wants_write_ = reading && error == SSL_ERROR_WANT_WRITE;
  write_wants_read_ = !reading && error == SSL_ERROR_WANT_READ;
  switch (error) {
  case SSL_ERROR_NONE:
    return outcome::done;
  case SSL_ERROR_WANT_READ:
  case SSL_ERROR_WANT_WRITE:
    return outcome::would_block;
  case SSL_ERROR_ZERO_RETURN:
    return outcome::end;
  default:
    last_tls_error = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return outcome::failed;
  }
}

const char* socket_stream::tls_error() noexcept { return last_tls_error; }

socket_stream::outcome socket_stream::handshake() {
  if (!is_open())
    return outcome::failed;
  if (ssl_ == nullptr)
    return outcome::done;
  ERR_clear_error();
  return tls_outcome(SSL_do_handshake(ssl_), true);
}

socket_stream::result socket_stream::receive(std::span<char> into) {
  if (!is_open())
    return {outcome::failed, 0};
  if (ssl_ == nullptr) {
    const auto got = ::recv(native(), into.data(), into.size(), MSG_DONTWAIT);
    if (got > 0)
      return {outcome::done, static_cast<std::size_t>(got)};
    if (got == 0)
      return {outcome::end, 0};
    return {is_retry(errno) ? outcome::would_block : outcome::failed, 0};
  }
  std::size_t got = 0;
  // Whole records only, so that OpenSSL keeps nothing back that no wait would ever report.
  while (into.size() - got >= record_bytes_max) {
    ERR_clear_error();
    std::size_t bytes = 0;
    const int ok = SSL_read_ex(ssl_, into.data() + got, into.size() - got, &bytes);
    if (ok != 1) {
      const auto what = tls_outcome(ok, true);
      // What came before the end is delivered first; the next call says it again.
      return {got > 0 ? outcome::done : what, got};
    }
    got += bytes;
  }
  return {outcome::done, got};
}

socket_stream::result socket_stream::send(std::span<const iovec> parts) {
  if (!is_open())
    return {outcome::failed, 0};
  return ssl_ == nullptr ? send_plain(parts) : send_tls(parts);
}

socket_stream::result socket_stream::send_plain(std::span<const iovec> parts) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = std::min<std::size_t>(parts.size(), IOV_MAX);
  if (parts.empty())
    return {};
  std::size_t wanted = 0;
  for (const auto& part : parts.first(message.msg_iovlen))
    wanted += part.iov_len;
  // The kernel has less to do for a single buffer.
  const auto sent = parts.size() == 1
                        ? ::send(native(), parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT)
                        : ::sendmsg(native(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0)
    return {is_retry(errno) ? outcome::would_block : outcome::failed, 0};
  const auto bytes = static_cast<std::size_t>(sent);
  return {bytes < wanted ? outcome::would_block : outcome::done, bytes};
}

socket_stream::outcome socket_stream::write_record(const char* data, std::size_t bytes) {
  ERR_clear_error();
  std::size_t written = 0;
  const int ok = SSL_write_ex(ssl_, data, bytes, &written);
  const auto what = tls_outcome(ok, false);
  return ok != 1 && what == outcome::done ? outcome::failed : what;
}

socket_stream::result socket_stream::send_tls(std::span<const iovec> parts) {
  if (!record_.empty()) {
    if (const auto what = write_record(record_.data(), record_.size()); what != outcome::done)
      return {what, 0};
    std::string{}.swap(record_);
  }
  std::size_t sent = 0;
  std::size_t offset = 0; // in the first part that is left
  while (!parts.empty()) {
    const char* data = static_cast<const char*>(parts[0].iov_base) + offset;
    std::size_t bytes = parts[0].iov_len - offset;
    if (bytes >= record_bytes_max || parts.size() == 1) {
      bytes = std::min(bytes, record_bytes_max);
      offset += bytes;
    } else {
      const auto buffer = record_buffer();
      data = buffer.data();
      bytes = 0;
      while (!parts.empty() && bytes < record_bytes_max) {
        const auto take = std::min(parts[0].iov_len - offset, record_bytes_max - bytes);
        std::memcpy(buffer.data() + bytes, static_cast<const char*>(parts[0].iov_base) + offset, take);
        bytes += take;
        offset += take;
        if (offset < parts[0].iov_len)
          break;
        parts = parts.subspan(1);
        offset = 0;
      }
    }
    if (!parts.empty() && offset == parts[0].iov_len) {
      parts = parts.subspan(1);
      offset = 0;
    }
    if (bytes == 0)
      continue;
    const auto what = write_record(data, bytes);
    if (what == outcome::failed || what == outcome::end)
      return {outcome::failed, sent};
    sent += bytes;
    if (what == outcome::would_block) {
      record_.assign(data, bytes);
      return {outcome::would_block, sent};
    }
  }
  return {outcome::done, sent};
}

void socket_stream::shutdown_send() noexcept {
  if (!is_open())
    return;
  if (ssl_ != nullptr) {
    ERR_clear_error();
    SSL_shutdown(ssl_);
    ERR_clear_error();
  }
  ::shutdown(native(), SHUT_WR);
}

void socket_stream::close() noexcept {
  boost_error ignored;
  socket_.close(ignored);
}

void socket_stream::reset() noexcept {
  if (!is_open())
    return;
  const linger at_once{1, 0};
  ::setsockopt(native(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

} // namespace troupe
