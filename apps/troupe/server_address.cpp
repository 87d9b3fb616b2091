#include "apps/troupe/server_address.hpp"

#include "apps/troupe/command.hpp"

#include <algorithm>
#include <string_view>

namespace troupe::cli {
namespace {

struct scheme {
  std::string_view prefix;
  bool tls;
};
constexpr scheme schemes[] = {{"ws://", false}, {"http://", false}, {"wss://", true}, {"https://", true}};

} // namespace

std::string server_address::authority() const {
  const auto name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (tls ? "443" : "80") ? name : name + ":" + port;
}

server_address parse_address(const std::string& url) {
  const auto wrong = [&](const char* why) -> command_failed {
    return {exit_usage, "\"" + url + "\" is no address of a server: " + why + " (ws://HOST:PORT/realtime)"};
  };
  const auto* const known = std::find_if(std::begin(schemes), std::end(schemes),
                                         [&](const scheme& one) { return url.starts_with(one.prefix); });
  if (known == std::end(schemes))
    throw wrong("it must begin with ws:// or http://, with TLS wss:// or https://");
  server_address out;
  out.tls = known->tls;
  auto rest = url.substr(known->prefix.size());
  const auto slash = rest.find('/');
  out.path = slash == std::string::npos || slash + 1 == rest.size() ? "/realtime" : rest.substr(slash);
  rest.resize(std::min(slash, rest.size()));
  if (rest.find('@') != std::string::npos || out.path.find_first_of("?# \r\n") != std::string::npos)
    throw wrong("names, passwords and parameters do not belong there");
  const bool bracketed = rest.starts_with('[');
  const auto end = bracketed ? rest.find(']') : rest.find(':');
  if (bracketed && end == std::string::npos)
    throw wrong("a bracket is missing");
  out.host = bracketed ? rest.substr(1, end - 1) : rest.substr(0, end);
  const auto colon = rest.find(':', bracketed ? end : 0);
  out.port = colon == std::string::npos ? (out.tls ? "443" : "80") : rest.substr(colon + 1);
  if (out.host.empty() || out.port.empty() || out.port.find_first_not_of("0123456789") != std::string::npos)
    throw wrong("it needs a host, and the port is a number");
  return out;
}

} // namespace troupe::cli
