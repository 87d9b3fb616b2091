#pragma once

#include <string>
#include <string_view>

namespace troupe::cli {

/// A status and what came with it.
struct http_answer {
  int status = 0;
  std::string body;
};

/// One GET over HTTP/1.0, without TLS; at most 16 MiB, at most 5 s without a byte.
/// @param url "http://HOST:PORT", a numeric address or a name; the port is 80 where there is none
/// Throws std::runtime_error with one line that says what failed.
http_answer http_get(const std::string& url, std::string_view path);

} // namespace troupe::cli
