#pragma once

// Every alias of Asio and Beast, and nowhere else. Beast itself is included by the one file that parses
// HTTP (transports/http/session.cpp); everything else needs sockets only.

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace boost::beast::http {}

namespace troupe {

namespace asio = boost::asio;
namespace http_wire = boost::beast::http;

using boost_error = boost::system::error_code;
using tcp = asio::ip::tcp;

/// Sockets bound to `io_context` itself: smaller and faster than through the type-erased executor.
using tcp_socket = asio::basic_stream_socket<tcp, asio::io_context::executor_type>;
using local_socket = asio::basic_stream_socket<asio::local::stream_protocol, asio::io_context::executor_type>;
using tcp_acceptor = asio::basic_socket_acceptor<tcp, asio::io_context::executor_type>;

} // namespace troupe
