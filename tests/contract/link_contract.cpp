#undef BOOST_TEST_MODULE
#include "tests/contract/link_contract.hpp"

#include <boost/test/unit_test.hpp>
#include <fmt/format.h>

namespace troupe::testing::contract {

namespace {

std::string envelope(std::size_t number) {
  return fmt::format(R"({{"type":"t","id":"{0}","payload":{{"n":{0}}}}})", number);
}

/// A thousand characters that no compression makes small.
std::string noise() {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text = "\"";
  std::uint32_t state = 1;
  for (int i = 0; i < 1000; ++i) {
    state = state * 1664525 + 1013904223;
    text.push_back(letters[state >> 26]);
  }
  return text + "\"";
}

struct pair {
  explicit pair(link_world& world)
      : client{world.connect()}
      , server{world.host().next_connection()} {
    BOOST_REQUIRE(client);
    BOOST_REQUIRE(server);
  }
  std::unique_ptr<contract_client> client;
  std::shared_ptr<recorder> server;
};

} // namespace

void order_from_client(link_world& world) {
  pair p{world};
  constexpr std::size_t count = 500;
  for (std::size_t i = 0; i < count; ++i)
    BOOST_REQUIRE(p.client->send(envelope(i)));
  BOOST_REQUIRE(p.server->wait_messages(count));
  const auto messages = p.server->messages();
  BOOST_REQUIRE_EQUAL(messages.size(), count);
  for (std::size_t i = 0; i < count; ++i)
    BOOST_REQUIRE_EQUAL(messages[i].id, std::to_string(i));
}

void order_to_client(link_world& world) {
  pair p{world};
  constexpr std::size_t count = 500;
  std::vector<wire::slice> slices;
  for (std::size_t i = 0; i < count; ++i)
    slices.push_back(p.server->slice_of("n", std::to_string(i)));
  std::size_t taken = 0;
  p.server->on_loop([&](edge::link& out) { taken = out.write(slices); });
  BOOST_TEST(taken == count); // far less than any buffer
  for (std::size_t i = 0; i < count; ++i) {
    const auto got = p.client->receive();
    BOOST_REQUIRE(got);
    BOOST_REQUIRE_MESSAGE(got->find(fmt::format(R"("payload":{})", i)) != std::string::npos, *got);
  }
}

void backpressure(link_world& world) {
  pair p{world};
  p.client->stop_reading();
  world.host().settle();
  const auto slice = p.server->slice_of("big", noise(), 64);
  std::size_t taken = 0;
  bool full = false;
  // Bounded by what any socket's buffers hold; a transport that takes more keeps it in memory.
  for (int i = 0; i < 1000 && !full; ++i)
    p.server->on_loop([&](edge::link& out) {
      const std::vector<wire::slice> batch(4, slice);
      const auto now = out.write(batch);
      taken += now;
      full = now < batch.size();
    });
  BOOST_REQUIRE(full);
  p.server->on_loop([&](edge::link& out) { BOOST_TEST(out.write({&slice, 1}) == 0); });
  for (std::size_t i = 0; i < taken * 64; ++i)
    BOOST_REQUIRE(p.client->receive());
  BOOST_TEST(p.server->wait_writable(1));
  const auto last = p.server->slice_of("last", "1");
  std::size_t last_taken = 0;
  p.server->on_loop([&](edge::link& out) { last_taken = out.write({&last, 1}); });
  BOOST_TEST(last_taken == 1);
  const auto got = p.client->receive();
  BOOST_REQUIRE(got);
  BOOST_TEST(got->find("last") != std::string::npos);
}

void pause_keeps_everything(link_world& world) {
  // The recorder asks for a pause after every message: that each of them still comes shows all of the way.
  world.host().on_open = [](recorder& r) {
    r.on_received = [](recorder&, const message_fields&) { return edge::flow::pause; };
  };
  pair p{world};
  constexpr std::size_t count = 100;
  for (std::size_t i = 0; i < count; ++i)
    BOOST_REQUIRE(p.client->send(envelope(i)));
  for (std::size_t i = 1; i <= count; ++i) {
    BOOST_REQUIRE(p.server->wait_messages(i));
    world.host().settle();
    BOOST_REQUIRE_EQUAL(p.server->messages().size(), i);
    p.server->on_loop([](edge::link& out) { out.pause_reading(false); });
  }
  const auto messages = p.server->messages();
  for (std::size_t i = 0; i < count; ++i)
    BOOST_REQUIRE_EQUAL(messages[i].id, std::to_string(i));
}

void close_by_server(link_world& world) {
  pair p{world};
  BOOST_TEST(p.server->write("before", "1") == 1);
  p.server->on_loop([](edge::link& out) {
    out.close(close_code::slow_consumer, "too slow");
    out.close(close_code::normal, "again");
  });
  p.server->write("after", "1");
  const auto got = p.client->receive();
  BOOST_REQUIRE(got);
  BOOST_TEST(got->find("before") != std::string::npos);
  BOOST_TEST(!p.client->receive());
  BOOST_TEST(p.client->close_code() == 3008);
  BOOST_TEST(p.client->close_reason() == "too slow");
  world.host().settle();
  BOOST_TEST(p.server->closings().empty());
}

void close_within_received(link_world& world) {
  world.host().on_open = [](recorder& r) {
    r.on_received = [](recorder& self, const message_fields&) {
      self.out().close(close_code::replaced, "enough");
      return edge::flow::more;
    };
  };
  pair p{world};
  p.client->send(envelope(1));
  p.client->send(envelope(2));
  BOOST_TEST(!p.client->receive());
  BOOST_TEST(p.client->close_code() == 3502);
  world.host().settle();
  BOOST_TEST(p.server->messages().size() == 1);
  BOOST_TEST(p.server->closings().empty());
}

void close_while_not_read(link_world& world) {
  pair p{world};
  p.client->stop_reading();
  world.host().settle();
  const auto slice = p.server->slice_of("big", noise(), 64);
  bool full = false;
  for (int i = 0; i < 1000 && !full; ++i)
    p.server->on_loop([&](edge::link& out) { full = out.write({&slice, 1}) == 0; });
  BOOST_REQUIRE(full);
  p.server->on_loop([](edge::link& out) { out.close(close_code::slow_consumer, ""); });
  while (const auto got = p.client->receive())
    BOOST_REQUIRE(got->starts_with('{') && got->ends_with('}')); // whole frames to the end
  BOOST_TEST(p.client->close_code() == 3008);
}

void close_by_client(link_world& world) {
  pair p{world};
  p.client->send(envelope(1));
  p.client->close(4001, "bye");
  BOOST_REQUIRE(p.server->wait_closed());
  world.host().settle();
  const auto closings = p.server->closings();
  BOOST_REQUIRE_EQUAL(closings.size(), 1);
  BOOST_TEST(static_cast<int>(closings[0].code) == 4001);
  BOOST_TEST(closings[0].reason == "bye");
  BOOST_TEST(closings[0].by_peer);
  BOOST_TEST(p.server->messages().size() == 1);
}

void drop_by_client(link_world& world) {
  pair p{world};
  p.client->drop();
  BOOST_REQUIRE(p.server->wait_closed());
  p.server->write("after", "1");
  p.server->on_loop([](edge::link& out) {
    out.pause_reading(true);
    out.pause_reading(false);
    out.close(close_code::normal, "");
  });
  world.host().settle();
  const auto closings = p.server->closings();
  BOOST_REQUIRE_EQUAL(closings.size(), 1);
  BOOST_TEST((closings[0].code == close_code::abnormal));
  BOOST_TEST(closings[0].by_peer);
}

void malformed_is_no_end(link_world& world) {
  pair p{world};
  p.client->send("{");
  p.client->send(R"({"type":""})");
  BOOST_TEST(p.server->wait_malformed(2));
  p.client->send(envelope(7));
  BOOST_REQUIRE(p.server->wait_messages(1));
  BOOST_TEST(p.server->messages()[0].id == "7");
}

void too_large(link_world& world) {
  pair p{world};
  p.client->send(R"({"type":"t","payload":")" + std::string(limits::message_bytes_max, 'x') + "\"}");
  BOOST_TEST(!p.client->receive());
  BOOST_TEST(p.client->close_code() == 1009);
  BOOST_REQUIRE(p.server->wait_closed());
  world.host().settle();
  const auto closings = p.server->closings();
  BOOST_REQUIRE_EQUAL(closings.size(), 1);
  BOOST_TEST((closings[0].code == close_code::too_large));
  BOOST_TEST(!closings[0].by_peer);
  BOOST_TEST(p.server->messages().empty());
}

void payload_is_untouched(link_world& world) {
  pair p{world};
  const std::string payload = "{ \"a\":1e400,\n\t\"b\" : [ 1.000, \"\\u00e9\" ] }";
  p.client->send(R"({"type":"t","payload":)" + payload + "}");
  BOOST_REQUIRE(p.server->wait_messages(1));
  BOOST_TEST(p.server->messages()[0].payload == payload);
  p.server->write("t", payload);
  const auto got = p.client->receive();
  BOOST_REQUIRE(got);
  BOOST_TEST(got->find(payload) != std::string::npos);
}

} // namespace troupe::testing::contract
