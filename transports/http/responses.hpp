#pragma once

#include "transports/http/route.hpp"

#include <string>
#include <string_view>

namespace troupe::http {

/// The head of an answer, with Date, Content-Length and Connection, to its empty line.
std::string response_head(const response& answer, bool close);

/// The body that is sent: `static_body` where there is one.
std::string_view body_of(const response& answer) noexcept;

/// The standard words for a status, for example "Not Found".
std::string_view reason_phrase(unsigned status) noexcept;

} // namespace troupe::http
