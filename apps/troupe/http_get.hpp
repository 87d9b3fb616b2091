#pragma once

#include "apps/troupe/server_address.hpp"

#include <string>
#include <string_view>

namespace troupe::cli {

/// A status and what came with it.
struct http_answer {
  int status = 0;
  std::string body;
};

/// One GET over HTTP/1.0; at most 16 MiB, at most 5 s without a byte. With TLS the server's certificate has to be for
/// its name (RFC 9525).
/// @param ca_file trusted besides what the system trusts; empty: nothing
/// Throws std::runtime_error with one line that says what failed.
http_answer http_get(const server_address& to, std::string_view path, const std::string& ca_file);

} // namespace troupe::cli
