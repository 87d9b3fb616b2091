#undef BOOST_TEST_MODULE
#include "tests/contract/recording_host.hpp"
#include "tests/transports/raw_client.hpp"
#include "transports/websocket.hpp"

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(http_over_tcp)

namespace {

using namespace troupe;
using namespace troupe::testing;

struct world {
  explicit world(config settings = {})
      : host{std::move(settings)} {
    transport.start(host);
  }
  ~world() { transport.stop(); }

  /// The answer to a request whose head is `lines` and a Host.
  std::string ask(std::string_view lines, std::string_view body = {}) {
    raw_client client{transport.port()};
    client.send(std::string{lines} + "\r\nHost: localhost\r\n\r\n" + std::string{body});
    return client.read_response();
  }

  recording_host host;
  websocket_transport transport{{.listen = "127.0.0.1:0", .demo_page = true}};
};

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

} // namespace

BOOST_AUTO_TEST_CASE(tells_health_and_readiness) {
  world w;
  BOOST_TEST(w.ask("GET /healthz HTTP/1.1").starts_with("HTTP/1.1 200 "));
  const auto ready = w.ask("GET /readyz HTTP/1.1");
  BOOST_TEST(ready.starts_with("HTTP/1.1 200 "));
  BOOST_TEST(ready.ends_with(R"({"ready":true})"));
  BOOST_TEST(has(ready, "Content-Type: application/json\r\n"));
  w.host.ready = false;
  BOOST_TEST(w.ask("GET /readyz HTTP/1.1").starts_with("HTTP/1.1 503 "));
}

BOOST_AUTO_TEST_CASE(gives_metrics) {
  world w;
  const auto answer = w.ask("GET /metrics HTTP/1.1");
  BOOST_TEST(answer.starts_with("HTTP/1.1 200 "));
  BOOST_TEST(has(answer, "version=0.0.4"));
  BOOST_TEST(has(answer, "troupe_transport_sent_bytes_total"));
}

BOOST_AUTO_TEST_CASE(serves_the_demo_page) {
  world w;
  BOOST_TEST(has(w.ask("GET / HTTP/1.1"), "text/html"));
  BOOST_TEST(w.ask("GET /console/ HTTP/1.1").starts_with("HTTP/1.1 200 "));
  BOOST_TEST(w.ask("GET /console/../../etc/passwd HTTP/1.1").starts_with("HTTP/1.1 404 "));
}

BOOST_AUTO_TEST_CASE(answers_wrong_paths_and_methods) {
  world w;
  const auto missing = w.ask("GET /nothing HTTP/1.1");
  BOOST_TEST(missing.starts_with("HTTP/1.1 404 "));
  BOOST_TEST(has(missing, "Content-Type: application/problem+json\r\n"));
  BOOST_TEST(has(missing, R"("status":404)"));
  const auto wrong = w.ask("DELETE /healthz HTTP/1.1");
  BOOST_TEST(wrong.starts_with("HTTP/1.1 405 "));
  BOOST_TEST(has(wrong, "Allow: GET, HEAD, OPTIONS\r\n"));
  const auto options = w.ask("OPTIONS /realtime HTTP/1.1");
  BOOST_TEST(options.starts_with("HTTP/1.1 204 "));
  BOOST_TEST(has(options, "Allow: GET, OPTIONS\r\n"));
}

BOOST_AUTO_TEST_CASE(answers_head_without_a_body) {
  world w;
  raw_client client{w.transport.port()};
  client.send("HEAD /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const auto all = client.read_all();
  BOOST_TEST(has(all, "Content-Length: 14\r\n"));
  BOOST_TEST(all.ends_with("\r\n\r\n"));
}

BOOST_AUTO_TEST_CASE(keeps_connections_for_pipelined_requests) {
  world w;
  raw_client client{w.transport.port()};
  std::string many;
  for (int i = 0; i < 50; ++i)
    many += "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";
  client.send(many);
  for (int i = 0; i < 50; ++i)
    BOOST_REQUIRE(client.read_response().starts_with("HTTP/1.1 200 "));
  client.send("GET /readyz HTTP/1.0\r\n\r\n");
  BOOST_TEST(has(client.read_response(), "Connection: close\r\n"));
  BOOST_TEST(client.read_all() == "");
}

BOOST_AUTO_TEST_CASE(gives_up_who_does_not_read_its_answers) {
  config settings;
  settings.http.request_timeout = std::chrono::milliseconds{200}; // the idle timeout, a minute, is not what ends it
  world w{settings};
  raw_client client{w.transport.port()};
  std::string many;
  for (int i = 0; i < 3000; ++i)
    many += "GET /console/ HTTP/1.1\r\nHost: x\r\n\r\n";
  client.send(many);
  BOOST_TEST(client.wait_reset());
}

BOOST_AUTO_TEST_CASE(counts_a_proxied_client_once_a_session) {
  config settings;
  settings.limits.handshake_rate_per_address = {1, std::chrono::minutes{1}};
  settings.limits.connections_per_address = 1;
  settings.http.trusted_proxies = {"127.0.0.0/8"};
  world w{settings};
  raw_client proxy{w.transport.port()};
  const auto ask = [](raw_client& through, int last) {
    through.send("GET /readyz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113." + std::to_string(last) + "\r\n\r\n");
    return through.read_response();
  };
  for (int i = 0; i < 12; ++i)
    BOOST_TEST(ask(proxy, i % 3).starts_with("HTTP/1.1 200 "));
  raw_client other{w.transport.port()};
  const auto refused = ask(other, 1);
  BOOST_TEST(refused.starts_with("HTTP/1.1 429 "));
  BOOST_TEST(refused.find("\r\nRetry-After: ") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(refuses_what_is_no_request) {
  config settings;
  settings.http.max_header_bytes = 1024;
  world w{settings};
  const std::pair<std::string, const char*> cases[] = {
      {"nonsense\r\n\r\n", "HTTP/1.1 400 "},
      {"GET /readyz HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
      {"GET /readyz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "HTTP/1.1 400 "},
      {"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
      {"GET /readyz HTTP/1.1\r\nHost: x\r\nX: " + std::string(2000, 'x') + "\r\n\r\n", "HTTP/1.1 431 "},
      {"GET /" + std::string(2000, 'x'), "HTTP/1.1 431 "},
      {"POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 413 "},
      {"POST /readyz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
       "HTTP/1.1 413 "},
  };
  for (const auto& [input, answer] : cases) {
    raw_client client{w.transport.port()};
    client.send(input);
    const auto got = client.read_all(); // and the connection ends
    BOOST_TEST_CONTEXT(input.substr(0, 40) << " -> " << got.substr(0, 40)) BOOST_TEST(got.starts_with(answer));
  }
}

BOOST_AUTO_TEST_CASE(checks_the_upgrade) {
  world w;
  const std::string good = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
  const auto without = [&](std::string_view line) {
    auto copy = good;
    const auto at = copy.find(line);
    copy.erase(at, copy.find("\r\n", at) == std::string::npos ? std::string::npos : copy.find("\r\n", at) + 2 - at);
    while (copy.ends_with("\r\n"))
      copy.resize(copy.size() - 2);
    return copy;
  };
  const auto get = [&](const std::string& headers, std::string_view target = "/realtime") {
    return w.ask("GET " + std::string{target} + " HTTP/1.1\r\n" + headers);
  };
  BOOST_TEST(get(good).starts_with("HTTP/1.1 101 "));
  BOOST_TEST(get(without("Upgrade:")).starts_with("HTTP/1.1 426 "));
  BOOST_TEST(get(without("Connection:")).starts_with("HTTP/1.1 426 "));
  BOOST_TEST(
      has(get(without("Sec-WebSocket-Version:") + "\r\nSec-WebSocket-Version: 8"), "Sec-WebSocket-Version: 13\r\n"));
  BOOST_TEST(get(without("Sec-WebSocket-Key:")).starts_with("HTTP/1.1 400 "));
  BOOST_TEST(get(without("Sec-WebSocket-Key:") + "\r\nSec-WebSocket-Key: c2hvcnQ=").starts_with("HTTP/1.1 400 "));
  BOOST_TEST(get(good + "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==").starts_with("HTTP/1.1 400 "));
  BOOST_TEST(get(good + "\r\nOrigin: http://localhost").starts_with("HTTP/1.1 101 "));
  BOOST_TEST(get(good + "\r\nOrigin: http://evil.example").starts_with("HTTP/1.1 403 "));
  BOOST_TEST(get(good, "/realtime?user=ann").starts_with("HTTP/1.1 101 "));
  BOOST_TEST(get(good, "/realtime?user=a%00").starts_with("HTTP/1.1 400 "));
  BOOST_TEST(get(good, "/realtime?user=").starts_with("HTTP/1.1 400 "));
  BOOST_TEST(get(good, "/elsewhere").starts_with("HTTP/1.1 404 "));
}

BOOST_AUTO_TEST_CASE(believes_forwarding_headers_of_nobody_else) {
  world w;
  raw_client client{w.transport.port()};
  client.upgrade("/realtime", "X-Forwarded-For: 203.0.113.1\r\n");
  const auto server = w.host.next_connection();
  BOOST_TEST(server->who().address == "127.0.0.1");
  BOOST_TEST(server->who().forwarded);
}

BOOST_AUTO_TEST_SUITE_END()
