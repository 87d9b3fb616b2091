#include "tests/transports/mesh/mesh_files.hpp"
#include "tests/transports/mesh/mesh_node.hpp"

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include <malloc.h>

using namespace mesh_testing;
using namespace troupe::mesh;

namespace {

node_options named(const std::string& name, const security& proof = by_secret()) {
  node_options options;
  options.name = name;
  options.gate.proof = proof;
  options.gate.redial = {20, 200, troupe::jitter::equal};
  return options;
}

/// Two nodes of which the second has connected to the first.
struct pair_of_nodes {
  explicit pair_of_nodes(const node_options& first = named("a"), const node_options& second = named("b"))
      : a{first}
      , b{second} {
    b.dial(a.port());
    BOOST_TEST_REQUIRE(a.wait_up("b"));
    BOOST_TEST_REQUIRE(b.wait_up("a"));
  }
  mesh_node a;
  mesh_node b;
};

} // namespace

BOOST_AUTO_TEST_SUITE(gate_suite)

BOOST_AUTO_TEST_CASE(batches_cross_both_ways_over_a_shared_secret) {
  pair_of_nodes nodes;
  BOOST_TEST(nodes.b.offer("a", "hello"));
  BOOST_TEST(nodes.a.wait_batches("b", 1));
  BOOST_TEST(nodes.a.offer("b", std::string(1'000'000, 'x')));
  BOOST_TEST(nodes.a.offer("b", "short"));
  BOOST_TEST(nodes.b.wait_batches("a", 2));
  BOOST_TEST(nodes.a.batches("b") == std::vector<std::string>{"hello"});
  BOOST_TEST((nodes.b.batches("a") == std::vector<std::string>{std::string(1'000'000, 'x'), "short"}));
  BOOST_TEST(nodes.a.gate().peers() == 1u);
}

BOOST_AUTO_TEST_CASE(batches_cross_over_certificates_of_the_meshs_ca) {
  const auto of = [](const std::string& name) {
    return named(name, by_certificate("mesh", name, {name + ".mesh.example"}, {"*.mesh.example"}));
  };
  pair_of_nodes nodes{of("a"), of("b")};
  for (int i = 0; i < 100; ++i)
    BOOST_TEST(nodes.b.offer("a", std::to_string(i)));
  BOOST_TEST(nodes.a.wait_batches("b", 100));
  BOOST_TEST(nodes.a.batches("b").back() == "99");
}

BOOST_AUTO_TEST_CASE(a_certificate_of_another_ca_name_or_node_is_turned_away) {
  mesh_node a{named("a", by_certificate("mesh", "a", {"a.mesh.example"}, {"*.mesh.example"}))};
  const auto refused = [&](const std::string& name, const security& proof, const std::string& reason) {
    const auto before = a.times("turned_away", reason);
    mesh_node other{named(name, proof)};
    other.dial(a.port());
    BOOST_TEST(a.wait_turned_away(reason, before + 1));
    BOOST_TEST(a.gate().peers() == 0u);
    BOOST_TEST(other.times("up", "a") == 0u);
  };
  refused("b", by_certificate("other", "b", {"b.mesh.example"}, {"*"}), "tls");
  refused("b", by_certificate("mesh", "b", {"b.elsewhere.example"}, {"*"}), "proof");
  refused("b", by_certificate("mesh", "b", {"c.mesh.example"}, {"*"}), "proof");
  refused("b", by_certificate("mesh", "b.mesh.example", {"b.elsewhere.example"}, {"*"}),
          "proof"); // the name is not used
  refused("b", by_secret(), "tls");
}

BOOST_AUTO_TEST_CASE(both_sides_check_so_an_impostor_that_listens_gets_no_peer) {
  mesh_node impostor{named("a", by_certificate("mesh", "c", {"c.mesh.example"}, {"*"}))};
  mesh_node b{named("b", by_certificate("mesh", "b", {"b.mesh.example"}, {"*.mesh.example"}))};
  b.dial(impostor.port());
  BOOST_TEST(b.wait_turned_away("proof"));
  BOOST_TEST(b.gate().peers() == 0u);
}

BOOST_AUTO_TEST_CASE(another_secret_is_turned_away) {
  mesh_node a{named("a")};
  mesh_node b{named("b", by_secret("another secret"))};
  b.dial(a.port());
  BOOST_TEST(a.wait_turned_away("tls"));
  BOOST_TEST(b.wait_turned_away("tls"));
  BOOST_TEST(a.gate().peers() + b.gate().peers() == 0u);
}

BOOST_AUTO_TEST_CASE(a_minor_version_more_or_less_is_understood_and_another_major_is_refused_by_both) {
  auto newer = named("b");
  newer.gate.version.minor = 7;
  pair_of_nodes nodes{named("a"), newer};
  auto other = named("c");
  other.gate.version.major = 2;
  mesh_node c{other};
  c.dial(nodes.a.port());
  BOOST_TEST(nodes.a.wait_turned_away("version"));
  BOOST_TEST(c.wait_turned_away("version"));
}

BOOST_AUTO_TEST_CASE(a_cut_is_told_and_what_was_offered_meanwhile_comes_after_it) {
  pair_of_nodes nodes;
  for (int round = 1; round <= 3; ++round) {
    nodes.a.gate().cut("b", "for a test");
    BOOST_TEST(nodes.a.wait_down("b", static_cast<std::size_t>(round)));
    BOOST_TEST(nodes.b.wait_down("a", static_cast<std::size_t>(round)));
    BOOST_TEST(nodes.a.offer("b", "from a " + std::to_string(round)));
    BOOST_TEST(nodes.b.offer("a", "from b " + std::to_string(round)));
    BOOST_TEST(nodes.a.wait_batches("b", static_cast<std::size_t>(round)));
    BOOST_TEST(nodes.b.wait_batches("a", static_cast<std::size_t>(round)));
  }
  BOOST_TEST((nodes.b.batches("a") == std::vector<std::string>{"from a 1", "from a 2", "from a 3"}));
  BOOST_TEST(nodes.a.times("lost", "b") + nodes.b.times("lost", "a") == 0u);
}

BOOST_AUTO_TEST_CASE(cuts_in_the_middle_of_traffic_lose_and_repeat_nothing) {
  pair_of_nodes nodes;
  std::vector<std::string> all;
  for (int i = 0; i < 400; ++i) {
    all.push_back(std::to_string(i) + std::string(500, 'x'));
    BOOST_TEST(nodes.a.offer("b", all.back()));
    BOOST_TEST(nodes.b.offer("a", all.back()));
    if (i % 100 == 50)
      (i % 200 == 50 ? nodes.a : nodes.b).gate().cut(i % 200 == 50 ? "b" : "a", "for a test");
  }
  BOOST_TEST(nodes.a.wait_batches("b", all.size()));
  BOOST_TEST(nodes.b.wait_batches("a", all.size()));
  BOOST_TEST((nodes.a.batches("b") == all));
  BOOST_TEST((nodes.b.batches("a") == all));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // their allocators are not counted
BOOST_AUTO_TEST_CASE(two_hundred_flaps_leave_memory_where_it_was) {
  auto calls = named("b");
  calls.gate.redial = {5, 20, troupe::jitter::equal};
  pair_of_nodes nodes{named("a"), calls};
  const auto flap = [&](int times) {
    while (times-- > 0) {
      nodes.a.forget_notes();
      nodes.b.forget_notes();
      nodes.a.gate().cut("b", "for a test");
      BOOST_TEST_REQUIRE(nodes.a.wait_up("b"));
      BOOST_TEST_REQUIRE(nodes.b.wait_up("a"));
    }
    return ::mallinfo2().uordblks;
  };
  const auto before = flap(200); // until what CAF and the allocator keep for later is full
  const auto after = flap(200);
  BOOST_TEST_MESSAGE("bytes in use: " << before << ", then " << after);
  BOOST_TEST(after < before + before / 20);
}
#endif

BOOST_AUTO_TEST_CASE(a_node_that_began_anew_is_a_new_peer) {
  mesh_node a{named("a")};
  for (std::uint64_t incarnation = 1; incarnation <= 3; ++incarnation) {
    auto options = named("b");
    options.incarnation = incarnation;
    mesh_node b{options};
    b.dial(a.port());
    BOOST_TEST(a.wait_up("b", incarnation));
    BOOST_TEST(b.wait_up("a"));
    BOOST_TEST(b.offer("a", std::to_string(incarnation)));
    BOOST_TEST(a.wait_batches("b", incarnation));
  }
  BOOST_TEST(a.wait_lost("b", 2));
}

BOOST_AUTO_TEST_CASE(nodes_that_call_each_other_and_themselves_end_with_one_connection) {
  mesh_node a{named("a")};
  mesh_node b{named("b")};
  a.dial(a.port());
  a.dial(b.port());
  b.dial(a.port());
  b.dial(b.port());
  BOOST_TEST(a.wait_up("b"));
  BOOST_TEST(b.wait_up("a"));
  BOOST_TEST(a.offer("b", "x"));
  BOOST_TEST(b.wait_batches("a", 1));
  BOOST_TEST((a.gate().peers() == 1u && b.gate().peers() == 1u));
}

BOOST_AUTO_TEST_CASE(a_name_that_is_taken_is_refused) {
  pair_of_nodes nodes;
  auto options = named("a");
  options.incarnation = 9;
  mesh_node twin{options};
  twin.dial(nodes.a.port());
  BOOST_TEST(nodes.a.wait_turned_away("name"));
  BOOST_TEST(nodes.b.offer("a", "still here"));
  BOOST_TEST(nodes.a.wait_batches("b", 1));
}

BOOST_AUTO_TEST_CASE(a_gate_that_cannot_be_safe_or_listen_says_so_at_once) {
  const auto said = [](const node_options& options) {
    try {
      const mesh_node node{options};
      return std::string{};
    } catch (const std::runtime_error& e) {
      return std::string{e.what()};
    }
  };
  BOOST_TEST(said(named("a")) == "");
  BOOST_TEST(said(named("a", {})).find("will not open without protection") != std::string::npos);
  BOOST_TEST(said(named("no name!")).find("a node's name has") != std::string::npos);
  const mesh_node first{named("a")};
  auto second = named("b");
  second.gate.port = first.port();
  BOOST_TEST(said(second).find("cannot listen on 127.0.0.1:") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_secret_that_was_changed_counts_after_a_reload) {
  auto options = named("a", by_secret("changing"));
  mesh_node a{options};
  write_file("changing", "another secret, of at least thirty-two bytes", 0600);
  mesh_node b{named("b", options.gate.proof)}; // reads the new one
  b.dial(a.port());
  BOOST_TEST(b.wait_turned_away("tls"));
  write_file("changing", "another secret, of at least thirty-two bytes", 0644);
  BOOST_CHECK_THROW(a.gate().reload(), std::runtime_error);
  write_file("changing", "another secret, of at least thirty-two bytes", 0600);
  a.gate().reload();
  BOOST_TEST(b.wait_up("a"));
}

BOOST_AUTO_TEST_CASE(a_peer_over_its_rate_is_read_more_slowly_and_loses_nothing) {
  auto slow = named("a");
  slow.gate.limits.bytes_per_second_max = 300'000;
  pair_of_nodes nodes{slow};
  for (int i = 0; i < 6; ++i)
    BOOST_TEST(nodes.b.offer("a", std::string(100'000, 'x')));
  BOOST_TEST(nodes.a.wait_batches("b", 6));
  BOOST_TEST(nodes.a.times("lost", "b") + nodes.a.times("down", "b") == 0u);
  BOOST_TEST(nodes.a.numbers().find("troupe_mesh_read_pauses_total 0") == std::string::npos);
  BOOST_TEST(nodes.b.numbers().find("troupe_mesh_read_pauses_total 0") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_address_is_called_until_somebody_answers) {
  mesh_node b{named("b")};
  auto a = std::make_unique<mesh_node>(named("a"));
  auto again = named("a");
  again.gate.port = a->port();
  again.incarnation = 2;
  b.gate().dial("localhost", a->port()); // which may have an address where nobody listens, too
  BOOST_TEST(b.wait_up("a"));
  a.reset();
  BOOST_TEST(b.wait_down("a"));
  a = std::make_unique<mesh_node>(again);
  BOOST_TEST(b.wait_up("a", 2));
}

BOOST_AUTO_TEST_CASE(a_later_incarnation_takes_the_place_of_one_that_is_still_there) {
  pair_of_nodes nodes;
  auto later = named("b");
  later.incarnation = 2;
  mesh_node b{later};
  b.dial(nodes.a.port());
  BOOST_TEST(b.wait_up("a"));
  BOOST_TEST(nodes.b.wait_down("a"));
  BOOST_TEST(nodes.a.wait_turned_away("name")); // the earlier one has come again
  BOOST_TEST(b.offer("a", "from the later one"));
  BOOST_TEST(nodes.a.wait_batches("b", 1));
}

BOOST_AUTO_TEST_CASE(no_more_peers_than_there_may_be) {
  auto one = named("a");
  one.gate.peers_max = 1;
  pair_of_nodes nodes{one};
  mesh_node c{named("c")};
  c.dial(nodes.a.port());
  BOOST_TEST(nodes.a.wait_turned_away("peers"));
  BOOST_TEST(nodes.b.offer("a", "on we go"));
  BOOST_TEST(nodes.a.wait_batches("b", 1));
  BOOST_TEST(nodes.a.gate().peers() == 1u);
}

BOOST_AUTO_TEST_CASE(a_listener_that_throws_costs_nobody_the_link) {
  pair_of_nodes nodes;
  nodes.a.on_batch = [](const std::string&, std::string_view batch) {
    if (batch == "bad")
      throw std::runtime_error("for a test");
  };
  BOOST_TEST(nodes.b.offer("a", "bad"));
  BOOST_TEST(nodes.b.offer("a", "good"));
  BOOST_TEST(nodes.a.wait_batches("b", 1));
  BOOST_TEST(nodes.a.batches("b") == std::vector<std::string>{"good"});
}

BOOST_AUTO_TEST_CASE(three_nodes_and_one_that_leaves) {
  mesh_node a{named("a")};
  mesh_node b{named("b")};
  auto c = std::make_unique<mesh_node>(named("c"));
  b.dial(a.port());
  c->dial(a.port());
  c->dial(b.port());
  for (auto* each : {&b, c.get()})
    BOOST_TEST(each->wait_up("a"));
  BOOST_TEST((a.wait_up("b") && a.wait_up("c") && b.wait_up("c")));
  c.reset();
  BOOST_TEST((a.wait_down("c") && b.wait_down("c")));
  BOOST_TEST(a.offer("b", "on we go"));
  BOOST_TEST(b.wait_batches("a", 1));
}

BOOST_AUTO_TEST_SUITE_END()
