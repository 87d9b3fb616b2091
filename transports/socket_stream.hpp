#pragma once

#include "transports/asio.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <sys/uio.h>

struct ssl_ctx_st;
struct ssl_st;

namespace troupe {

/// A TCP socket that is plain or TLS inside. Nothing here blocks, and nothing is buffered that the kernel
/// takes: what a caller reads into is `loop_buffer`, one for all sockets of a loop, so that an idle connection
/// holds no buffer at all. Used on one loop only.
class socket_stream {
public:
  enum class outcome : std::uint8_t {
    done,
    would_block, ///< Wait; `bytes` were moved all the same.
    end,         ///< The peer sends no more.
    failed,      ///< The connection is lost.
  };
  struct result {
    outcome what = outcome::done;
    std::size_t bytes = 0;
  };

  /// Takes over a connected, non-blocking socket.
  /// @param context makes it TLS, as the server unless `client` says otherwise; null: plain
  socket_stream(asio::io_context& io, int fd, bool v6, std::shared_ptr<ssl_ctx_st> context, bool client = false);
  ~socket_stream();
  socket_stream(const socket_stream&) = delete;
  socket_stream& operator=(const socket_stream&) = delete;

  /// The TLS handshake: call again after `wait_readable` (which waits for what TLS wants) while it would block.
  outcome handshake();
  /// Why the last TLS call on this thread failed, in OpenSSL's words; null: not known.
  static const char* tls_error() noexcept;

  /// Reads what is there, at most `into.size()` bytes.
  result receive(std::span<char> into);

  /// Writes the parts in order: one system call, or one a TLS record of up to 16 KiB. A record that the kernel
  /// took in part counts as sent and is kept here: see `holds_output`.
  result send(std::span<const iovec> parts);

  /// Whether a TLS record waits to be sent: call `send` (with nothing, if nothing is left) when writable.
  bool holds_output() const noexcept { return !record_.empty(); }

  /// Calls `then(failed)` once when reading makes sense again. Asio keeps and reuses the memory for it.
  template <class Handler>
  void wait_readable(Handler&& then) {
    wait(read_wants_write_ ? tcp_socket::wait_write : tcp_socket::wait_read, std::forward<Handler>(then));
  }
  template <class Handler>
  void wait_writable(Handler&& then) {
    wait(write_wants_read_ ? tcp_socket::wait_read : tcp_socket::wait_write, std::forward<Handler>(then));
  }

  /// Says that nothing more comes: close_notify, then FIN.
  void shutdown_send() noexcept;
  /// Closes; pending waits end as failed.
  void close() noexcept;
  /// Closes with a reset: what the kernel still holds is thrown away.
  void reset() noexcept;

  bool is_open() const noexcept { return socket_.is_open(); }
  bool secure() const noexcept { return ssl_ != nullptr; }
  /// To ask who the peer is; null: plain.
  ssl_st* session() const noexcept { return ssl_; }
  int native() noexcept { return socket_.native_handle(); }

  /// 64 KiB that every socket of this thread reads into; what it holds is lost with the next receive.
  static std::span<char> loop_buffer();

private:
  template <class Handler>
  void wait(tcp_socket::wait_type what, Handler&& then) {
    socket_.async_wait(what, [f = std::forward<Handler>(then)](const boost_error& e) mutable { f(bool{e}); });
  }
  outcome tls_outcome(int returned, bool reading) noexcept;
  result send_plain(std::span<const iovec> parts) noexcept;
  result send_tls(std::span<const iovec> parts);
  outcome write_record(const char* data, std::size_t bytes);

  tcp_socket socket_;
  ssl_st* ssl_ = nullptr;
  std::string record_; ///< A record that OpenSSL began to send; it must be given again.
  bool read_wants_write_ = false;
  bool write_wants_read_ = false;
};

} // namespace troupe
