#include "runtime/model/mesh/claims.hpp"

#include "tests/mesh/recorder.hpp"
#include "tests/model/seeded.hpp"

#include <memory>

using namespace troupe;
using namespace troupe::mesh;

namespace {

struct keeper {
  explicit keeper(const mesh_limits& limits)
      : known{limits, out, out} {}
  recorder out;
  claims known;
};

/// Gives each node what the others posted to it, until nothing is on its way. @returns how many messages that took
std::size_t exchange(std::vector<std::unique_ptr<keeper>>& nodes, std::size_t entries_max) {
  std::size_t count = 0;
  for (bool busy = true; busy;) {
    busy = false;
    for (std::size_t from = 0; from < nodes.size(); ++from)
      for (auto& [to, what] : std::exchange(nodes[from]->out.posted, {})) {
        busy = true;
        ++count;
        auto& receiver = nodes[static_cast<std::size_t>(to[0] - 'a')]->known;
        const node_life sender{std::string(1, static_cast<char>('a' + from)), 1};
        if (auto* digest = std::get_if<claims_digest>(&what)) {
          receiver.compared(sender, *digest);
        } else if (auto* page = std::get_if<claims_page>(&what)) {
          BOOST_TEST_REQUIRE(page->claims.size() <= entries_max);
          receiver.given(sender, *page);
        } else {
          receiver.asked(sender, std::get<claims_request>(what));
        }
      }
  }
  return count;
}

} // namespace

BOOST_AUTO_TEST_SUITE(claims_suite)

BOOST_AUTO_TEST_CASE(the_higher_term_is_current_then_the_higher_node) {
  const claim first{"c", "b", 1, "x"}, later{"c", "a", 2, "y"}, equal{"c", "c", 1, "z"};
  BOOST_TEST((current(first, later) == later));
  BOOST_TEST((current(later, first) == later));
  BOOST_TEST((current(first, equal) == equal));
  keeper node{{}};
  BOOST_TEST(node.known.add(first, false));
  BOOST_TEST(node.known.add(later, false));
  BOOST_TEST(!node.known.add(equal, false));
  BOOST_TEST(!node.known.add(later, false));
  BOOST_TEST((*node.known.find("c") == later));
  BOOST_TEST((node.out.take() == std::vector<std::string>{"c is b's", "c is a's"}));
}

BOOST_AUTO_TEST_CASE(no_more_names_than_allowed_but_those_known_are_kept_current) {
  mesh_limits limits;
  limits.claims_max = 2;
  keeper node{limits};
  BOOST_TEST(node.known.add({"c1", "a", 1, "e"}, false));
  BOOST_TEST(node.known.add({"c2", "a", 1, "e"}, false));
  BOOST_TEST(!node.known.add({"c3", "a", 1, "e"}, false));
  BOOST_TEST(node.known.add({"c2", "a", 2, "e"}, false));
  BOOST_TEST(node.known.turned_away() == 1u);
  BOOST_TEST(node.known.size() == 2u);
}

BOOST_AUTO_TEST_CASE(news_reach_all_members_and_are_told_once) {
  view v{{1, {"a", 1}}, {{"a", 1}, {"b", 1}, {"c", 1}}, {"a", "b", "c"}};
  keeper node{{}};
  node.known.add({"c1", "a", 1, "e"}, true);
  node.known.add({"c2", "a", 1, "e"}, false);
  node.known.tell_news(v, {"a", 1});
  const auto told = node.out.take_posted<claims_page>();
  BOOST_TEST_REQUIRE(told.size() == 2u);
  BOOST_TEST(told[0].second.claims.size() == 1u);
  node.known.tell_news(v, {"a", 1});
  BOOST_TEST(node.out.posted.empty());
}

BOOST_AUTO_TEST_CASE(generated_nodes_that_compare_know_the_same_in_bounded_messages) {
  for_seeds(50, [](dice& random) {
    mesh_limits limits;
    limits.page_entries_max = 1 + random.below(8);
    std::vector<std::unique_ptr<keeper>> nodes;
    for (int i = 0; i < 3; ++i)
      nodes.push_back(std::make_unique<keeper>(limits));
    std::map<std::string, claim> best;
    for (int i = 0; i < 600; ++i) {
      const claim c{"channel" + std::to_string(random.below(300)),
                    std::string(1, static_cast<char>('a' + random.below(3))), random.below(4),
                    "e" + std::to_string(random.below(2))};
      nodes[random.below(3)]->known.add(c, false);
      const auto [at, added] = best.emplace(c.name, c);
      at->second = current(at->second, c);
    }
    for (int round = 0; round < 12; ++round)
      for (std::size_t from = 0; from < 3; ++from) {
        nodes[from]->known.compare_with({std::string(1, static_cast<char>('a' + (from + 1 + random.below(2)) % 3)), 1});
        exchange(nodes, limits.page_entries_max);
      }
    for (const auto& node : nodes) {
      BOOST_TEST_REQUIRE(node->known.size() == best.size());
      for (const auto& [name, c] : best)
        BOOST_TEST_REQUIRE((*node->known.find(name) == c));
    }
    nodes[0]->known.compare_with({"b", 1});
    BOOST_TEST_REQUIRE(exchange(nodes, limits.page_entries_max) == 1u); // who knows the same says no more
  });
}

BOOST_AUTO_TEST_SUITE_END()
