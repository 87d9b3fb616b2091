#include "transports/websocket/upgrade.hpp"

#include "runtime/system/digest.hpp"
#include "runtime/system/logger.hpp"
#include "transports/http/addresses.hpp"
#include "transports/http/fields.hpp"
#include "transports/http/query.hpp"
#include "transports/http/server.hpp"
#include "transports/websocket/deflate.hpp"
#include "transports/websocket/encoders.hpp"

#include <algorithm>
#include <openssl/evp.h>

namespace troupe::websocket {

namespace {

/// A key is 16 bytes in base64 (RFC 6455 section 4.1).
bool is_key(std::string_view key) noexcept {
  return key.size() == 24 && key.ends_with("==") && std::all_of(key.begin(), key.end() - 2, [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
         });
}

std::optional<std::string> bearer_of(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";
  if (authorization.size() <= scheme.size() || !http::iequals(authorization.substr(0, scheme.size()), scheme))
    return std::nullopt;
  return std::string{http::trim(authorization.substr(scheme.size()))};
}

class upgrade final : public http::route, public std::enable_shared_from_this<upgrade> {
public:
  upgrade(edge::host& host, std::shared_ptr<const upgrade_settings> settings)
      : host_{host}
      , settings_{std::move(settings)} {}

  bool matches(std::string_view path) const noexcept override {
    return std::find(settings_->paths.begin(), settings_->paths.end(), path) != settings_->paths.end();
  }
  std::string_view methods() const noexcept override { return "GET, OPTIONS"; }
  void serve(std::shared_ptr<http::exchange> x) override;

private:
  std::optional<http::response> check(const http::exchange& x) const;
  void note_refusal(const http::exchange& x, std::string_view reason, std::string_view why) const;
  void accept(http::exchange& x, edge::handshake who, edge::grant right, const subprotocols& chosen);

  edge::host& host_;
  std::shared_ptr<const upgrade_settings> settings_;
};

/// The rules of the handshake itself; nothing where all are kept.
std::optional<http::response> upgrade::check(const http::exchange& x) const {
  const auto bad = [](unsigned status, std::string_view why) {
    return http::problem(status, error_code::bad_message, why);
  };
  if (!x.request().http_1_1 || !http::has_token(x.header("Upgrade"), "websocket") ||
      !http::has_token(x.header("Connection"), "upgrade")) {
    auto wrong = bad(426, "a WebSocket is served here");
    wrong.headers.emplace_back("Upgrade", "websocket");
    return wrong;
  }
  if (x.header("Sec-WebSocket-Version") != "13") {
    auto wrong = bad(426, "only version 13 is spoken here");
    wrong.headers.emplace_back("Sec-WebSocket-Version", "13");
    return wrong;
  }
  if (!is_key(x.header("Sec-WebSocket-Key")))
    return bad(400, "Sec-WebSocket-Key must be 16 bytes in base64");
  if (x.has_header("Origin") && !origin_allowed(x.header("Origin"), x.header("Host"), settings_->origins)) {
    note_refusal(x, "origin",
                 settings_->origins.empty() ? "a page of another host; websocket.origins is empty"
                                            : "not one of websocket.origins");
    return http::problem(403, error_code::forbidden, "this origin may not connect");
  }
  return std::nullopt;
}

/// A browser does not tell its page why it was refused, so the log does.
void upgrade::note_refusal(const http::exchange& x, std::string_view reason, std::string_view why) const {
  http::count_refusal(host_, reason);
  process_log().warn("refused", "reason={} address={} host={} origin={} why={}", reason, x.request().address,
                     x.header("Host"), x.has_header("Origin") ? x.header("Origin") : "-", why);
}

void upgrade::serve(std::shared_ptr<http::exchange> x) {
  if (auto wrong = check(*x))
    return x->reply(std::move(*wrong));
  const auto& request = x->request();
  edge::handshake who;
  who.transport = "websocket";
  who.address = request.address;
  who.loopback = request.loopback;
  who.forwarded = request.forwarded;
  who.local_host = http::is_local_host(x->header("Host"));
  who.path = request.path;
  const auto chosen = choose_subprotocol(x->header("Sec-WebSocket-Protocol"));
  who.bearer = bearer_of(x->header("Authorization"));
  if (!who.bearer)
    who.bearer = chosen.token;
  const auto user = http::find_parameter(request.query, "user", limits::name_bytes_max);
  if (user.present && (!user.valid || user.value.empty()))
    return x->reply(http::problem(400, error_code::bad_message,
                                  "user must be given once: 1 to 256 bytes of UTF-8 without control characters"));
  if (user.present)
    who.user = user.value;
  auto decision = host_.admit(who);
  if (const auto* refused = std::get_if<edge::refusal>(&decision)) {
    note_refusal(*x, to_string(refused->why.code), refused->why.message);
    auto answer = http::problem(refused->http_status, refused->why.code, refused->why.message);
    if (refused->why.retry_ms)
      answer.headers.push_back(http::retry_after(*refused->why.retry_ms));
    if (refused->http_status == 401)
      answer.headers.emplace_back("WWW-Authenticate", "Bearer");
    return x->reply(std::move(answer));
  }
  accept(*x, std::move(who), std::move(std::get<edge::grant>(decision)), chosen);
}

void upgrade::accept(http::exchange& x, edge::handshake who, edge::grant right, const subprotocols& chosen) {
  std::string head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: ";
  head.append(accept_key(x.header("Sec-WebSocket-Key"))).append("\r\n");
  if (!chosen.chosen.empty())
    head.append("Sec-WebSocket-Protocol: ").append(chosen.chosen).append("\r\n");
  const auto extension = settings_->compression ? accept_deflate(x.header("Sec-WebSocket-Extensions")) : std::nullopt;
  if (extension)
    head.append("Sec-WebSocket-Extensions: ").append(*extension).append("\r\n");
  head.append("\r\n");
  const auto& format = extension ? (chosen.msgpack ? deflated_msgpack_frames() : deflated_json_frames())
                                 : (chosen.msgpack ? msgpack_frames() : json_frames());
  auto& on = x.on();
  x.take_over(std::move(head), [self = shared_from_this(), &on, &format, deflated = extension.has_value(),
                                who = std::move(who), right = std::move(right)](http::taken_socket socket) {
    const auto& settings = deflated ? self->settings_->deflated : self->settings_->plain;
    auto out = std::make_shared<link>(on, std::move(socket.stream), settings, format, std::move(socket.seat),
                                      std::move(socket.head));
    auto in = self->host_.open(on, out, who, right);
    out->start(std::move(in), std::move(socket.early));
  });
}

/// "https" has 443, everything else 80: a host without a port means that one.
std::string with_port(std::string_view host, bool secure) {
  const auto bracket = host.rfind(']');
  const bool has_port = host.find(':', bracket == std::string_view::npos ? 0 : bracket) != std::string_view::npos;
  return std::string{host} + (has_port ? "" : secure ? ":443" : ":80");
}

} // namespace

std::shared_ptr<http::route> upgrade_route(edge::host& host, std::shared_ptr<const upgrade_settings> settings) {
  return std::make_shared<upgrade>(host, std::move(settings));
}

std::string accept_key(std::string_view key) {
  const auto text = std::string{key} + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455 section 1.3
  const auto digest = sha1(text);
  unsigned char encoded[4 * ((digest.size() + 2) / 3) + 1];
  const auto length = EVP_EncodeBlock(encoded, digest.data(), static_cast<int>(digest.size()));
  return {reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(length)};
}

subprotocols choose_subprotocol(std::string_view offered) {
  constexpr std::string_view token_prefix = "troupe.token.";
  subprotocols out;
  while (!offered.empty()) {
    const auto name = http::next_element(offered);
    if (name.starts_with(token_prefix) && !out.token)
      out.token = std::string{name.substr(token_prefix.size())};
    else if (out.chosen.empty() && (name == "troupe.v1.json" || name == "troupe.v1.msgpack"))
      out.chosen = std::string{name};
  }
  out.msgpack = out.chosen == "troupe.v1.msgpack";
  return out;
}

bool origin_allowed(std::string_view origin, std::string_view host, const std::vector<std::string>& allowed) {
  if (!allowed.empty())
    return std::any_of(allowed.begin(), allowed.end(),
                       [&](const std::string& one) { return one == "*" || http::iequals(one, origin); });
  const auto colon = origin.find("://");
  if (colon == std::string_view::npos)
    return false;
  const bool secure = http::iequals(origin.substr(0, colon), "https");
  return http::iequals(with_port(origin.substr(colon + 3), secure), with_port(host, secure));
}

} // namespace troupe::websocket
