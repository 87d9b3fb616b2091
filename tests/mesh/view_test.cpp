#include "runtime/model/mesh/view.hpp"

#include "runtime/model/mesh/views.hpp"
#include "tests/model/seeded.hpp"

using namespace troupe;
using namespace troupe::mesh;

namespace {

const mesh_timing timing;
const node_life a{"a", 1}, b{"b", 1}, c{"c", 1};

view of(std::uint64_t number, const node_life& issuer, std::vector<node_life> members) {
  view v{{number, issuer}, std::move(members), {}};
  for (const auto& member : v.members)
    v.hosts.push_back(member.name);
  return v;
}

} // namespace

BOOST_AUTO_TEST_SUITE(view_suite)

BOOST_AUTO_TEST_CASE(a_room_has_the_home_that_the_hash_says_and_its_successor_is_the_home_without_it) {
  for (int i = 0; i < 100; ++i) {
    const auto room = "room" + std::to_string(i);
    auto v = of(1, a, {a, b, c});
    const auto home = *v.home_of(room);
    const auto successor = *v.successor_of(room);
    BOOST_TEST(home.name != successor.name);
    std::erase(v.hosts, home.name);
    BOOST_TEST(v.home_of(room)->name == successor.name);
  }
}

BOOST_AUTO_TEST_CASE(without_hosts_nobody_is_home) {
  auto v = of(1, a, {a});
  BOOST_TEST((v.successor_of("r") == nullptr));
  v.hosts.clear();
  BOOST_TEST((v.home_of("r") == nullptr));
}

BOOST_AUTO_TEST_CASE(epochs_of_later_views_are_higher_and_have_other_texts) {
  const epoch_id first{{1, a}, 9}, same_number{{1, b}, 1}, next{{2, a}, 1}, restarted{{2, {"a", 2}}, 1};
  BOOST_TEST((first < same_number));
  BOOST_TEST((same_number < next));
  BOOST_TEST((next < restarted));
  BOOST_TEST(text_of(next) != text_of(restarted));
  BOOST_TEST(text_of(first) != text_of(same_number));
  for (const auto letter : text_of(epoch_id{{1, {"eu-west.1", 5}}, 2}))
    BOOST_TEST(std::isalnum(static_cast<unsigned char>(letter)) != 0);
}

BOOST_AUTO_TEST_CASE(a_view_is_active_once_all_members_have_agreed) {
  views mine{b, timing, 0};
  mine.learn(a, of(5, a, {a, b, c}));
  BOOST_TEST(mine.pending());
  BOOST_TEST((mine.active() == nullptr));
  mine.agreed_by(a, {{5, a}, {}});
  mine.agreed_by(c, {{4, a}, {}});        // to another one
  mine.agreed_by({"c", 2}, {{5, a}, {}}); // another life
  BOOST_TEST((mine.active() == nullptr));
  mine.agreed_by(c, {{5, a}, {}});
  BOOST_TEST_REQUIRE((mine.active() != nullptr));
  BOOST_TEST(!mine.pending());
}

BOOST_AUTO_TEST_CASE(an_agreement_may_come_before_the_view) {
  views mine{b, timing, 0};
  mine.agreed_by(a, {{5, a}, {}});
  mine.learn(a, of(5, a, {a, b}));
  BOOST_TEST((mine.active() != nullptr));
}

BOOST_AUTO_TEST_CASE(views_only_rise_and_only_members_install_them) {
  views mine{b, timing, 0};
  mine.learn(a, of(5, a, {a, b}));
  mine.learn(a, of(4, c, {b, c}));
  mine.learn(a, of(9, a, {a, c}));
  mine.learn(a, of(9, a, {a, {"b", 2}}));
  BOOST_TEST(mine.installed().id.number == 5u);
  mine.learn(c, of(5, c, {b, c}));
  BOOST_TEST((mine.installed().id.issuer == c));
  mine.step_down();
  mine.learn(a, of(5, a, {a, b}));
  BOOST_TEST(mine.installed().members.empty());
}

BOOST_AUTO_TEST_CASE(a_view_that_is_none_is_not_installed) {
  views mine{b, timing, 0};
  auto twice = of(5, a, {a, a, b});
  auto unordered = of(5, a, {b, a});
  auto stranger = of(5, a, {a, b});
  stranger.hosts = {"a", "x"};
  for (const auto& v : {twice, unordered, stranger})
    mine.learn(a, v);
  BOOST_TEST(mine.installed().id.number == 0u);
}

BOOST_AUTO_TEST_CASE(what_goes_on_is_what_comes_from_the_same_view) {
  views mine{b, timing, 0};
  mine.learn(a, of(5, a, {a, b}));
  mine.agreed_by(a, {{5, a}, {}});
  BOOST_TEST(!mine.together_before("a")); // it came from nowhere, like this node
  mine.learn(a, of(6, a, {a, b, c}));
  BOOST_TEST((mine.agreement().before == view_id{5, a}));
  mine.agreed_by(a, {{6, a}, {5, a}});
  mine.agreed_by(c, {{6, a}, {3, c}});
  BOOST_TEST_REQUIRE(!mine.pending());
  BOOST_TEST(mine.together_before("a"));
  BOOST_TEST(mine.together_before("b"));
  BOOST_TEST(!mine.together_before("c"));
}

BOOST_AUTO_TEST_CASE(a_node_looks_for_others_before_it_acts_alone) {
  hearing ears{a, timing, 8};
  views mine{a, timing, 1'000};
  mono_ms now = 1'000;
  for (; mine.active() == nullptr && now < 10'000; now += 50)
    mine.decide(ears, now);
  BOOST_TEST(now - 1'000 >= timing.alone_ms);
  BOOST_TEST(now - 1'000 <= timing.alone_ms + 100);
  BOOST_TEST(mine.active()->hosts.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
