#include "runtime/model/mesh/hearing.hpp"

#include "runtime/model/mesh/view.hpp"
#include "tests/model/seeded.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::mesh;

namespace {

const mesh_timing timing;

node_life life(char name, std::uint64_t incarnation = 1) { return {std::string(1, name), incarnation}; }

std::vector<node_life> lives(const std::string& names) {
  std::vector<node_life> result;
  for (const auto name : names)
    result.push_back(life(name));
  return result;
}

/// Node `a`, and what it is told by the others of a graph that is drawn as who hears whom.
struct node_a {
  hearing ears{life('a'), timing, 8};
  mono_ms now = 10'000;
  std::uint64_t version = 0;

  /// For a second: each of the nodes that can be heard here sends its row, and those of all that are told of.
  void told(const std::string& heard_here, const std::map<char, std::string>& hears) {
    for (int beat = 0; beat < 5; ++beat) {
      now += timing.heartbeat_ms;
      ++version;
      for (const auto from : heard_here) {
        std::vector<hearing_row> rows{{life(from), version, 0, false, lives(hears.at(from))}};
        for (const auto& [name, whom] : hears)
          if (name != from)
            rows.push_back({life(name), version, 10, false, lives(whom)});
        ears.heard(rows, now);
      }
    }
  }
  std::string clique() const {
    std::string names;
    for (const auto& who : ears.clique(now))
      names += who.name;
    return names;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(hearing_suite)

BOOST_AUTO_TEST_CASE(all_who_hear_each_other_act_together) {
  node_a a;
  BOOST_TEST(a.clique() == "a");
  a.told("bc", {{'b', "ac"}, {'c', "ab"}});
  BOOST_TEST(a.clique() == "abc");
}

BOOST_AUTO_TEST_CASE(who_is_heard_but_does_not_hear_is_left_out) {
  node_a a;
  a.told("bc", {{'b', "ac"}, {'c', "b"}});
  BOOST_TEST(a.clique() == "ab");
}

BOOST_AUTO_TEST_CASE(who_lacks_most_of_the_rest_is_left_out_even_if_it_is_this_node) {
  node_a a;
  a.told("b", {{'b', "acd"}, {'c', "bd"}, {'d', "bc"}});
  BOOST_TEST(a.clique() == "bcd");
}

BOOST_AUTO_TEST_CASE(a_chain_is_cut_at_its_end) {
  node_a a;
  a.told("b", {{'b', "ac"}, {'c', "bd"}, {'d', "c"}});
  BOOST_TEST(a.clique() == "ab");
}

BOOST_AUTO_TEST_CASE(other_groups_do_not_count) {
  node_a a;
  a.told("b", {{'b', "a"}, {'c', "d"}, {'d', "c"}});
  BOOST_TEST(a.clique() == "ab");
}

BOOST_AUTO_TEST_CASE(silence_ends_it_and_one_word_does_not_bring_it_back) {
  node_a a;
  a.told("b", {{'b', "a"}});
  a.now += timing.lost_ms;
  BOOST_TEST(a.clique() == "ab");
  a.now += 1;
  BOOST_TEST(a.clique() == "a");
  a.ears.expire(a.now);
  a.ears.heard({{life('b'), 99, 0, false, lives("a")}}, a.now);
  a.now += timing.settle_ms;
  BOOST_TEST(a.clique() == "a");
  a.ears.heard({{life('b'), 100, 0, false, lives("a")}}, a.now);
  BOOST_TEST(a.clique() == "ab");
}

BOOST_AUTO_TEST_CASE(a_row_does_not_get_younger_by_being_passed_on) {
  node_a a;
  a.told("b", {{'b', "a"}, {'c', "b"}});
  a.now += timing.lost_ms;
  for (const auto& row : a.ears.rows(a.now))
    BOOST_TEST(row.age_ms == (row.who.name == "a" ? 0 : row.who.name == "b" ? timing.lost_ms : timing.lost_ms + 10));
}

BOOST_AUTO_TEST_CASE(a_later_life_takes_the_place_of_an_earlier_one) {
  node_a a;
  a.told("b", {{'b', "a"}});
  a.ears.heard({{life('b', 2), 1, 0, false, {}}}, a.now);
  BOOST_TEST(a.clique() == "a");
  a.ears.heard({{life('b', 1), 1'000, 0, false, lives("a")}}, a.now);
  BOOST_TEST(a.clique() == "a");
  BOOST_TEST(!a.ears.superseded());
  a.ears.heard({{life('b', 2), 2, 0, false, {}}, {life('a', 2), 1, 0, false, {}}}, a.now);
  BOOST_TEST(a.ears.superseded());
}

BOOST_AUTO_TEST_CASE(what_a_node_said_before_its_goodbye_does_not_bring_it_back) {
  node_a a;
  a.told("b", {{'b', "a"}});
  a.ears.gone(life('b'), a.now);
  a.told("b", {{'b', "a"}});
  BOOST_TEST(a.clique() == "a");
  BOOST_TEST(!a.ears.knows("b"));
}

BOOST_AUTO_TEST_CASE(a_node_that_leaves_hosts_nothing) {
  node_a a;
  a.told("b", {{'b', "a"}});
  BOOST_TEST(a.ears.hosts(a.ears.clique(a.now)).size() == 2u);
  a.ears.heard({{life('b'), 1'000, 0, true, lives("a")}}, a.now);
  BOOST_TEST(a.ears.hosts(a.ears.clique(a.now)).size() == 1u);
  a.ears.leave();
  BOOST_TEST(a.ears.hosts(a.ears.clique(a.now)).empty());
}

BOOST_AUTO_TEST_CASE(no_more_nodes_than_allowed) {
  node_a a;
  for (char name = 'b'; name < 'z'; ++name)
    a.ears.heard({{life(name), 1, 0, false, {}}}, a.now);
  BOOST_TEST(a.ears.entries() == 14u);
  BOOST_TEST(a.ears.rows(a.now).size() == 8u);
}

// Whatever the graph: a clique, of the group, which takes in whoever fits, and the same for all who see the graph.
BOOST_AUTO_TEST_CASE(generated_graphs_give_every_node_the_same_clique) {
  for_seeds(300, [](dice& random) {
    const std::size_t count = 2 + random.below(6);
    std::vector<std::vector<char>> edges(count, std::vector<char>(count, 0));
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < count; ++j)
        edges[i][j] = i != j && !random.once_in(4);
    const auto name = [](std::size_t i) { return static_cast<char>('a' + i); };
    std::vector<hearing_row> rows;
    for (std::size_t i = 0; i < count; ++i) {
      rows.push_back({life(name(i)), 1, 0, false, {}});
      for (std::size_t j = 0; j < count; ++j)
        if (edges[i][j])
          rows.back().hears.push_back(life(name(j)));
    }
    std::vector<std::vector<node_life>> cliques;
    std::vector<std::size_t> group{0};
    for (std::size_t at = 0; at < group.size(); ++at)
      for (std::size_t j = 0; j < count; ++j)
        if (edges[group[at]][j] && edges[j][group[at]] && std::find(group.begin(), group.end(), j) == group.end())
          group.push_back(j);
    for (const auto i : group) {
      hearing ears{life(name(i)), timing, 8};
      for (const mono_ms now : {1'000, 1'300, 1'600})
        for (std::size_t j = 0; j < count; ++j)
          if (edges[i][j]) {
            auto told = rows;
            for (auto& row : told)
              row.version = static_cast<std::uint64_t>(now);
            std::swap(told[0], told[j]);
            ears.heard(told, now);
          }
      cliques.push_back(ears.clique(1'600));
      BOOST_TEST_REQUIRE((cliques.back() == cliques.front()));
    }
    const auto is_in = [&](std::size_t i) {
      return std::find(cliques[0].begin(), cliques[0].end(), life(name(i))) != cliques[0].end();
    };
    const auto fits = [&](std::size_t i) {
      for (std::size_t j = 0; j < count; ++j)
        if (i != j && is_in(j) && !(edges[i][j] && edges[j][i]))
          return false;
      return true;
    };
    BOOST_TEST_REQUIRE(!cliques[0].empty());
    for (const auto i : group)
      BOOST_TEST_REQUIRE(fits(i) == is_in(i));
  });
}

BOOST_AUTO_TEST_SUITE_END()
