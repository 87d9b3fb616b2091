#undef BOOST_TEST_MODULE
#include "transports/http/addresses.hpp"
#include "transports/http/fields.hpp"
#include "transports/http/query.hpp"
#include "transports/http/seats.hpp"
#include "transports/websocket/deflate.hpp"
#include "transports/websocket/upgrade.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

BOOST_AUTO_TEST_SUITE(handshake_parts)

namespace {

using namespace troupe;
using namespace troupe::http;

ip_address ip(std::string_view text) { return ip_address::parse(text).value(); }

} // namespace

BOOST_AUTO_TEST_CASE(splits_targets) {
  const auto t = split_target("/ws?user=a%20b&x");
  BOOST_REQUIRE(t);
  BOOST_TEST(t->path == "/ws");
  BOOST_TEST(t->query == "user=a%20b&x");
  for (const auto* bad : {"", "*", "http://x/", "/a b", "/\x01", "/\xC3\xA9"})
    BOOST_TEST(!split_target(bad));
  BOOST_TEST(!split_target("/" + std::string(target_bytes_max, 'x')));
}

BOOST_AUTO_TEST_CASE(finds_parameters) {
  BOOST_TEST(find_parameter("user=ann", "user", 10).value == "ann");
  BOOST_TEST(find_parameter("a=b&user=Zo%C3%AB+X", "user", 10).value == "Zo\xC3\xAB X");
  BOOST_TEST(find_parameter("%75ser=ann", "user", 10).value == "ann");
  BOOST_TEST(!find_parameter("username=ann", "user", 10).present);
  const auto empty = find_parameter("user", "user", 10);
  BOOST_TEST((empty.present && empty.valid && empty.value.empty()));
  for (const auto* bad : {"user=%", "user=%4", "user=%zz", "user=%00", "user=%1F", "user=%7F", "user=%C2%85",
                          "user=%C3", "user=%ED%A0%80", "user=12345678901", "user=a&user=b"}) {
    const auto found = find_parameter(bad, "user", 10);
    BOOST_TEST_CONTEXT(bad) BOOST_TEST((found.present && !found.valid));
  }
}

BOOST_AUTO_TEST_CASE(reads_lists_of_tokens) {
  BOOST_TEST(has_token("keep-alive, Upgrade", "upgrade"));
  BOOST_TEST(has_token(" ,, upgrade", "upgrade"));
  BOOST_TEST(!has_token("upgraded", "upgrade"));
  BOOST_TEST(!has_token("", "upgrade"));
}

BOOST_AUTO_TEST_CASE(makes_the_accept_key_of_the_rfc) {
  BOOST_TEST(websocket::accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

BOOST_AUTO_TEST_CASE(chooses_subprotocols) {
  const auto both = websocket::choose_subprotocol("troupe.token.abc.def, troupe.v1.msgpack, troupe.v1.json");
  BOOST_TEST(both.chosen == "troupe.v1.msgpack");
  BOOST_TEST(both.msgpack);
  BOOST_TEST(both.token.value() == "abc.def");
  const auto unknown = websocket::choose_subprotocol("graphql-ws");
  BOOST_TEST((unknown.chosen.empty() && !unknown.msgpack && !unknown.token));
}

BOOST_AUTO_TEST_CASE(checks_origins) {
  using websocket::origin_allowed;
  BOOST_TEST(origin_allowed("http://localhost:8080", "localhost:8080", {}));
  BOOST_TEST(origin_allowed("https://chat.example", "chat.example:443", {}));
  BOOST_TEST(origin_allowed("http://chat.example", "chat.example", {}));
  BOOST_TEST(origin_allowed("http://[::1]", "[::1]:80", {}));
  BOOST_TEST(!origin_allowed("http://evil.example", "localhost:8080", {}));
  BOOST_TEST(!origin_allowed("http://localhost:9090", "localhost:8080", {}));
  BOOST_TEST(!origin_allowed("null", "localhost:8080", {}));
  BOOST_TEST(origin_allowed("https://a.example", "x", {"https://a.example"}));
  BOOST_TEST(!origin_allowed("http://x", "x", {"https://a.example"}));
  BOOST_TEST(origin_allowed("null", "x", {"*"}));
}

BOOST_AUTO_TEST_CASE(finds_the_client_behind_trusted_proxies) {
  const address_list trusted{{"10.0.0.0/8", "::1"}};
  BOOST_TEST(client_address(ip("10.1.2.3"), "203.0.113.7, 10.9.9.9", trusted).text() == "203.0.113.7");
  BOOST_TEST(client_address(ip("10.1.2.3"), "1.1.1.1, 203.0.113.7", trusted).text() == "203.0.113.7");
  BOOST_TEST(client_address(ip("192.0.2.1"), "203.0.113.7", trusted).text() == "192.0.2.1");
  BOOST_TEST(client_address(ip("::1"), "unknown", trusted).text() == "::1");
  BOOST_TEST(client_address(ip("::1"), "203.0.113.7:4711", trusted).text() == "203.0.113.7");
  BOOST_TEST(client_address(ip("::1"), "[2001:db8::7]:1", trusted).text() == "2001:db8::7");
  BOOST_TEST(forwarded_for(R"(for=192.0.2.60;proto=http;by=203.0.113.43, For="[2001:db8::17]:4711", proto=https)") ==
             "192.0.2.60, [2001:db8::17]:4711, unknown");
  BOOST_CHECK_THROW(address_list{{"10.0.0.0/33"}}, std::runtime_error);
  BOOST_CHECK_THROW(address_list{{"localhost"}}, std::runtime_error);
  BOOST_TEST((address_list{{"192.0.2.128/25"}}.contains(ip("192.0.2.200"))));
  BOOST_TEST((!address_list{{"192.0.2.128/25"}}.contains(ip("192.0.2.100"))));
}

BOOST_AUTO_TEST_CASE(knows_local_hosts) {
  for (const auto* local : {"localhost", "LOCALHOST:8080", "a.localhost", "127.0.0.1:80", "[::1]:8080", "127.9.9.9"})
    BOOST_TEST_CONTEXT(local) BOOST_TEST(is_local_host(local));
  for (const auto* other : {"", "example.com", "localhost.example.com", "192.168.0.1", "evil-localhost", "[::2]"})
    BOOST_TEST_CONTEXT(other) BOOST_TEST(!is_local_host(other));
}

BOOST_AUTO_TEST_CASE(bounds_seats) {
  auto places = std::make_shared<seats>();
  places->set_limits({3, 2, {3, std::chrono::milliseconds{1000}}});
  seat_refusal why;
  auto a = places->take(ip("10.0.0.1"), 0, why);
  auto b = places->take(ip("10.0.0.1"), 0, why);
  BOOST_TEST((a && b));
  BOOST_TEST(!places->take(ip("10.0.0.1"), 0, why));
  BOOST_TEST(why.limit == "connections_per_address");
  a.reset();
  BOOST_TEST(bool{places->take(ip("10.0.0.1"), 0, why)});
  BOOST_TEST(!places->take(ip("10.0.0.1"), 10, why));
  BOOST_TEST(why.limit == "handshake_rate_per_address");
  BOOST_TEST(why.retry_ms == 990);
  BOOST_TEST(bool{places->take(ip("10.0.0.1"), 1000, why)});
  auto c = places->take(ip("10.0.0.2"), 1000, why);
  auto d = places->take(std::nullopt, 1000, why);
  BOOST_TEST(!places->take(ip("10.0.0.3"), 1000, why));
  BOOST_TEST(why.limit == "connections");
}

BOOST_AUTO_TEST_CASE(counts_clients_behind_a_proxy_by_address_only) {
  auto places = std::make_shared<seats>();
  places->set_limits({2, 2, {2, std::chrono::milliseconds{1000}}});
  seat_refusal why;
  const auto proxy = places->take(std::nullopt, 0, why);
  auto a = places->take_by_address(ip("10.0.0.1"), true, 0, why);
  auto b = places->take_by_address(ip("10.0.0.1"), true, 0, why);
  BOOST_TEST((a && b));
  BOOST_TEST(!places->take_by_address(ip("10.0.0.1"), false, 0, why));
  BOOST_TEST(why.limit == "connections_per_address");
  b.reset();
  BOOST_TEST(!places->take_by_address(ip("10.0.0.1"), true, 0, why));
  BOOST_TEST(why.limit == "handshake_rate_per_address");
  b = places->take_by_address(ip("10.0.0.1"), false, 0, why);
  BOOST_TEST(bool{b});
  BOOST_TEST(bool{places->take(ip("10.0.0.2"), 0, why)}); // the second connection there is
}

BOOST_AUTO_TEST_CASE(negotiates_deflate) {
  using websocket::accept_deflate;
  const std::string usual = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
  BOOST_TEST(accept_deflate("permessage-deflate").value() == usual);
  BOOST_TEST(accept_deflate("permessage-deflate; client_max_window_bits").value() == usual);
  BOOST_TEST(accept_deflate("permessage-deflate; server_max_window_bits=15").value() ==
             usual + "; server_max_window_bits=15");
  BOOST_TEST(accept_deflate("permessage-deflate; server_max_window_bits=10, permessage-deflate").value() == usual);
  for (const auto* bad :
       {"", "x-webkit-deflate-frame", "permessage-deflate; server_max_window_bits=10", "permessage-deflate; foo",
        "permessage-deflate; client_max_window_bits=16", "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover"})
    BOOST_TEST_CONTEXT(bad) BOOST_TEST(!accept_deflate(bad));
}

BOOST_AUTO_TEST_CASE(deflates_and_inflates) {
  using namespace websocket;
  std::mt19937 random{7};
  for (const std::size_t size : {0, 1, 5, 100, 5000, 65536, 300000}) {
    std::string text(size, '\0');
    for (auto& c : text)
      c = static_cast<char>('a' + random() % (size % 2 == 0 ? 4 : 26));
    std::string out = "before";
    BOOST_REQUIRE(deflate_message(out, text));
    const auto back = inflate_message(std::string_view{out}.substr(6), size);
    BOOST_REQUIRE((back.what == inflate_result::ok));
    BOOST_REQUIRE(back.bytes == text);
    if (size > 0)
      BOOST_TEST((inflate_message(std::string_view{out}.substr(6), size - 1).what == inflate_result::too_large));
  }
  // RFC 7692 section 7.2.3: "Hello", compressed; as a stored block; with the final bit.
  for (const std::string_view hello : {std::string_view{"\xf2\x48\xcd\xc9\xc9\x07\x00", 7},
                                       std::string_view{"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11},
                                       std::string_view{"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8}}) {
    const auto back = inflate_message(hello, 100);
    BOOST_TEST((back.what == inflate_result::ok));
    BOOST_TEST(back.bytes == "Hello");
  }
  BOOST_TEST((inflate_message("\xff\xff\xff\xff", 100).what == inflate_result::invalid));
  // A bomb: 64 MiB of zeros in 64 KiB stop at the bound.
  std::string bomb;
  BOOST_REQUIRE(deflate_message(bomb, std::string(64 * 1024 * 1024, '\0')));
  BOOST_TEST((inflate_message(bomb, 65536).what == inflate_result::too_large));
}

BOOST_AUTO_TEST_SUITE_END()
