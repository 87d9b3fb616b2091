#include "runtime/model/mesh/roster.hpp"

#include "tests/mesh/recorder.hpp"
#include "tests/model/seeded.hpp"

#include <memory>

using namespace troupe;
using namespace troupe::mesh;

namespace {

const mesh_timing timing;

member someone(std::string connection, const std::string& node, std::uint64_t incarnation = 1) {
  member who;
  who.user = "user " + connection;
  who.connection = std::move(connection);
  who.node = node;
  who.incarnation = incarnation;
  return who;
}

view of(std::vector<node_life> members) { return {{1, members.front()}, std::move(members), {}}; }

/// Two nodes and what is on its way between them.
struct pair_of_nodes {
  explicit pair_of_nodes(std::size_t page_entries_max = 256) {
    mesh_limits limits;
    limits.page_entries_max = page_entries_max;
    mine = std::make_unique<roster>(a, timing, limits, sent);
    theirs = std::make_unique<roster>(b, timing, limits, back);
  }
  void meet() {
    mine->link_up(b);
    theirs->link_up(a);
    mine->activated(of({a, b}), 0);
    theirs->activated(of({a, b}), 0);
  }
  /// Delivers what is under way. @returns the pages that it took to tell `theirs`
  std::size_t exchange() {
    std::size_t pages = 0;
    while (!sent.posted.empty() || !back.posted.empty()) {
      pages += carry(sent, *theirs, a);
      carry(back, *mine, b);
    }
    return pages;
  }
  static std::size_t carry(recorder& out, roster& to, const node_life& from) {
    std::size_t pages = 0;
    for (auto& [name, what] : std::exchange(out.posted, {})) {
      if (auto* page = std::get_if<roster_page>(&what)) {
        ++pages;
        to.given(from, *page);
      } else {
        to.received(from, std::get<roster_receipt>(what));
      }
    }
    return pages;
  }

  node_life a{"a", 1}, b{"b", 1};
  recorder sent, back;
  std::unique_ptr<roster> mine, theirs;
};

} // namespace

BOOST_AUTO_TEST_SUITE(roster_suite)

BOOST_AUTO_TEST_CASE(who_was_there_before_and_who_comes_and_goes_is_known_to_the_other) {
  pair_of_nodes n;
  n.mine->add(someone("c1", "a"));
  n.meet();
  n.exchange();
  BOOST_TEST_REQUIRE((n.theirs->find("c1") != nullptr));
  BOOST_TEST(n.theirs->connections_of("user c1")->size() == 1u);
  n.mine->add(someone("c2", "a"));
  n.mine->remove("c1");
  n.exchange();
  BOOST_TEST((n.theirs->find("c1") == nullptr));
  BOOST_TEST((n.theirs->connections_of("user c1") == nullptr));
  BOOST_TEST((n.theirs->find("c2") != nullptr));
}

BOOST_AUTO_TEST_CASE(of_two_entries_for_a_connection_the_newer_one_counts_until_it_goes) {
  pair_of_nodes n;
  n.meet();
  n.mine->add(someone("c1", "a", 2));
  n.theirs->add(someone("c1", "b", 1));
  n.exchange();
  BOOST_TEST(n.theirs->find("c1")->node == "a");
  BOOST_TEST(n.mine->find("c1")->node == "a");
  n.theirs->remove("c1");
  n.exchange();
  BOOST_TEST(n.theirs->find("c1")->node == "a");
  n.mine->remove("c1");
  n.exchange();
  BOOST_TEST(n.theirs->all().empty());
}

BOOST_AUTO_TEST_CASE(who_was_on_a_lost_node_leaves_after_the_grace_period) {
  pair_of_nodes n;
  n.mine->add(someone("c1", "a"));
  n.meet();
  n.exchange();
  n.theirs->activated(of({n.b}), 100);
  n.theirs->pass_time(100 + timing.grace_ms - 1);
  BOOST_TEST(n.theirs->all().size() == 1u);
  n.theirs->activated(of({n.a, n.b}), 5'000);
  n.theirs->pass_time(100 + timing.grace_ms);
  BOOST_TEST(n.theirs->all().size() == 1u);
  n.theirs->stepped_down(20'000);
  n.theirs->pass_time(20'000 + timing.grace_ms);
  BOOST_TEST(n.theirs->all().empty());
  n.theirs->activated(of({n.a, n.b}), 30'000);
  n.exchange();
  BOOST_TEST(n.theirs->all().size() == 1u);
}

BOOST_AUTO_TEST_CASE(who_was_with_an_earlier_life_goes_with_it) {
  pair_of_nodes n;
  n.mine->add(someone("c1", "a"));
  n.meet();
  n.exchange();
  n.theirs->given({"a", 2}, {.number = 1, .from = 0, .to = 0, .full = true, .more = false, .after = {}, .entries = {}});
  BOOST_TEST(n.theirs->all().empty());
  n.theirs->given(
      {"a", 1},
      {.number = 9, .from = 0, .to = 1, .full = true, .more = false, .after = {}, .entries = {someone("c1", "a")}});
  BOOST_TEST(n.theirs->all().empty());
}

BOOST_AUTO_TEST_CASE(a_full_list_comes_in_bounded_pages_while_it_changes) {
  pair_of_nodes n{10};
  for (int i = 0; i < 95; ++i)
    n.mine->add(someone("c" + std::to_string(i), "a"));
  n.meet();
  for (int step = 0; step < 5; ++step) {
    n.carry(n.sent, *n.theirs, n.a);
    n.carry(n.back, *n.mine, n.b);
  }
  BOOST_TEST(n.theirs->all().empty()); // all of it or nothing
  n.mine->remove("c0");
  n.mine->remove("c94");
  n.mine->add(someone("c200", "a"));
  BOOST_TEST(n.exchange() <= 10u);
  BOOST_TEST(n.theirs->all().size() == 94u);
  BOOST_TEST((n.theirs->all() == n.mine->all()));
}

BOOST_AUTO_TEST_CASE(pages_are_bounded_by_bytes_as_well) {
  pair_of_nodes n;
  const auto add_wide = [&](int from, int upto) {
    for (int i = from; i < upto; ++i) {
      auto who = someone("c" + std::to_string(i), "a");
      who.state.assign(60'000, 's'); // four of them fit
      n.mine->add(who);
    }
  };
  add_wide(0, 20);
  n.meet();
  BOOST_TEST(n.exchange() == 5u);
  add_wide(20, 40); // each is told at once, or waits for the receipt
  BOOST_TEST(n.exchange() >= 5u);
  auto alone = someone("c99", "a");
  alone.state.assign(mesh_limits{}.page_bytes_max + 1, 's');
  n.mine->add(alone);
  n.exchange();
  BOOST_TEST((n.theirs->all() == n.mine->all()));
}

// Links are lost and pages with them; nodes leave the view for longer than the grace period.
BOOST_AUTO_TEST_CASE(generated_losses_leave_both_with_the_same) {
  for_seeds(200, [](dice& random) {
    pair_of_nodes n{1 + random.below(8)};
    n.meet();
    mono_ms now = 0;
    for (int step = 0; step < 400; ++step) {
      const auto connection = "c" + std::to_string(random.below(30));
      auto& where = random.once_in(2) ? n.mine : n.theirs;
      const auto& life = where == n.mine ? n.a : n.b;
      now += static_cast<mono_ms>(random.below(100));
      if (random.once_in(3))
        where->remove(connection);
      else
        where->add(someone(connection, life.name, random.below(5)));
      if (random.once_in(2))
        n.carry(n.sent, *n.theirs, n.a);
      if (random.once_in(2))
        n.carry(n.back, *n.mine, n.b);
      if (random.once_in(50)) {
        n.mine->link_lost("b");
        n.theirs->link_lost("a");
        n.sent.posted.clear();
        n.back.posted.clear();
        n.meet();
      }
      if (random.once_in(50)) {
        n.theirs->activated(of({n.b}), now);
        now += static_cast<mono_ms>(random.below(10'000));
        n.theirs->pass_time(now);
        n.theirs->activated(of({n.a, n.b}), now);
      }
    }
    n.exchange();
    BOOST_TEST_REQUIRE((n.mine->all() == n.theirs->all()));
    BOOST_TEST_REQUIRE(n.sent.posted.empty());
  });
}

BOOST_AUTO_TEST_SUITE_END()
