#include "runtime/model/caps.hpp"

#include "tests/model/seeded.hpp"

using namespace troupe;

namespace {

using pairs = std::vector<std::pair<std::string, std::string>>;

caps parsed(const pairs& p) {
  auto result = caps::parse(p);
  BOOST_TEST_REQUIRE(std::holds_alternative<caps>(result));
  return std::get<caps>(result);
}

bool wrong(const pairs& p) { return std::holds_alternative<failure>(caps::parse(p)); }

} // namespace

BOOST_AUTO_TEST_SUITE(caps_suite)

BOOST_AUTO_TEST_CASE(patterns_give_rights) {
  auto c = parsed({{"room:chat.*", "rwp"}, {"channel:audit", "r"}, {"user:bob", "w"}, {"subject:kid.*", "w"}});
  BOOST_TEST(c.allows("room", "chat.", right::all));
  BOOST_TEST(c.allows("subject", "kid.1", right::write));
  BOOST_TEST(!c.allows("subject", "bob", right::write));
  BOOST_TEST(c.allows("room", "chat.one", right::read | right::write));
  BOOST_TEST(!c.allows("room", "chat", right::read));
  BOOST_TEST(!c.allows("channel", "chat.one", right::read));
  BOOST_TEST(c.allows("channel", "audit", right::read));
  BOOST_TEST(!c.allows("channel", "audit", right::write));
  BOOST_TEST(!c.allows("channel", "audit2", right::read));
  BOOST_TEST(c.allows("user", "bob", right::write));
  BOOST_TEST(!c.allows("user", "alice", right::write));
}

BOOST_AUTO_TEST_CASE(rights_of_all_matching_patterns_add_up) {
  auto c = parsed({{"room:*", "r"}, {"room:a*", "w"}, {"room:ab", "p"}});
  BOOST_TEST(c.allows("room", "ab", right::all));
  BOOST_TEST(!c.allows("room", "ac", right::presence));
  BOOST_TEST(c.allows("room", "ac", right::read | right::write));
}

BOOST_AUTO_TEST_CASE(only_a_trailing_star_is_a_wildcard) {
  auto c = parsed({{"room:a*b", "r"}, {"room:c**", "r"}});
  BOOST_TEST(c.allows("room", "a*b", right::read));
  BOOST_TEST(!c.allows("room", "axb", right::read));
  BOOST_TEST(c.allows("room", "c*x", right::read));
  BOOST_TEST(!c.allows("room", "cx", right::read));
}

BOOST_AUTO_TEST_CASE(names_may_have_colons) {
  auto c = parsed({{"room:game:*", "r"}});
  BOOST_TEST(c.allows("room", "game:1", right::read));
  BOOST_TEST(!c.allows("room", "game", right::read));
}

BOOST_AUTO_TEST_CASE(all_or_nothing) {
  BOOST_TEST(caps::all().allows("user", "x", right::all));
  BOOST_TEST(!caps{}.allows("room", "x", right::read));
  BOOST_TEST(parsed({{"*", "r"}}).allows("channel", "x", right::read));
}

BOOST_AUTO_TEST_CASE(what_is_no_pattern_is_refused) {
  BOOST_TEST(wrong({{"room", "r"}}));
  BOOST_TEST(wrong({{"room:", "r"}}));
  BOOST_TEST(wrong({{"", "r"}}));
  BOOST_TEST(wrong({{"roo*", "r"}}));
  BOOST_TEST(wrong({{"house:x", "r"}}));
  BOOST_TEST(wrong({{"room:x", ""}}));
  BOOST_TEST(wrong({{"room:x", "rx"}}));
  BOOST_TEST(wrong(pairs(caps::patterns_max + 1, {"room:x", "r"})));
}

BOOST_AUTO_TEST_CASE(generated_patterns_match_as_on_the_whole_text) {
  for_seeds(300, [](dice& random) {
    auto word = [&] {
      std::string result;
      for (auto n = random.below(5); n > 0; --n)
        result += "ab:*"[random.below(4)];
      return result;
    };
    auto pattern = "room:" + word();
    auto result = caps::parse(pairs{{pattern, "r"}});
    BOOST_TEST_REQUIRE(std::holds_alternative<failure>(result) == (pattern == "room:"));
    if (std::holds_alternative<failure>(result))
      return;
    for (int i = 0; i < 50; ++i) {
      auto name = word();
      auto text = "room:" + name;
      auto expected = pattern.back() == '*' ? text.starts_with(pattern.substr(0, pattern.size() - 1)) : text == pattern;
      BOOST_TEST_REQUIRE(std::get<caps>(result).allows("room", name, right::read) == expected);
    }
  });
}

BOOST_AUTO_TEST_SUITE_END()
