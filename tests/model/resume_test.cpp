#include "runtime/model/resume.hpp"

#include "tests/model/seeded.hpp"

#include <algorithm>
#include <map>

using namespace troupe;
using refusal = session_table::refusal;

namespace {

const std::optional<std::string> alice = "alice";
const std::optional<std::string> bob = "bob";
const std::optional<std::string> nobody;

bool refused(const std::variant<session_table::granted, refusal>& r, refusal why) {
  return std::holds_alternative<refusal>(r) && std::get<refusal>(r) == why;
}

} // namespace

BOOST_AUTO_TEST_SUITE(resume_suite)

BOOST_AUTO_TEST_CASE(one_taker_and_a_new_secret) {
  session_table t;
  BOOST_TEST(t.mint("k1", "c", alice, "1.1.1.1", 0));
  BOOST_TEST(!t.mint("k1", "d", alice, "1.1.1.1", 0));
  BOOST_TEST(t.detach("k1", 100).empty());
  auto first = t.take("k1", "k2", alice, "2.2.2.2", 200);
  BOOST_TEST_REQUIRE(std::holds_alternative<session_table::granted>(first));
  BOOST_TEST(std::get<session_table::granted>(first).session.connection == "c");
  BOOST_TEST(!std::get<session_table::granted>(first).was_attached);
  BOOST_TEST(refused(t.take("k1", "k3", alice, "2.2.2.2", 200), refusal::unknown));
  BOOST_TEST(t.find("k2")->address == "2.2.2.2");
  BOOST_TEST(t.detached() == 0u);
}

BOOST_AUTO_TEST_CASE(a_session_that_is_still_attached_is_granted_and_says_so) {
  session_table t;
  t.mint("k1", "c", alice, "a", 0);
  auto r = t.take("k1", "k2", alice, "a", 1'000'000);
  BOOST_TEST(std::get<session_table::granted>(r).was_attached);
}

BOOST_AUTO_TEST_CASE(only_the_same_user) {
  session_table t;
  t.mint("k1", "c", alice, "a", 0);
  t.detach("k1", 0);
  BOOST_TEST(refused(t.take("k1", "k2", bob, "a", 1), refusal::other_user));
  BOOST_TEST(refused(t.take("k1", "k2", nobody, "a", 1), refusal::other_user));
  BOOST_TEST(std::holds_alternative<session_table::granted>(t.take("k1", "k2", alice, "a", 1)));
  t.mint("k3", "d", nobody, "a", 0);
  BOOST_TEST(refused(t.take("k3", "k4", alice, "a", 1), refusal::other_user));
  t.identify("k3", alice);
  BOOST_TEST(std::holds_alternative<session_table::granted>(t.take("k3", "k4", alice, "a", 1)));
}

BOOST_AUTO_TEST_CASE(sessions_expire_after_the_window) {
  session_table t;
  t.mint("k1", "c", alice, "a", 0);
  BOOST_TEST(t.expire(1'000'000).empty()); // attached
  t.detach("k1", 1000);
  BOOST_TEST(*t.next_expiry() == 31'001);
  BOOST_TEST(t.expire(31'000).empty());
  BOOST_TEST(refused(t.take("k1", "k2", alice, "a", 31'001), refusal::expired));
  auto ended = t.expire(31'001);
  BOOST_TEST_REQUIRE(ended.size() == 1u);
  BOOST_TEST(ended[0].connection == "c");
  BOOST_TEST(t.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_client_that_closed_for_good_cannot_come_back) {
  session_table t;
  t.mint("k1", "c", alice, "a", 0);
  t.end("k1");
  t.end("k1");
  BOOST_TEST(refused(t.take("k1", "k2", alice, "a", 0), refusal::unknown));
}

BOOST_AUTO_TEST_CASE(the_longest_away_goes_where_a_user_or_address_has_too_many) {
  session_table t{{30'000, 2, 3}};
  for (auto k : {"1", "2", "3"})
    t.mint(k, k, alice, "a", 0);
  BOOST_TEST(t.detach("2", 1).empty());
  BOOST_TEST(t.detach("1", 2).empty());
  auto ended = t.detach("3", 3);
  BOOST_TEST_REQUIRE(ended.size() == 1u);
  BOOST_TEST(ended[0].connection == "2");
  for (auto k : {"4", "5"})
    t.mint(k, k, nobody, "a", 0);
  BOOST_TEST(t.detach("4", 4).empty());
  ended = t.detach("5", 5);
  BOOST_TEST_REQUIRE(ended.size() == 1u);
  BOOST_TEST(ended[0].connection == "1");
}

BOOST_AUTO_TEST_CASE(secrets_are_made_of_all_the_random_bytes) {
  auto counting = [](std::span<unsigned char> bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<unsigned char>(i);
  };
  BOOST_TEST(make_secret(counting) == "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
  BOOST_TEST(make_secret([](std::span<unsigned char> b) { std::fill(b.begin(), b.end(), 255); }) ==
             std::string(32, '_'));
}

BOOST_AUTO_TEST_CASE(generated_use_agrees_with_a_plain_list) {
  struct known {
    std::string key;
    std::optional<std::string> user;
    std::optional<mono_ms> detached;
  };
  for_seeds(200, [](dice& random) {
    session_limits bounds{50, 3, 5};
    session_table t{bounds};
    std::vector<known> model;
    mono_ms now = 0;
    int next = 0;
    auto drop = [&](const std::vector<session>& ended) {
      for (const auto& s : ended) {
        auto it = std::find_if(model.begin(), model.end(), [&](const known& k) { return k.key == s.connection; });
        BOOST_TEST_REQUIRE((it != model.end()));
        model.erase(it);
      }
    };
    for (int i = 0; i < 400; ++i) {
      now += static_cast<mono_ms>(random.below(6));
      if (model.empty() || random.once_in(4)) {
        auto key = std::to_string(next++);
        std::optional<std::string> user;
        if (random.once_in(2))
          user = random.once_in(2) ? "alice" : "bob";
        BOOST_TEST_REQUIRE(t.mint(key, key, user, "a", now));
        model.push_back({key, user, std::nullopt});
        continue;
      }
      auto& k = model[random.below(model.size())];
      if (random.once_in(3)) {
        if (!k.detached)
          k.detached = now;
        drop(t.detach(k.key, now));
      } else if (random.once_in(2)) {
        auto user = random.once_in(3) ? bob : k.user;
        auto r = t.take(k.key, k.key + "'", user, "a", now);
        auto late = k.detached && now - *k.detached > bounds.window_ms;
        BOOST_TEST_REQUIRE(std::holds_alternative<session_table::granted>(r) == (user == k.user && !late));
        if (std::holds_alternative<session_table::granted>(r)) {
          BOOST_TEST_REQUIRE(std::get<session_table::granted>(r).was_attached == !k.detached);
          t.end(k.key + "'");
          model.erase(model.begin() + (&k - model.data()));
        }
      } else {
        drop(t.expire(now));
        for (const auto& rest : model)
          BOOST_TEST_REQUIRE((!rest.detached || now - *rest.detached <= bounds.window_ms));
      }
      std::map<std::string, std::size_t> away;
      std::size_t all = 0;
      for (const auto& rest : model) {
        all += rest.detached.has_value();
        if (rest.user)
          away[*rest.user] += rest.detached.has_value();
      }
      BOOST_TEST_REQUIRE(t.size() == model.size());
      BOOST_TEST_REQUIRE(t.detached() == all);
      BOOST_TEST_REQUIRE(all <= bounds.detached_per_address_max);
      for (const auto& entry : away)
        BOOST_TEST_REQUIRE(entry.second <= bounds.detached_per_user_max);
    }
  });
}

BOOST_AUTO_TEST_SUITE_END()
