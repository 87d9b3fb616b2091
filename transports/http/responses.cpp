#include "transports/http/responses.hpp"

#include "runtime/model/json_text.hpp"

#include <algorithm>
#include <ctime>

namespace troupe::http {

namespace {

/// The Date header (RFC 9110 section 5.6.7), formatted once a second.
const std::string& date() {
  thread_local std::time_t at = 0;
  thread_local std::string text;
  const auto now = std::time(nullptr);
  if (now != at) {
    std::tm parts{};
    gmtime_r(&now, &parts);
    char out[40];
    text.assign(out, std::strftime(out, sizeof out, "%a, %d %b %Y %H:%M:%S GMT", &parts));
    at = now;
  }
  return text;
}

} // namespace

std::string_view reason_phrase(unsigned status) noexcept {
  switch (status) {
  case 101:
    return "Switching Protocols";
  case 200:
    return "OK";
  case 204:
    return "No Content";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 408:
    return "Request Timeout";
  case 413:
    return "Content Too Large";
  case 426:
    return "Upgrade Required";
  case 429:
    return "Too Many Requests";
  case 431:
    return "Request Header Fields Too Large";
  case 500:
    return "Internal Server Error";
  case 503:
    return "Service Unavailable";
  case 505:
    return "HTTP Version Not Supported";
  default:
    return "Status";
  }
}

std::string_view body_of(const response& answer) noexcept {
  return answer.static_body.empty() ? std::string_view{answer.body} : answer.static_body;
}

std::string response_head(const response& answer, bool close) {
  std::string head = "HTTP/1.1 " + std::to_string(answer.status) + " ";
  head.append(reason_phrase(answer.status)).append("\r\nDate: ").append(date());
  if (answer.status != 204) {
    head.append("\r\nContent-Type: ").append(answer.content_type);
    head.append("\r\nX-Content-Type-Options: nosniff\r\nContent-Length: ")
        .append(std::to_string(body_of(answer).size()));
  }
  for (const auto& [name, value] : answer.headers)
    head.append("\r\n").append(name).append(": ").append(value);
  head.append(close ? "\r\nConnection: close\r\n\r\n" : "\r\nConnection: keep-alive\r\n\r\n");
  return head;
}

response problem(unsigned status, error_code code, std::string_view detail) {
  response out;
  out.status = status;
  out.content_type = "application/problem+json";
  out.headers.emplace_back("Cache-Control", "no-store");
  out.body = "{\"type\":\"about:blank\",\"title\":";
  append_json_string(out.body, reason_phrase(status));
  out.body.append(",\"status\":").append(std::to_string(status)).append(",\"code\":");
  append_json_string(out.body, to_string(code));
  out.body.append(",\"detail\":");
  append_json_string(out.body, detail);
  out.body.append(is_temporary(code) ? ",\"temporary\":true}" : ",\"temporary\":false}");
  return out;
}

std::pair<std::string, std::string> retry_after(std::int64_t ms) {
  return {"Retry-After", std::to_string(std::max<std::int64_t>((ms + 999) / 1000, 1))};
}

} // namespace troupe::http
