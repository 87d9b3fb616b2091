#include "tests/transports/mesh/mesh_files.hpp"
#include "tests/transports/mesh/mesh_node.hpp"
#include "tests/transports/mesh/raw_peer.hpp"
#include "tests/wire/basp_frames.hpp"

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include <future>
#include <malloc.h>
#include <openssl/ssl.h>

using namespace mesh_testing;
using namespace troupe::mesh;
namespace basp = basp_testing;

namespace {

constexpr std::uint64_t own_actor = 42; // of a peer that is none

/// A node under attack, and an honest peer of it that must not notice.
struct target_and_friend {
  static node_options named(const std::string& name) {
    node_options options;
    options.name = name;
    options.gate.proof = by_secret();
    options.gate.redial = {20, 200, troupe::jitter::equal};
    return options;
  }

  explicit target_and_friend(const node_options& target = named("target"))
      : node{target} {
    honest.dial(node.port());
    BOOST_TEST_REQUIRE(node.wait_up("honest"));
    BOOST_TEST_REQUIRE(honest.wait_up("target"));
  }

  /// The process lives, the friend's connection is the same, and carries batches.
  void must_be_well() {
    BOOST_TEST(honest.offer("target", "ping"));
    BOOST_TEST(node.wait_batches("honest", ++exchanged));
    BOOST_TEST(node.times("down", "honest") == 0u);
  }

  /// Offers large batches to a peer until no more are taken. @returns how many were
  int fill(const std::string& peer) {
    int taken = 0;
    while (taken < 1000 && node.offer(peer, std::string(1'000'000, 'x')))
      ++taken;
    return taken;
  }

  mesh_node node;
  mesh_node honest{named("honest")};
  credentials proof{by_secret()};
  std::size_t exchanged = 0;
};

/// A peer that has proved the secret and is about to speak CAF's protocol.
struct traitor {
  traitor(target_and_friend& at, int number)
      : node{basp::node(static_cast<std::uint32_t>(1000 + number))}
      , target{at.node.identity().node}
      , socket{at.node.port()} {
    BOOST_TEST_REQUIRE(socket.secure(at.proof.client()));
    BOOST_TEST_REQUIRE(socket.greet(made_up("traitor-" + std::to_string(number), node)).has_value());
    const auto handshake = socket.hear(32 + 56 - 2); // as long as "troupe.mesh" makes it
    BOOST_TEST_REQUIRE(handshake.size() == 86u);
    actor = number_of(std::string_view{handshake}.substr(77, 8));
  }

  /// A greeting of a link, from a session that has granted more than anybody needs.
  std::string hello(std::uint64_t known) const {
    return basp::batch(own_actor, actor,
                       '\1' + basp::number(77, 8) + basp::number(known, 8) + basp::number(0, 8) +
                           basp::number(1'000'000, 8) + basp::number(1u << 30u, 8));
  }

  /// Opens a link, as an honest peer would: greets, learns the target's session from its answer, and greets with it.
  void open_link() {
    socket.say(basp::client_handshake(node) + hello(0));
    std::uint64_t session = 0;
    while (session == 0) {
      const auto header = socket.hear(32);
      BOOST_TEST_REQUIRE(header.size() == 32u);
      const auto payload = socket.hear(static_cast<unsigned char>(header[7])); // all of them are short
      if (header[0] == 2)
        session = number_of(payload.substr(28, 8));
    }
    socket.say(hello(session));
  }

  static std::uint64_t number_of(std::string_view bytes) {
    std::uint64_t number = 0;
    for (const char c : bytes)
      number = number << 8 | static_cast<unsigned char>(c);
    return number;
  }

  std::string node;
  std::string target;
  std::uint64_t actor = 0; ///< The one that it may speak with.
  raw_peer socket;
};

} // namespace

BOOST_AUTO_TEST_SUITE(attacks_suite)

BOOST_AUTO_TEST_CASE(every_attack_of_a_peer_ends_its_connection_and_nothing_else) {
  target_and_friend world;
  int number = 0;
  const auto attack = [&](const std::string& name, auto&& frames, const std::string& why) {
    BOOST_TEST_CONTEXT(name) {
      traitor peer{world, ++number};
      const auto before = world.node.times("turned_away", "frame_" + why);
      peer.socket.say(frames(peer));
      BOOST_TEST(peer.socket.closed());
      BOOST_TEST(world.node.wait_turned_away("frame_" + why, before + 1));
    }
  };
  const auto before = basp::attacks_instead_of_handshake("", "", 0, 0);
  for (std::size_t i = 0; i < before.size(); ++i)
    attack(
        before[i].name,
        [&](traitor& t) { return basp::attacks_instead_of_handshake(t.node, t.target, own_actor, t.actor)[i].frame; },
        before[i].why);
  world.must_be_well();
  const auto after = basp::attacks_after_handshake("", "", 0, 0);
  for (std::size_t i = 0; i < after.size(); ++i)
    attack(
        after[i].name,
        [&](traitor& t) {
          return basp::client_handshake(t.node) +
                 basp::attacks_after_handshake(t.node, t.target, own_actor, t.actor, 50'000)[i].frame;
        },
        after[i].why);
  world.must_be_well();
  BOOST_TEST(world.node.gate().peers() == 1u);
  BOOST_TEST(world.node.numbers().find("troupe_mesh_turned_away_total{reason=\"frame_content\"}") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_peer_that_is_called_can_do_no_more) {
  target_and_friend world;
  const std::vector<std::pair<std::string, std::string>> attacks{
      {basp::frame({0, 0, 3, 0, 0}), "frame_length"}, // a handshake without a payload
      {basp::frame_of_length({0, 0, 3, 0, 0}, 0xFFFFFFF0, ""), "frame_length"},
      {basp::server_handshake(basp::node(99), own_actor), "frame_handshake"},
      {basp::client_handshake(basp::node(2000)), "frame_order"},
  };
  int number = 0;
  for (const auto& [frame, why] : attacks) {
    const raw_listener listener;
    const auto seen = world.node.times("turned_away", why);
    world.node.dial(listener.port());
    raw_peer socket{raw_peer::accepted{listener.accept()}};
    BOOST_TEST_REQUIRE(socket.secure(world.proof.server(), true));
    BOOST_TEST_REQUIRE(socket.greet(made_up("called-" + std::to_string(++number), basp::node(2000))).has_value());
    socket.say(frame);
    BOOST_TEST(socket.closed());
    BOOST_TEST(world.node.wait_turned_away(why, seen + 1));
  }
  world.must_be_well();
}

BOOST_AUTO_TEST_CASE(frames_of_a_link_that_are_none_end_the_connection) {
  target_and_friend world;
  traitor peer{world, 1};
  peer.socket.say(basp::client_handshake(peer.node) + basp::batch(own_actor, peer.actor, "\x09 no frame of a link"));
  BOOST_TEST(peer.socket.closed());
  BOOST_TEST(world.node.wait_turned_away("link"));
  world.must_be_well();
}

BOOST_AUTO_TEST_CASE(a_stranger_gets_nowhere) {
  target_and_friend world;
  const auto after = basp::attacks_after_handshake(basp::node(7), world.node.identity().node, 1, 1);
  std::string all = basp::client_handshake(basp::node(7));
  for (const auto& each : after)
    all += each.frame;
  std::size_t expected = 0;
  for (const auto& bytes : {all, basp::frame({1, 0, 0, 0, 0}), std::string{"GET / HTTP/1.1\r\n\r\n"},
                            std::string(100'000, '\x16'), std::string(1, '\0')}) {
    raw_peer stranger{world.node.port()};
    stranger.say(bytes);
    if (bytes.size() > 1) {
      BOOST_TEST(stranger.closed());
      ++expected;
    }
  }
  BOOST_TEST(world.node.wait_turned_away("tls", expected));
  world.must_be_well();
}

BOOST_AUTO_TEST_CASE(no_older_tls_no_other_secret_and_no_proof_at_all) {
  target_and_friend world;
  const auto refused = [&](const std::shared_ptr<SSL_CTX>& context) {
    const auto before = world.node.times("turned_away", "tls");
    raw_peer stranger{world.node.port()};
    const bool shaken = stranger.secure(context);
    BOOST_TEST((!shaken || stranger.closed()));
    BOOST_TEST(world.node.wait_turned_away("tls", before + 1));
  };
  refused(credentials{by_secret("another secret")}.client());
  refused(credentials{by_certificate("mesh", "b", {"b.mesh.example"}, {"*"})}.client());
  const auto plain = [] { return std::shared_ptr<SSL_CTX>{SSL_CTX_new(TLS_client_method()), SSL_CTX_free}; };
  refused(plain());
  const auto older = plain();
  SSL_CTX_set_max_proto_version(older.get(), TLS1_2_VERSION);
  refused(older);
  world.must_be_well();
}

BOOST_AUTO_TEST_CASE(a_peer_with_the_secret_and_no_preface_is_turned_away) {
  target_and_friend world;
  const auto say = [&](const std::string& bytes, const std::string& reason) {
    const auto before = world.node.times("turned_away", reason);
    raw_peer peer{world.node.port()};
    BOOST_TEST_REQUIRE(peer.secure(world.proof.client()));
    peer.say(bytes);
    BOOST_TEST(peer.closed());
    BOOST_TEST(world.node.wait_turned_away(reason, before + 1));
  };
  say(basp::client_handshake(basp::node(7)), "preface");
  auto own = made_up("x", basp::node(7));
  own.version.major = 9;
  say(own.encode(), "version");
  say(made_up("no name!", basp::node(7)).encode(), "preface");
  say(made_up("thief", world.node.identity().node).encode(), "node");   // the target's own id
  say(made_up("thief", world.honest.identity().node).encode(), "node"); // its friend's
  say(made_up("target", basp::node(7)).encode(), "name");
  say(made_up("honest", basp::node(7), 0).encode(), "name"); // an older incarnation than the friend
  world.must_be_well();
}

BOOST_AUTO_TEST_CASE(whoever_keeps_silent_is_sent_away_and_many_of_them_are_a_crowd) {
  auto options = target_and_friend::named("target");
  options.gate.handshakes_per_address_max = 4;
  options.gate.limits.handshake_ms_max = 1'500;
  target_and_friend world{options};
  std::vector<std::unique_ptr<raw_peer>> silent;
  for (int i = 0; i < 4; ++i)
    silent.push_back(std::make_unique<raw_peer>(world.node.port()));
  raw_peer one_too_many{world.node.port()};
  BOOST_TEST(one_too_many.closed());
  BOOST_TEST(world.node.wait_turned_away("crowd"));
  for (auto& each : silent)
    BOOST_TEST(each->closed());
  BOOST_TEST(world.node.wait_turned_away("timeout", 4));
  // The same for one that has the secret, and then says nothing to CAF.
  traitor peer{world, 1};
  BOOST_TEST(peer.socket.closed());
  BOOST_TEST(world.node.wait_turned_away("timeout", 5));
  world.must_be_well();
}

BOOST_AUTO_TEST_CASE(a_peer_that_takes_nothing_is_cut_off) {
  auto options = target_and_friend::named("target");
  options.gate.limits.stall_ms_max = 500;
  // More than the kernel's buffers hold.
  options.link.window_bytes_max = options.link.flight_bytes_max = 64'000'000;
  target_and_friend world{options};
  traitor peer{world, 1};
  peer.open_link();
  BOOST_TEST_REQUIRE(world.node.wait_up("traitor-1"));
  BOOST_TEST(world.fill("traitor-1") < 1000); // the window has an end
  BOOST_TEST(world.node.wait_turned_away("stalled"));
  world.must_be_well();
}

BOOST_AUTO_TEST_CASE(a_peer_that_takes_nothing_holds_eight_mebibytes_at_most) {
  const auto in_use = [] {
    const auto all = ::mallinfo2();
    return all.uordblks + all.hblkhd;
  };
  target_and_friend world;
  traitor peer{world, 1};
  peer.open_link();
  BOOST_TEST_REQUIRE(world.node.wait_up("traitor-1"));
  const auto before = in_use();
  for (const std::size_t bytes : {1'000'000u, 10'000u, 100u})
    while (world.node.offer("traitor-1", std::string(bytes, 'x'))) {
    }
  world.must_be_well(); // the link, CAF and the pump have done what they can
  const auto after = in_use();
  BOOST_TEST_MESSAGE("bytes held: " << after - before);
  BOOST_TEST(after < before + 8 * 1024 * 1024);
}

BOOST_AUTO_TEST_CASE(a_peer_that_takes_everything_and_acknowledges_nothing_is_cut_off_by_the_link) {
  auto options = target_and_friend::named("target");
  options.link.slow_ms_max = 500;
  target_and_friend world{options};
  traitor peer{world, 1};
  peer.open_link();
  BOOST_TEST_REQUIRE(world.node.wait_up("traitor-1"));
  BOOST_TEST(world.fill("traitor-1") < 10); // 4 MiB, whatever it grants
  BOOST_TEST(peer.socket.closed());
  BOOST_TEST(world.node.wait_lost("traitor-1"));
  BOOST_TEST(world.node.wait_down("traitor-1"));
  world.must_be_well();
}

BOOST_AUTO_TEST_CASE(a_flood_that_comes_before_its_link_has_a_turn_is_cut_off) {
  auto options = target_and_friend::named("target");
  options.link.receive_bytes_max = options.link.batch_bytes_max = 100'000;
  options.link.receive_batches_max = 16;
  target_and_friend world{options};
  std::promise<void> release;
  world.node.on_batch = [held = release.get_future().share()](const std::string& peer, std::string_view) {
    if (peer != "honest")
      held.wait();
  };
  traitor peer{world, 1};
  peer.open_link();
  BOOST_TEST_REQUIRE(world.node.wait_up("traitor-1"));
  const auto batch = [&](std::uint64_t number) {
    return basp::batch(own_actor, peer.actor,
                       '\2' + basp::number(number, 8) + std::string(24, '\0') + std::string(50'000, 'x'));
  };
  for (std::uint64_t i = 1; i < 1000 && peer.socket.say(batch(i)); ++i) {
  }
  BOOST_TEST(peer.socket.closed()); // while the link's actor is still busy with the first
  BOOST_TEST(world.node.wait_turned_away("link"));
  world.must_be_well();
  release.set_value();
}

BOOST_AUTO_TEST_SUITE_END()
