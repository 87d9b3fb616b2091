#pragma once

// The seam between transports and actors. A transport decodes what a client sends and hands it to an
// `ingress`; the actors write to the client through a `link`. Neither CAF nor Beast appears here.

#include "runtime/model/errors.hpp"
#include "runtime/model/message.hpp"
#include "runtime/wire/encoder.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace troupe {
class loop;
class metrics;
struct config;
struct identity;
} // namespace troupe

namespace troupe::edge {

/// Why a connection ended, as the transport saw it.
struct close_info {
  close_code code = close_code::abnormal; ///< As the peer gave it; `abnormal` where it gave none.
  std::string reason;
  bool by_peer = true;
};

/// The output half of a client: what a transport gives a connection to write to its socket. All
/// calls on the loop that owns the socket.
class link {
public:
  virtual ~link() = default;

  /// The format of what is written: the encoder whose frames `write` expects.
  virtual const wire::encoder& format() const noexcept = 0;

  /// Takes slices in order, each of whole frames, in one system call where the socket has room.
  /// Never blocks. What a socket takes of a slice counts as the whole slice: the link keeps the rest.
  /// @returns how many were taken; fewer than given means: wait for `ingress::writable`
  virtual std::size_t write(std::span<const wire::slice> slices) = 0;

  /// What lies beneath, that `write` uses as well: to be fetched early. Null where there is nothing.
  virtual const void* beneath() const noexcept { return nullptr; }

  /// Stops or starts reading from the client. While it is stopped TCP slows the client down, and
  /// heartbeat deadlines stand still. At first it reads.
  virtual void pause_reading(bool paused) = 0;

  /// Ends the connection: what was taken so far up to the end of the frame in progress, then the
  /// close frame with its code, then at most `linger_ms_max` for the peer to answer, then a reset.
  /// `ingress::closed` is not called for it. Idempotent.
  virtual void close(close_code code, std::string_view reason) = 0;

  /// As `close`, but everything that was taken goes before the close frame. Idempotent, as is `close` after it.
  virtual void close_when_sent(close_code code, std::string_view reason) { close(code, reason); }
};

/// What `ingress::received` wants next.
enum class flow : std::uint8_t {
  more,
  pause, ///< The message was taken, but no more now: as `pause_reading(true)`.
};

/// The input half of a client: the actors' side. All calls on the loop that owns the socket.
class ingress {
public:
  virtual ~ingress() = default;

  /// A decoded message; the views live for the call only.
  /// @param bytes what it took on the wire, for rate limits
  virtual flow received(const message_fields& fields, std::size_t bytes) = 0;

  /// A frame that was no valid envelope, within the limits of the transport.
  virtual flow malformed(const failure& why, std::string_view id) = 0;

  /// The link takes slices again.
  virtual void writable() = 0;

  /// The client is gone; the last call. The link is not written to afterwards.
  virtual void closed(const close_info& info) = 0;
};

/// Who is at the door, as a transport sees it.
struct handshake {
  std::string transport;   ///< For example "websocket".
  std::string address;     ///< Of the client, forwarded addresses of trusted proxies resolved.
  bool loopback = false;   ///< The socket's own peer is on loopback.
  bool forwarded = false;  ///< The request came with forwarding headers.
  bool local_host = false; ///< The Host header names this machine only (localhost, a loopback address).
  std::string path;
  std::optional<std::string> bearer; ///< A JWT from the Authorization header or a `troupe.token.*` subprotocol.
  std::optional<std::string> user;   ///< `?user=`, which counts only where no key is configured.
};

/// A refusal at the door: an HTTP status with an error code and a sentence.
struct refusal {
  unsigned http_status = 403;
  failure why;
};

/// The right to open a connection. `who` is null where the first message must be `auth`.
struct grant {
  std::shared_ptr<const identity> who;
};

class transport;

/// What the kernel offers its transports. All calls are safe from any thread.
class host {
public:
  virtual ~host() = default;

  virtual const config& settings() const noexcept = 0;
  virtual metrics& counters() noexcept = 0;
  virtual std::size_t loop_count() const noexcept = 0;
  virtual loop& loop_at(std::size_t index) noexcept = 0;

  /// Decides who may enter: verifies the token where there is one.
  virtual std::variant<grant, refusal> admit(const handshake& request) = 0;

  /// Makes a connection actor on the loop that the caller is on. The actor writes `hello` itself.
  /// @returns where to deliver what the client sends; the link keeps it until `closed`
  virtual std::shared_ptr<ingress> open(loop& on, std::shared_ptr<link> out, const handshake& request, grant right) = 0;

  /// Tells the transport's supervisor that it stopped working; it is stopped and started again with backoff.
  virtual void failed(transport& who, std::string why) = 0;

  /// A limit of a transport was hit: counted in `/metrics` by its reason each time, and told as a `backpressure` event
  /// at most once a second, for strangers can make it happen as often as they like.
  /// @param subject the client's address
  virtual void pressure(std::string_view reason, std::string_view subject) = 0;

  /// What `/readyz` and `/healthz` answer: JSON with each part, and whether all is well.
  struct health {
    bool ready = false;
    bool alive = true;
    std::string json;
  };
  virtual health check() = 0;
  /// What `/metrics` answers: the Prometheus text format, version 0.0.4.
  virtual std::string render_metrics() = 0;
};

/// Accepts the clients of one protocol. Supervised: `start` may be called again after `stop`.
class transport {
public:
  virtual ~transport() = default;

  virtual std::string_view name() const noexcept = 0;

  /// Begins to accept. Throws std::runtime_error with one clear line where it cannot (port in use, no
  /// permission, bad certificate).
  virtual void start(host& on) = 0;

  /// Stops to accept; existing connections go on. Idempotent. Returns when no accept is under way.
  virtual void stop() noexcept = 0;

  /// Clients whose sockets are still open, those that are being told goodbye included: a drain waits for them.
  /// From any thread.
  virtual std::size_t clients() const noexcept { return 0; }

  /// Reads certificates and lists again; connections go on. Throws std::runtime_error, keeping the old ones.
  virtual void reload() {}
};

} // namespace troupe::edge
