#undef BOOST_TEST_MODULE
#include "transports/websocket.hpp"

#include "tests/contract/recording_host.hpp"
#include "tests/transports/beast_client.hpp"
#include "tests/transports/certificates.hpp"
#include "tests/transports/raw_client.hpp"

#include <arpa/inet.h>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>

BOOST_AUTO_TEST_SUITE(websocket_over_tcp)

namespace {

using namespace troupe;
using namespace troupe::testing;
using std::chrono::milliseconds;

struct world {
  explicit world(config settings = {}, websocket_options options = {})
      : host{std::move(settings)}
      , transport{[&] {
        options.listen = "127.0.0.1:0";
        return options;
      }()} {
    transport.start(host);
  }
  ~world() { transport.stop(); }

  recording_host host;
  websocket_transport transport;
};

config with_heartbeat(milliseconds ms) {
  config out;
  out.websocket.heartbeat = ms;
  return out;
}

/// The descriptor of this process that listens on a port.
int listening_fd(std::uint16_t port) {
  int found = -1;
  auto* folder = ::opendir("/proc/self/fd");
  while (const auto* entry = ::readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    int accepts = 0;
    socklen_t bytes = sizeof accepts;
    sockaddr_in at{};
    socklen_t at_bytes = sizeof at;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &bytes) == 0 && accepts != 0 &&
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &at_bytes) == 0 && ntohs(at.sin_port) == port)
      found = fd;
  }
  ::closedir(folder);
  return found;
}

constexpr const char* envelope = R"({"type":"t","id":"1","payload":{"a":1}})";

} // namespace

BOOST_AUTO_TEST_CASE(negotiates_the_subprotocol_and_never_echoes_a_token) {
  world w;
  beast_client client{
      w.transport.port(),
      {.headers = {{"Sec-WebSocket-Protocol", "troupe.token.secret, troupe.v1.msgpack, troupe.v1.json"}}}};
  BOOST_TEST(client.answer_header("Sec-WebSocket-Protocol") == "troupe.v1.msgpack");
  const auto server = w.host.next_connection();
  BOOST_TEST(server->who().bearer.value() == "secret");
  BOOST_TEST(server->who().loopback);
  BOOST_TEST(server->who().local_host);
  BOOST_TEST(!server->who().forwarded);
  server->write("t", "1");
  BOOST_TEST(client.receive().has_value());
  BOOST_TEST(client.last_was_binary());
  client.send_text(envelope); // the kind of a frame chooses its decoder
  BOOST_TEST(server->wait_messages(1));
  client.send_binary("\x82\xa4type\xa1t\xa7payload\x01");
  BOOST_REQUIRE(server->wait_messages(2));
  BOOST_TEST((server->messages()[1].format == encoding::msgpack));
}

BOOST_AUTO_TEST_CASE(goes_on_without_a_subprotocol_where_none_is_known) {
  world w;
  beast_client client{w.transport.port(), {.headers = {{"Sec-WebSocket-Protocol", "something.else"}}}};
  BOOST_TEST(client.answer_header("Sec-WebSocket-Protocol") == "");
  w.host.next_connection()->write("t", "1");
  BOOST_TEST(client.receive().value().starts_with("{"));
}

BOOST_AUTO_TEST_CASE(takes_user_and_bearer_from_the_request) {
  world w;
  beast_client client{w.transport.port(),
                      {.path = "/ws?user=Zo%C3%AB", .headers = {{"Authorization", "Bearer a.b.c"}}}};
  const auto server = w.host.next_connection();
  BOOST_TEST(server->who().user.value() == "Zo\xC3\xAB");
  BOOST_TEST(server->who().bearer.value() == "a.b.c");
  BOOST_TEST(server->who().path == "/ws");
}

BOOST_AUTO_TEST_CASE(reads_frames_that_came_with_the_handshake) {
  world w;
  raw_client client{w.transport.port()};
  client.upgrade("/realtime", "");
  raw_client second{w.transport.port()};
  std::string request = "GET /realtime HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  request += masked_frame(0x81, envelope) + masked_frame(0x81, envelope).substr(0, 9);
  second.send(request);
  w.host.next_connection();
  const auto server = w.host.next_connection();
  BOOST_TEST(server->wait_messages(1));
  second.send(masked_frame(0x81, envelope).substr(9));
  BOOST_TEST(server->wait_messages(2));
}

BOOST_AUTO_TEST_CASE(answers_pings_between_the_frames_of_a_full_socket) {
  world w;
  raw_client client{w.transport.port()};
  client.upgrade();
  const auto server = w.host.next_connection();
  const auto slice = server->slice_of("big", "\"" + std::string(30'000, 'x') + "\"", 8);
  std::size_t frames = 0;
  bool full = false;
  while (!full)
    server->on_loop([&](edge::link& out) {
      full = out.write({&slice, 1}) == 0;
      frames += full ? 0 : 8;
    });
  constexpr int pings = 200;
  for (int i = 1; i <= pings; ++i)
    client.send_frame(0x89, std::to_string(i));
  client.send_frame(0x81, envelope);
  BOOST_REQUIRE(server->wait_messages(1)); // the pings were read before
  std::string payload, last_pong;
  int pongs = 0;
  for (std::size_t seen = 0; seen < frames || last_pong != std::to_string(pings);) {
    const auto first = client.read_frame(payload);
    BOOST_REQUIRE_MESSAGE(first == 0x81 || first == 0x8A, "first byte " << first << " after " << seen << " of "
                                                                        << frames << " frames, pong " << last_pong);
    if (first == 0x81) {
      ++seen;
      BOOST_REQUIRE((payload.starts_with('{') && payload.ends_with('}')));
    } else {
      ++pongs;
      last_pong = payload;
    }
  }
  BOOST_TEST(pongs <= 2); // the one in progress and the latest
}

BOOST_AUTO_TEST_CASE(closes_for_what_clients_must_not_do) {
  world w;
  const std::pair<std::string, int> cases[] = {
      {std::string{"\x81\x01x", 3}, 1002},
      {masked_frame(0xC1, "x"), 1002},
      {masked_frame(0x81, "{\"type\":\"\xff\"}"), 1007},
      {masked_frame(0x88, std::string{"\x03\xe8\xff", 3}), 1007},
      {masked_frame(0x82, std::string(70'000, 'x')), 1009},
      {masked_frame(0x88, std::string{"\x0f\xa1", 2}), 4001},
      {masked_frame(0x88, ""), 1005},
  };
  for (const auto& [input, code] : cases) {
    raw_client client{w.transport.port()};
    client.upgrade();
    const auto server = w.host.next_connection();
    client.send(input);
    BOOST_TEST(client.read_close_code() == code);
    BOOST_TEST(client.read_all() == ""); // and then the end
    BOOST_REQUIRE(server->wait_closed());
    BOOST_TEST(static_cast<int>(server->closings()[0].code) == code);
  }
}

BOOST_AUTO_TEST_CASE(pings_who_is_silent_and_closes_who_stays_so) {
  world w{with_heartbeat(milliseconds{100})};
  raw_client client{w.transport.port()};
  client.upgrade();
  const auto server = w.host.next_connection();
  std::string payload;
  BOOST_TEST(client.read_frame(payload) == 0x89u);
  client.send_frame(0x8A, payload);
  BOOST_TEST(client.read_frame(payload) == 0x89u); // it was heard, so there is another
  BOOST_TEST(client.read_close_code() == 3009);
  BOOST_REQUIRE(server->wait_closed());
  BOOST_TEST((server->closings()[0].code == close_code::heartbeat_missed));
  BOOST_TEST(!server->closings()[0].by_peer);
}

BOOST_AUTO_TEST_CASE(closes_who_sends_no_message_for_the_idle_time) {
  config settings;
  settings.websocket.idle_timeout = milliseconds{150};
  world w{settings};
  raw_client client{w.transport.port()};
  client.upgrade();
  BOOST_TEST(client.read_close_code() == 1001);
}

BOOST_AUTO_TEST_CASE(resets_who_does_not_end_after_a_close) {
  world w;
  raw_client client{w.transport.port()};
  client.upgrade();
  w.host.next_connection()->on_loop([](edge::link& out) { out.close(close_code::normal, ""); });
  BOOST_TEST(client.read_close_code() == 1000);
  BOOST_TEST(client.wait_reset());
}

BOOST_AUTO_TEST_CASE(times_a_slow_handshake_out) {
  config settings;
  settings.websocket.handshake_timeout = milliseconds{150};
  world w{settings, {.certificate = certificate_file("slow"), .key = key_file("slow")}};
  raw_client no_tls{w.transport.port()};
  BOOST_TEST(no_tls.read_all() == "");
  raw_client silent{w.transport.port(), true};
  BOOST_TEST(silent.read_all() == "");
  raw_client half{w.transport.port(), true};
  half.send("GET /realtime HTTP/1.1\r\nHost: 127.0.0.1\r\n");
  BOOST_TEST(half.read_response().starts_with("HTTP/1.1 408 "));
}

BOOST_AUTO_TEST_CASE(bounds_what_a_message_inflates_to) {
  world w{{}, {.compression = true}};
  beast_client client{w.transport.port(), {.deflate = true}};
  BOOST_TEST(client.answer_header("Sec-WebSocket-Extensions").starts_with("permessage-deflate"));
  client.send_text(R"({"type":"t","payload":")" + std::string(10'000'000, ' ') + "\"}");
  BOOST_TEST(!client.receive());
  BOOST_TEST(client.close_code() == 1009);
}

BOOST_AUTO_TEST_CASE(does_not_deflate_where_it_is_off) {
  world w;
  beast_client client{w.transport.port(), {.deflate = true}};
  BOOST_TEST(client.answer_header("Sec-WebSocket-Extensions") == "");
}

BOOST_AUTO_TEST_CASE(carries_the_largest_message_both_ways_over_tls) {
  config settings;
  settings.websocket.max_message_bytes = settings.websocket.max_frame_bytes = 4 * 1024 * 1024;
  world w{settings, {.certificate = certificate_file("large"), .key = key_file("large")}};
  beast_client client{w.transport.port(), {.tls = true}};
  const auto server = w.host.next_connection();
  const auto payload = "\"" + std::string(4'000'000, 'x') + "\"";
  client.send_text(R"({"type":"t","payload":)" + payload + "}");
  BOOST_REQUIRE(server->wait_messages(1));
  BOOST_TEST((server->messages()[0].payload == payload));
  server->write("t", payload);
  BOOST_TEST((client.receive().value().find(payload) != std::string::npos));
}

BOOST_AUTO_TEST_CASE(uses_a_new_certificate_for_new_connections) {
  world w{{}, {.certificate = certificate_file("reload"), .key = key_file("reload")}};
  beast_client before{w.transport.port(), {.tls = true}};
  const auto old_server = w.host.next_connection();
  BOOST_TEST(before.certificate_subject() == "/CN=reload");
  replace_certificate("reload", "fresh");
  w.transport.reload();
  beast_client after{w.transport.port(), {.tls = true}};
  BOOST_TEST(after.certificate_subject() == "/CN=fresh");
  old_server->write("t", "1");
  BOOST_TEST(before.receive().has_value());
}

BOOST_AUTO_TEST_CASE(says_what_is_wrong_with_a_certificate_or_an_address) {
  recording_host host;
  websocket_transport no_file{{.listen = "127.0.0.1:0", .certificate = "/nowhere.pem", .key = "/nowhere.key"}};
  BOOST_CHECK_EXCEPTION(no_file.start(host), std::runtime_error, [](const std::runtime_error& e) {
    return std::string_view{e.what()}.find("/nowhere.pem: No such file") != std::string_view::npos;
  });
  world w;
  websocket_transport taken{{.listen = "127.0.0.1:" + std::to_string(w.transport.port())}};
  BOOST_CHECK_EXCEPTION(taken.start(host), std::runtime_error, [](const std::runtime_error& e) {
    return std::string_view{e.what()}.find("Address already in use") != std::string_view::npos;
  });
}

BOOST_AUTO_TEST_CASE(listens_again_after_its_accept_loop_failed) {
  world w;
  const auto port = w.transport.port();
  beast_client client{port};
  const auto server = w.host.next_connection();
  BOOST_REQUIRE(listening_fd(port) >= 0);
  ::shutdown(listening_fd(port), SHUT_RDWR); // accept(2) says EINVAL from now on
  BOOST_TEST(w.host.wait_failed() != "");
  BOOST_CHECK_THROW(raw_client{port}, std::runtime_error);
  w.transport.stop();
  w.transport.start(w.host);
  BOOST_TEST(w.transport.port() == port);
  beast_client second{port};
  BOOST_TEST(bool{w.host.next_connection()});
  client.send_text(envelope);
  BOOST_TEST(server->wait_messages(1));
}

BOOST_AUTO_TEST_CASE(keeps_connections_when_it_stops_to_accept) {
  world w;
  beast_client client{w.transport.port()};
  const auto server = w.host.next_connection();
  const auto port = w.transport.port();
  w.transport.stop();
  w.transport.stop();
  BOOST_CHECK_THROW(raw_client{port}, std::runtime_error);
  client.send_text(envelope);
  BOOST_TEST(server->wait_messages(1));
  server->write("t", "1");
  BOOST_TEST(client.receive().has_value());
}

BOOST_AUTO_TEST_CASE(shares_an_address_with_another_transport) {
  world w{{}, {.path = "/one"}};
  websocket_transport other{{.listen = "127.0.0.1:0", .path = "/two"}};
  other.start(w.host);
  BOOST_TEST(other.port() == w.transport.port());
  beast_client one{w.transport.port(), {.path = "/one"}};
  beast_client two{w.transport.port(), {.path = "/two"}};
  other.stop();
  beast_client again{w.transport.port(), {.path = "/one"}};
  BOOST_CHECK_THROW((beast_client{w.transport.port(), {.path = "/two"}}), std::runtime_error);
}

BOOST_AUTO_TEST_CASE(bounds_connections) {
  config settings;
  settings.limits.connections = 2;
  world w{settings};
  beast_client one{w.transport.port()};
  auto two = std::make_unique<beast_client>(w.transport.port());
  raw_client three{w.transport.port()};
  BOOST_TEST(three.upgrade().starts_with("HTTP/1.1 503 "));
  w.host.next_connection();
  const auto server = w.host.next_connection();
  two->close(1000, "");
  BOOST_REQUIRE(server->wait_closed());
  two.reset();
  // Its seat is free once the server has seen the end of the socket, soon.
  for (int i = 0; i < 100; ++i) {
    raw_client four{w.transport.port()};
    if (four.upgrade().starts_with("HTTP/1.1 101 "))
      return;
    w.host.settle();
  }
  BOOST_ERROR("no seat became free");
}

BOOST_AUTO_TEST_CASE(bounds_connections_of_an_address) {
  config settings;
  settings.limits.connections_per_address = 1;
  settings.http.trusted_proxies = {"127.0.0.0/8"};
  world w{settings};
  raw_client one{w.transport.port()};
  BOOST_TEST(one.upgrade("/realtime", "X-Forwarded-For: 203.0.113.1\r\n").starts_with("HTTP/1.1 101 "));
  const auto server = w.host.next_connection();
  BOOST_TEST(server->who().address == "203.0.113.1");
  BOOST_TEST(server->who().forwarded);
  raw_client two{w.transport.port()};
  BOOST_TEST(two.upgrade("/realtime", "X-Forwarded-For: 203.0.113.1\r\n").starts_with("HTTP/1.1 429 "));
  raw_client three{w.transport.port()};
  BOOST_TEST(three.upgrade("/realtime", "X-Forwarded-For: 203.0.113.2\r\n").starts_with("HTTP/1.1 101 "));
}

BOOST_AUTO_TEST_CASE(counts_a_connection_through_a_proxy_once) {
  config settings;
  settings.limits.connections = 2;
  settings.http.trusted_proxies = {"127.0.0.0/8"};
  world w{settings};
  raw_client one{w.transport.port()};
  BOOST_TEST(one.upgrade("/realtime", "X-Forwarded-For: 203.0.113.1\r\n").starts_with("HTTP/1.1 101 "));
  raw_client two{w.transport.port()};
  BOOST_TEST(two.upgrade("/realtime", "X-Forwarded-For: 203.0.113.2\r\n").starts_with("HTTP/1.1 101 "));
  raw_client three{w.transport.port()};
  BOOST_TEST(three.upgrade("/realtime", "X-Forwarded-For: 203.0.113.3\r\n").starts_with("HTTP/1.1 503 "));
}

BOOST_AUTO_TEST_CASE(starts_stops_and_reloads_from_several_threads) {
  world w;
  const auto port = w.transport.port();
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::thread reloading{[&] {
    while (!done) {
      w.transport.reload();
      const auto seen = w.transport.port();
      wrong += seen != port && seen != 0;
    }
  }};
  std::thread stopping{[&] {
    while (!done)
      w.transport.stop();
  }};
  for (int i = 0; i < 20; ++i)
    w.transport.start(w.host);
  done = true;
  reloading.join();
  stopping.join();
  BOOST_TEST(wrong == 0);
  w.transport.start(w.host);
  beast_client client{port};
  BOOST_TEST(bool{w.host.next_connection()});
}

BOOST_AUTO_TEST_CASE(answers_a_refusal_with_its_status) {
  world w;
  w.host.refuse = edge::refusal{401, {error_code::unauthorized, "no", 1500}};
  raw_client client{w.transport.port()};
  const auto answer = client.upgrade();
  BOOST_TEST(answer.starts_with("HTTP/1.1 401 "));
  BOOST_TEST(answer.find("application/problem+json") != std::string::npos);
  BOOST_TEST(answer.find("Retry-After: 2\r\n") != std::string::npos);
  BOOST_TEST(answer.find(R"("code":"unauthorized")") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
