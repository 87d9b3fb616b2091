#include "runtime/wire/basp_check.hpp"

#include "tests/model/seeded.hpp"
#include "tests/wire/basp_frames.hpp"

#include <array>

using namespace troupe::mesh;
using namespace basp_testing;

namespace {

const std::string here = node(1);
const std::string there = node(2);
constexpr std::uint64_t own = 6;
constexpr std::uint64_t peer = 9;

basp_rules rules(bool peer_accepted = false) {
  basp_rules r;
  r.own_node = here;
  r.peer_node = there;
  r.own_actor = own;
  r.peer_accepted = peer_accepted;
  r.batch_bytes_max = 1000;
  return r;
}

struct taken {
  std::string passed;
  std::string refused; ///< By name; empty: all passed.
};

/// What becomes of bytes that arrive in two parts.
taken take(const basp_rules& r, std::string_view bytes, std::size_t split) {
  basp_check check{r};
  taken result;
  for (const auto part : {bytes.substr(0, split), bytes.substr(split)})
    if (const auto why = check.take(part, result.passed))
      result.refused = to_string(*why);
  return result;
}

void must_pass(const basp_rules& r, const std::string& bytes) {
  for (std::size_t split = 0; split <= bytes.size(); ++split) {
    const auto got = take(r, bytes, split);
    BOOST_TEST(got.refused == "");
    BOOST_TEST((got.passed == bytes));
  }
}

/// `good` passes, and of what follows nothing or whole frames that are good as well.
void must_be_refused(const basp_rules& r, const std::string& good, const attack& a) {
  BOOST_TEST_CONTEXT(a.name) {
    const auto bytes = good + a.frame;
    for (std::size_t split = 0; split <= bytes.size(); ++split) {
      const auto got = take(r, bytes, split);
      BOOST_TEST(got.refused == a.why);
      BOOST_TEST(bytes.starts_with(got.passed));
      BOOST_TEST(got.passed.size() >= good.size());
      BOOST_TEST(got.passed.size() < bytes.size());
    }
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(basp_check_suite)

BOOST_AUTO_TEST_CASE(a_conversation_passes_split_anywhere) {
  const auto talk = monitor(there, here, own) + batch(peer, own, "hello") + heartbeat() +
                    batch(peer, own, std::string(300, 'x')) + batch(peer, own, std::string(1000, 'y')) +
                    down(there, here, peer);
  must_pass(rules(), client_handshake(there) + client_handshake(there, 2) + talk);
  must_pass(rules(true), server_handshake(there, peer) + talk);
}

BOOST_AUTO_TEST_CASE(every_attack_is_refused_split_anywhere) {
  for (const auto& a : attacks_instead_of_handshake(there, here, peer, own))
    must_be_refused(rules(), "", a);
  const auto greeting = client_handshake(there);
  for (const auto& a : attacks_after_handshake(there, here, peer, own))
    must_be_refused(rules(), greeting, a);
}

BOOST_AUTO_TEST_CASE(a_server_greets_once_with_its_actor_and_the_agreed_application) {
  const std::vector<attack> attacks{
      {"another application", server_handshake(there, peer, "troupe.mosh"), "handshake"},
      {"a longer application", server_handshake(there, peer, "troupe.mesh.2"), "length"},
      {"no actor", server_handshake(there, 0), "source"},
      {"another node", server_handshake(node(3), peer), "handshake"},
      {"another version", frame({0, 0, 2, 0, 0}, std::string(53, 'x')), "handshake"},
      {"an interface",
       frame({0, 0, 3, 0, 0}, there + length(1) + length(11) + "troupe.mesh" + number(peer, 8) + length(9)),
       "handshake"},
      {"a client's handshake", client_handshake(there), "order"},
  };
  for (const auto& a : attacks)
    must_be_refused(rules(true), "", a);
  must_be_refused(rules(true), server_handshake(there, peer), {"twice", server_handshake(there, peer), "order"});
  must_be_refused(rules(true), server_handshake(there, peer), {"another actor", batch(peer + 1, own, "x"), "source"});
}

BOOST_AUTO_TEST_CASE(a_client_chooses_its_connection_once) {
  const auto good = client_handshake(there) + client_handshake(there, 2);
  must_be_refused(rules(), good, {"again", client_handshake(there, 2), "order"});
  must_be_refused(rules(), client_handshake(there), {"another node", client_handshake(node(3), 2), "handshake"});
}

BOOST_AUTO_TEST_CASE(a_batch_is_as_long_as_it_may_be_and_no_longer) {
  const auto greeting = client_handshake(there);
  for (const auto bytes : {1u, 127u, 128u, 129u, 1000u})
    must_pass(rules(), greeting + batch(peer, own, std::string(bytes, 'z')));
  must_be_refused(rules(), greeting, {"1001 bytes", batch(peer, own, std::string(1001, 'z')), "length"});
  // A length may be written in more bytes than it needs, but no more than five.
  const auto padded = [](std::string_view zero) {
    return frame({2, 0, asynchronous, peer, own}, message("@<>+troupe::mesh_batch", zero));
  };
  must_be_refused(rules(), greeting, {"endless", padded(std::string(6, '\x81')), "length"});
}

BOOST_AUTO_TEST_CASE(what_was_refused_stays_refused) {
  basp_check check{rules()};
  std::string out;
  BOOST_TEST(check.take(heartbeat(), out).has_value());
  BOOST_TEST(check.take(client_handshake(there), out).has_value());
  BOOST_TEST(out == "");
  BOOST_TEST(!check.greeted());
}

BOOST_AUTO_TEST_CASE(what_our_own_side_asks_of_spawn_servers_is_left_out) {
  const auto before = client_handshake(here);
  const auto after = monitor(here, there, peer) + batch(own, peer, std::string(200, 'x')) + heartbeat();
  const auto bytes = before + spawn_server_request(7) + after;
  for (std::size_t split = 0; split <= bytes.size(); ++split) {
    basp_trim trim;
    std::string out;
    trim.take(bytes.substr(0, split), out);
    trim.take(bytes.substr(split), out);
    BOOST_TEST((out == before + after));
    BOOST_TEST(trim.trimmed() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(whatever_comes_only_frames_of_the_known_forms_pass) {
  for_seeds(3000, [](dice& random) {
    const std::array<std::string, 6> parts{client_handshake(there),
                                           client_handshake(there, 2),
                                           monitor(there, here, own),
                                           batch(peer, own, "some bytes"),
                                           heartbeat(),
                                           down(there, here, peer)};
    std::string bytes = random.once_in(4) ? "" : parts[0];
    for (int i = 0; i < 6; ++i)
      bytes += parts[random.below(parts.size())];
    const bool intact = random.once_in(4);
    if (!intact)
      bytes[random.below(bytes.size())] ^= static_cast<char>(1u << random.below(8));
    const auto whole = take(rules(), bytes, 0);
    const auto parted = take(rules(), bytes, random.below(bytes.size() + 1));
    BOOST_TEST((whole.passed == parted.passed && whole.refused == parted.refused));
    BOOST_TEST(bytes.starts_with(whole.passed));
    if (whole.refused.empty()) // but for the bytes of a batch and its end's reason nothing can differ
      BOOST_TEST(whole.passed.starts_with(parts[0]));
  });
}

BOOST_AUTO_TEST_SUITE_END()
