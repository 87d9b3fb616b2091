#pragma once

// What every transport does at the seam of actors/edge.hpp, as one suite over a factory. A transport is held to it by
// a line: TROUPE_LINK_CONTRACT(loopback, loopback_world).

#include "tests/contract/recording_host.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::testing {

/// A client, whatever it is connected through. Calls that wait fail after ten seconds.
class contract_client {
public:
  virtual ~contract_client() = default;
  /// Sends an envelope.
  virtual bool send(std::string json) = 0;
  /// Stops taking what the server sends, until the next `receive`.
  virtual void stop_reading() = 0;
  /// The next envelope; nothing when the connection has ended.
  virtual std::optional<std::string> receive() = 0;
  /// The code that the server closed with, after `receive` gave nothing; 1006 without a close frame.
  virtual std::uint16_t close_code() = 0;
  virtual std::string close_reason() = 0;
  virtual void close(std::uint16_t code, std::string reason) = 0;
  virtual void drop() = 0;
};

/// A started transport on a host, and how to connect to it.
class link_world {
public:
  virtual ~link_world() = default;
  virtual recording_host& host() = 0;
  virtual std::unique_ptr<contract_client> connect() = 0;
};

namespace contract {

void order_from_client(link_world& world);
void order_to_client(link_world& world);
void backpressure(link_world& world);
void pause_keeps_everything(link_world& world);
void close_by_server(link_world& world);
void close_within_received(link_world& world);
void close_while_not_read(link_world& world);
void close_by_client(link_world& world);
void drop_by_client(link_world& world);
void malformed_is_no_end(link_world& world);
void too_large(link_world& world);
void payload_is_untouched(link_world& world);

} // namespace contract
} // namespace troupe::testing

#define TROUPE_LINK_CONTRACT_CASE(world, name)                                                                         \
  BOOST_AUTO_TEST_CASE(name) {                                                                                         \
    world w;                                                                                                           \
    troupe::testing::contract::name(w);                                                                                \
  }

#define TROUPE_LINK_CONTRACT(suite, world)                                                                             \
  BOOST_AUTO_TEST_SUITE(suite##_keeps_the_link_contract)                                                               \
  TROUPE_LINK_CONTRACT_CASE(world, order_from_client)                                                                  \
  TROUPE_LINK_CONTRACT_CASE(world, order_to_client)                                                                    \
  TROUPE_LINK_CONTRACT_CASE(world, backpressure)                                                                       \
  TROUPE_LINK_CONTRACT_CASE(world, pause_keeps_everything)                                                             \
  TROUPE_LINK_CONTRACT_CASE(world, close_by_server)                                                                    \
  TROUPE_LINK_CONTRACT_CASE(world, close_within_received)                                                              \
  TROUPE_LINK_CONTRACT_CASE(world, close_while_not_read)                                                               \
  TROUPE_LINK_CONTRACT_CASE(world, close_by_client)                                                                    \
  TROUPE_LINK_CONTRACT_CASE(world, drop_by_client)                                                                     \
  TROUPE_LINK_CONTRACT_CASE(world, malformed_is_no_end)                                                                \
  TROUPE_LINK_CONTRACT_CASE(world, too_large)                                                                          \
  TROUPE_LINK_CONTRACT_CASE(world, payload_is_untouched)                                                               \
  BOOST_AUTO_TEST_SUITE_END()
