#pragma once

#include "transports/http/addresses.hpp"
#include "transports/http/seats.hpp"

#include <memory>
#include <string_view>

namespace troupe {
class loop;
class socket_stream;
} // namespace troupe

namespace troupe::http {

class server;

/// Why a session has no seat where all are taken: it may still ask how the node is.
inline constexpr std::string_view all_taken = "connections";

/// Who is connected, as the listener saw it.
struct session_peer {
  ip_address address;
  bool trusted_proxy = false; ///< Its forwarding headers count, and its clients take seats of their own.
  seat_refusal refused;       ///< Not empty: there was no place; the request is answered with that.
};

/// Serves HTTP/1.1 on a fresh socket until it ends or a route takes it over: TLS handshake, requests one after the
/// other, answers. Keeps itself alive. On the loop's thread.
void start_session(loop& on, std::shared_ptr<server> owner, std::unique_ptr<socket_stream> stream, session_peer peer,
                   std::shared_ptr<void> seat);

} // namespace troupe::http
