#undef BOOST_TEST_MODULE
#include "transports/websocket/link.hpp"

#include "tests/contract/recording_host.hpp"
#include "tests/transports/certificates.hpp"
#include "tests/transports/raw_client.hpp"
#include "transports/websocket.hpp"
#include "transports/websocket/encoders.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <future>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

BOOST_AUTO_TEST_SUITE(websocket_link)

namespace {

using namespace troupe;
using namespace troupe::testing;

constexpr const char* envelope = R"({"type":"t","id":"1","payload":{"a":1}})";

/// A link without a transport, so that its settings are the test's.
struct bare_link {
  explicit bare_link(websocket::link_settings settings) {
    const int door = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof at;
    BOOST_REQUIRE(::bind(door, reinterpret_cast<sockaddr*>(&at), bytes) == 0);
    BOOST_REQUIRE(::listen(door, 1) == 0);
    BOOST_REQUIRE(::getsockname(door, reinterpret_cast<sockaddr*>(&at), &bytes) == 0);
    client = std::make_unique<raw_client>(ntohs(at.sin_port));
    const int fd = ::accept4(door, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ::close(door);
    std::promise<void> started;
    auto& on = host.loop_at(0);
    on.post([&] {
      auto made = std::make_shared<websocket::link>(on, std::make_unique<socket_stream>(on.io(), fd, false, nullptr),
                                                    std::make_shared<websocket::link_settings>(std::move(settings)),
                                                    websocket::json_frames(), nullptr);
      made->start(host.open(on, made, {}, {}), {});
      started.set_value();
    });
    started.get_future().get();
    server = host.next_connection();
  }

  recording_host host{{}, 1};
  std::unique_ptr<raw_client> client;
  std::shared_ptr<recorder> server;
};

/// A transport whose connections do `first` before they hear anything.
struct world {
  world(bool tls, std::function<void(recorder&)> first)
      : transport{{.listen = "127.0.0.1:0",
                   .certificate = tls ? certificate_file("preface") : "",
                   .key = tls ? key_file("preface") : ""}} {
    host.on_open = std::move(first);
    transport.start(host);
  }
  ~world() { transport.stop(); }

  recording_host host;
  websocket_transport transport;
};

} // namespace

BOOST_AUTO_TEST_CASE(times_a_message_and_not_a_busy_stream) {
  using clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds assembly{1000};
  websocket::link_settings settings;
  settings.assembly_ms = assembly.count();
  std::atomic<int> hit = 0;
  settings.hit_limit = [&](std::string_view reason) { hit += reason == "message_timeout" ? 1 : 100; };
  bare_link w{settings};
  const auto frame = masked_frame(0x81, envelope);
  const auto begun = std::string_view{frame}.substr(0, 9);
  const auto rest = frame.substr(9);
  BOOST_REQUIRE(w.client->send(begun));
  std::size_t sent = 0;
  // Every read ends within a frame, for longer than a message may take; each message is whole at once.
  for (const auto until = clock::now() + 2 * assembly; clock::now() < until;) {
    w.client->send(rest + std::string{begun});
    BOOST_REQUIRE(w.server->wait_messages(++sent));
    BOOST_REQUIRE(w.server->closings().empty());
  }
  BOOST_TEST(w.client->read_close_code() == 1002); // the last one never ends
  BOOST_TEST(hit == 1);
}

BOOST_AUTO_TEST_CASE(answers_a_handshake_at_once_where_no_hello_follows) {
  for (const bool tls : {false, true}) {
    world w{tls, [](recorder& r) { // as for a client that must say who it is first
              r.on_received = [](recorder& me, const message_fields&) {
                const auto hello = me.slice_of("hello", "1");
                me.out().write({&hello, 1});
                return edge::flow::more;
              };
            }};
    raw_client client{w.transport.port(), tls};
    const auto answer = client.upgrade();
    BOOST_TEST(answer.starts_with("HTTP/1.1 101 "));
    BOOST_TEST(w.host.next_connection()->messages().empty());
    client.send_frame(0x81, R"({"type":"auth","id":"1","payload":{}})");
    std::string payload;
    BOOST_TEST(client.read_frame(payload) == 0x81u);
    BOOST_TEST(payload.find(R"("hello")") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(answers_a_handshake_before_it_closes) {
  for (const bool tls : {false, true})
    for (const bool when_sent : {false, true}) {
      world w{tls, [when_sent](recorder& r) {
                if (when_sent) {
                  const auto frame = r.slice_of("error", "1");
                  r.out().write({&frame, 1});
                  r.out().close_when_sent(close_code::forbidden, "no");
                } else {
                  r.out().close(close_code::forbidden, "no");
                }
              }};
      raw_client client{w.transport.port(), tls};
      BOOST_TEST(client.upgrade().starts_with("HTTP/1.1 101 "));
      std::string payload;
      if (when_sent)
        BOOST_TEST(client.read_frame(payload) == 0x81u);
      BOOST_TEST(client.read_close_code() == 3501);
      BOOST_TEST(client.read_all() == "");
    }
}

BOOST_AUTO_TEST_CASE(sends_more_behind_a_handshake_than_the_socket_takes) {
  for (const bool tls : {false, true}) {
    std::size_t frames = 0;
    world w{tls, [&](recorder& r) {
              const auto small = r.slice_of("hello", "1");
              const auto big = r.slice_of("big", "\"" + std::string(30'000, 'x') + "\"", 8);
              std::vector<wire::slice> slices(2, small);
              slices.resize(60, big);
              const auto taken = r.out().write(slices);
              frames = 2 + (taken - 2) * 8;
            }};
    raw_client client{w.transport.port(), tls};
    BOOST_REQUIRE(client.upgrade().starts_with("HTTP/1.1 101 "));
    const auto server = w.host.next_connection();
    server->on_loop([](edge::link&) {});
    BOOST_TEST(frames < 2 + 58 * 8);
    std::string payload;
    for (std::size_t i = 0; i < frames; ++i) {
      BOOST_REQUIRE(client.read_frame(payload) == 0x81u);
      BOOST_REQUIRE((payload.starts_with('{') && payload.ends_with('}')));
      BOOST_REQUIRE(payload.size() > (i < 2 ? 0u : 30'000u));
    }
    BOOST_TEST(server->wait_writable(1));
  }
}

BOOST_AUTO_TEST_SUITE_END()
