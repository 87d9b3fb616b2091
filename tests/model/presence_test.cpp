#include "runtime/model/presence.hpp"

#include "tests/model/seeded.hpp"

using namespace troupe;
using change = presence::change;

namespace {

member someone(std::string connection, std::string state = "null", std::uint64_t incarnation = 1) {
  member m;
  m.connection = std::move(connection);
  m.state = std::move(state);
  m.node = std::string{"n"};
  m.incarnation = incarnation;
  return m;
}

constexpr presence_limits gather_all{0, 1000, 100};

} // namespace

BOOST_AUTO_TEST_SUITE(presence_suite)

BOOST_AUTO_TEST_CASE(small_rooms_tell_at_once) {
  presence p;
  auto joined = p.join(someone("a"), 0);
  BOOST_TEST((joined.what == change::joined));
  BOOST_TEST(joined.immediate);
  auto updated = p.update("a", "{}", 0);
  BOOST_TEST((updated.what == change::updated));
  BOOST_TEST(updated.who->state == "{}");
  BOOST_TEST(updated.who->version == 1u);
  auto left = p.leave("a", 1, 0);
  BOOST_TEST((left.what == change::left));
  BOOST_TEST(left.immediate);
  BOOST_TEST(p.size() == 0u);
  BOOST_TEST(!p.next_diff().has_value());
}

BOOST_AUTO_TEST_CASE(who_is_not_there_changes_nothing) {
  presence p;
  BOOST_TEST((p.update("a", "1", 0).what == change::none));
  BOOST_TEST((p.leave("a", 9, 0).what == change::none));
  BOOST_TEST((p.find("a") == nullptr));
}

BOOST_AUTO_TEST_CASE(joining_again_is_not_announced) {
  presence p;
  p.join(someone("a", "1"), 0);
  auto again = p.join(someone("a", "2"), 0);
  BOOST_TEST((again.what == change::none));
  BOOST_TEST(again.who->state == "2");
  BOOST_TEST(p.size() == 1u);
}

BOOST_AUTO_TEST_CASE(an_older_incarnation_neither_replaces_nor_removes) {
  presence p;
  p.join(someone("a", "new", 2), 0);
  BOOST_TEST((p.join(someone("a", "old", 1), 0).who == nullptr));
  BOOST_TEST((p.leave("a", 1, 0).what == change::none));
  BOOST_TEST(p.find("a")->state == "new");
  BOOST_TEST(!p.adopt(someone("a", "old", 1)));
  BOOST_TEST(p.adopt(someone("a", "newest", 3)));
  BOOST_TEST(p.find("a")->state == "newest");
}

BOOST_AUTO_TEST_CASE(large_rooms_gather_one_diff_an_interval) {
  presence p{{2, 1000, 100}};
  p.join(someone("a"), 0);
  p.join(someone("b"), 0);
  BOOST_TEST(!p.join(someone("c"), 10).immediate);
  BOOST_TEST(!p.update("a", "1", 20).immediate);
  BOOST_TEST(*p.next_diff() == 1010);
  BOOST_TEST(!p.take_diff(1009).has_value());
  // Small again, but what is gathered must not be overtaken.
  BOOST_TEST(!p.leave("b", 1, 1009).immediate);
  auto diff = p.take_diff(1010);
  BOOST_TEST_REQUIRE(diff.has_value());
  BOOST_TEST(diff->joins.size() == 1u);
  BOOST_TEST(diff->joins[0]->connection == "c");
  BOOST_TEST(diff->updates.size() == 1u);
  BOOST_TEST(diff->leaves[0]->connection == "b");
  BOOST_TEST(p.update("a", "2", 1011).immediate);
}

BOOST_AUTO_TEST_CASE(what_cancels_out_is_not_told) {
  presence p{gather_all};
  p.adopt(someone("b", "1"));
  p.join(someone("a"), 0);
  p.leave("a", 1, 1);
  p.leave("b", 1, 1);
  p.join(someone("b", "1", 2), 2);
  BOOST_TEST(!p.take_diff(1000).has_value());
  BOOST_TEST(!p.next_diff().has_value());
  p.leave("b", 2, 2000);
  p.join(someone("b", "other", 3), 2000);
  auto diff = p.take_diff(3000);
  BOOST_TEST(diff->updates.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_diff_is_bounded_and_counts_the_rest) {
  presence p{{0, 1000, 3}};
  for (int i = 0; i < 10; ++i)
    p.join(someone(std::to_string(i)), 0);
  auto diff = p.take_diff(1000);
  BOOST_TEST(diff->joins.size() == 3u);
  BOOST_TEST(diff->more_joins == 7u);
  BOOST_TEST(diff->more_leaves == 0u);
}

BOOST_AUTO_TEST_CASE(a_lost_node_takes_its_members_along) {
  presence p;
  p.join(someone("a"), 0);
  auto other = someone("b");
  other.node = std::string{"m"};
  p.join(other, 0);
  auto left = p.leave_node("n", 0);
  BOOST_TEST_REQUIRE(left.size() == 1u);
  BOOST_TEST(left[0].who->connection == "a");
  BOOST_TEST(p.size() == 1u);
}

BOOST_AUTO_TEST_CASE(the_state_comes_in_pages) {
  presence p;
  for (auto c : {"d", "a", "c", "b", "e"})
    p.join(someone(c), 0);
  auto first = p.list("", 2);
  BOOST_TEST(first.members[0]->connection == "a");
  BOOST_TEST(first.members[1]->connection == "b");
  BOOST_TEST(first.more);
  auto second = p.list("b", 2);
  BOOST_TEST(second.members[0]->connection == "c");
  auto last = p.list("d", 2);
  BOOST_TEST(last.members.size() == 1u);
  BOOST_TEST(!last.more);
}

BOOST_AUTO_TEST_CASE(generated_observers_end_with_what_is_there) {
  for_seeds(200, [](dice& random) {
    presence p{{random.below(8), 1000, 1000}};
    std::map<std::string, std::string> seen; // what a member that hears everything believes
    std::map<std::string, std::uint64_t> incarnations;
    mono_ms now = 0;
    auto hear = [&](change what, const member& m) {
      if (what == change::left)
        BOOST_TEST_REQUIRE(seen.erase(m.connection) == 1u);
      else if (what == change::joined)
        BOOST_TEST_REQUIRE(seen.emplace(m.connection, m.state).second);
      else {
        BOOST_TEST_REQUIRE(seen.count(m.connection) == 1u);
        seen[m.connection] = m.state;
      }
    };
    auto hear_diff = [&] {
      if (auto diff = p.take_diff(now)) {
        for (const auto& m : diff->leaves)
          hear(change::left, *m);
        for (const auto& m : diff->joins)
          hear(change::joined, *m);
        for (const auto& m : diff->updates)
          hear(change::updated, *m);
      }
    };
    for (int i = 0; i < 300; ++i) {
      now += static_cast<mono_ms>(random.below(200));
      hear_diff();
      auto who = std::to_string(random.below(12));
      auto state = std::to_string(random.below(3));
      presence::outcome out;
      if (!p.find(who))
        out = p.join(someone(who, state, ++incarnations[who]), now);
      else if (random.once_in(2))
        out = p.leave(who, incarnations[who], now);
      else
        out = p.update(who, state, now);
      BOOST_TEST_REQUIRE((out.what != change::none));
      if (out.immediate)
        hear(out.what, *out.who);
    }
    now += 1000;
    hear_diff();
    BOOST_TEST_REQUIRE(seen.size() == p.size());
    for (const auto& [connection, m] : p.members())
      BOOST_TEST_REQUIRE(seen[connection] == m->state);
  });
}

BOOST_AUTO_TEST_CASE(merging_is_commutative_associative_and_idempotent) {
  for_seeds(300, [](dice& random) {
    auto knowledge = [&] {
      presence_map result;
      for (auto n = random.below(6); n > 0; --n) {
        auto m = someone(std::to_string(random.below(4)), std::to_string(random.below(3)), random.below(3));
        m.version = random.below(3);
        m.gone = random.once_in(3);
        m.node = std::string{random.once_in(2) ? "n" : "m"};
        result[m.connection] = m;
      }
      return result;
    };
    auto a = knowledge(), b = knowledge(), c = knowledge();
    BOOST_TEST_REQUIRE((merge(a, b) == merge(b, a)));
    BOOST_TEST_REQUIRE((merge(merge(a, b), c) == merge(a, merge(b, c))));
    BOOST_TEST_REQUIRE((merge(a, a) == a));
    auto all = merge(a, b);
    BOOST_TEST_REQUIRE((merge(all, b) == all));
    for (const auto& [connection, m] : a)
      BOOST_TEST_REQUIRE(
          (std::tie(all[connection].incarnation, all[connection].version) >= std::tie(m.incarnation, m.version)));
  });
}

BOOST_AUTO_TEST_SUITE_END()
