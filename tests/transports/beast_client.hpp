#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::testing {

struct client_options {
  std::string path = "/realtime";
  bool tls = false;
  bool deflate = false;
  bool fragment = false; ///< Sends messages in frames of 16 bytes.
  std::map<std::string, std::string> headers = {};
};

/// A blocking WebSocket client made of Beast, as an outsider. Calls that wait fail after ten seconds.
class beast_client {
public:
  /// Throws std::runtime_error with what the server answered.
  beast_client(std::uint16_t port, client_options options = {});
  ~beast_client();

  void send_text(std::string_view text);
  void send_binary(std::string_view bytes);
  /// The next message; nothing when the connection has ended: see `close_code`.
  std::optional<std::string> receive();
  bool last_was_binary() const;
  void ping(std::string_view payload);
  /// The payload of the last pong that `receive` came across.
  std::string last_pong() const;
  void close(std::uint16_t code, std::string_view reason);
  /// Ends without a close frame.
  void drop();

  std::uint16_t close_code() const; ///< As the server gave it; 1006 where it gave none.
  std::string close_reason() const;
  /// A header of the 101 answer.
  std::string answer_header(std::string_view name) const;
  /// The subject of the server's certificate.
  std::string certificate_subject() const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::testing
