#include "runtime/model/patterns.hpp"

#include "tests/model/seeded.hpp"

#include <map>

using namespace troupe;

BOOST_AUTO_TEST_SUITE(patterns_suite)

BOOST_AUTO_TEST_CASE(the_most_special_pattern_wins) {
  pattern_table<int> t;
  BOOST_TEST((t.find("x") == nullptr));
  BOOST_TEST(t.set("*", 1));
  BOOST_TEST(t.set("game:*", 2));
  BOOST_TEST(t.set("game:chess:*", 3));
  BOOST_TEST(t.set("game:chess:1", 4));
  BOOST_TEST(*t.find("x") == 1);
  BOOST_TEST(*t.find("") == 1);
  BOOST_TEST(*t.find("game:go") == 2);
  BOOST_TEST(*t.find("game:chess:2") == 3);
  BOOST_TEST(*t.find("game:chess:1") == 4);
  BOOST_TEST(*t.find("game:chess:12") == 3);
  BOOST_TEST(!t.set("game:*", 5));
  BOOST_TEST(*t.find("game:go") == 5);
  BOOST_TEST(t.size() == 4u);
}

BOOST_AUTO_TEST_CASE(without_a_star_nothing_else_matches) {
  pattern_table<int> t;
  t.set("a*b", 1);
  BOOST_TEST((t.find("axb") == nullptr));
  BOOST_TEST(*t.find("a*b") == 1);
}

BOOST_AUTO_TEST_CASE(generated_tables_find_the_longest) {
  for_seeds(200, [](dice& random) {
    auto word = [&] {
      std::string result;
      for (auto n = random.below(4); n > 0; --n)
        result += static_cast<char>('a' + random.below(2));
      return result;
    };
    pattern_table<std::string> t;
    std::map<std::string, std::string> model;
    for (auto n = random.below(8); n > 0; --n) {
      auto pattern = word() + (random.once_in(2) ? "*" : "");
      auto value = std::to_string(n);
      BOOST_TEST_REQUIRE(t.set(pattern, value) == !model.contains(pattern));
      model[pattern] = value;
    }
    for (int i = 0; i < 20; ++i) {
      auto name = word();
      const std::string* expected = nullptr;
      for (std::size_t n = 0; n <= name.size(); ++n)
        if (auto it = model.find(name.substr(0, n) + "*"); it != model.end())
          expected = &it->second;
      if (auto it = model.find(name); it != model.end())
        expected = &it->second;
      const auto* found = t.find(name);
      BOOST_TEST_REQUIRE((found == nullptr) == (expected == nullptr));
      if (found)
        BOOST_TEST_REQUIRE(*found == *expected);
    }
  });
}

BOOST_AUTO_TEST_SUITE_END()
