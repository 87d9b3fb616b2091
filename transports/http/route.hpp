#pragma once

#include "runtime/model/errors.hpp"
#include "runtime/system/loop.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {
class socket_stream;
} // namespace troupe

namespace troupe::http {

/// A request as a route sees it. The views live until it is answered or taken over.
struct request {
  std::string_view method;
  std::string_view path; ///< Not percent-decoded.
  std::string_view query;
  std::string_view body;
  bool http_1_1 = true;
  bool keep_alive = true;
  std::string address;    ///< Of the client, as far as trusted proxies say so.
  bool loopback = false;  ///< The socket's own peer is on loopback.
  bool forwarded = false; ///< It came with forwarding headers.
  bool secure = false;    ///< Over TLS.
};

/// What a route answers with.
struct response {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::vector<std::pair<std::string, std::string>> headers; ///< Others than type, length, date and connection.
  std::string body;
  std::string_view static_body; ///< Instead of `body`: must live for ever.
  bool close = false;           ///< End the connection after it.
};

/// An error as `application/problem+json` (RFC 9457) with one of Troupe's codes.
response problem(unsigned status, error_code code, std::string_view detail);

/// The header `Retry-After` (RFC 9110 section 10.2.3): whole seconds, at least one.
std::pair<std::string, std::string> retry_after(std::int64_t ms);

/// What a session gives up to a route that goes on with the socket itself.
struct taken_socket {
  std::unique_ptr<socket_stream> stream;
  std::string early;          ///< What the client sent behind its request.
  std::shared_ptr<void> seat; ///< Keep it as long as the socket: it is counted in the limits.
  std::string head;           ///< The answer's head, where it is still to be sent: with what follows, in one go.
};

/// One request and its answer. On the socket's loop; exactly one of `reply` and `take_over` is called, at once or
/// later. Nothing more is read from the client until then.
class exchange {
public:
  virtual ~exchange() = default;

  virtual const http::request& request() const noexcept = 0;
  /// The values of every header of this name, joined with ", ".
  virtual std::string header(std::string_view name) const = 0;
  virtual bool has_header(std::string_view name) const = 0;
  virtual loop& on() noexcept = 0;

  virtual void reply(response answer) = 0;
  /// Sends `head` as it is, a complete answer without a body, and then gives up the socket. Where the
  /// client is gone before that, `then` is not called.
  virtual void take_over(std::string head, std::function<void(taken_socket)> then) = 0;
};

/// Something served on a path. Shared by all loops: `serve` is called on any of them at the same time.
class route {
public:
  virtual ~route() = default;

  virtual bool matches(std::string_view path) const noexcept = 0;
  /// What it allows, as an `Allow` header says it; OPTIONS is answered for it.
  virtual std::string_view methods() const noexcept { return "GET, HEAD, OPTIONS"; }
  /// Larger bodies are answered with 413.
  virtual std::size_t body_bytes_max() const noexcept { return 0; }
  virtual void serve(std::shared_ptr<exchange> x) = 0;
};

} // namespace troupe::http
