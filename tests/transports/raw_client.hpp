#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>

struct ssl_st;
struct ssl_ctx_st;

namespace troupe::testing {

/// A blocking TCP client, plain or TLS, that sends exactly the bytes that it is given. Reads fail after ten seconds.
class raw_client {
public:
  raw_client(std::uint16_t port, bool tls = false);
  ~raw_client();
  raw_client(const raw_client&) = delete;
  raw_client& operator=(const raw_client&) = delete;

  bool send(std::string_view bytes);
  /// As recv(2): 0 at the end, -1 for an error.
  ssize_t read_some(char* into, std::size_t bytes);
  /// Everything until the server ends the connection.
  std::string read_all();
  /// At least so many bytes, fewer only at the end.
  std::string read_bytes(std::size_t count);
  /// A head to its empty line and the body that its Content-Length says.
  std::string read_response();
  /// Upgrades to a WebSocket. @returns the answer's head
  std::string upgrade(std::string_view path = "/realtime", std::string_view more_headers = {});
  /// Sends a masked frame.
  bool send_frame(unsigned first_byte, std::string_view payload);
  /// The code of the next close frame that comes, other frames skipped; 1006 where none comes.
  std::uint16_t read_close_code();
  /// The next unmasked frame: its first byte and its payload; 0 at the end.
  unsigned read_frame(std::string& payload);
  /// Whether the connection is reset within ten seconds.
  bool wait_reset();
  void drop() noexcept;
  std::string certificate_subject() const;

private:
  int fd_ = -1;
  ssl_ctx_st* context_ = nullptr;
  ssl_st* ssl_ = nullptr;
  std::string early_;
};

/// A masked client frame.
std::string masked_frame(unsigned first_byte, std::string_view payload);

} // namespace troupe::testing
