#include "runtime/model/type_filter.hpp"

#include "tests/model/seeded.hpp"

#include <set>

using namespace troupe;

namespace {

bool add(type_filter& f, std::vector<std::string_view> types) { return f.subscribe(types); }
void take(type_filter& f, std::vector<std::string_view> types) { f.unsubscribe(types); }

} // namespace

BOOST_AUTO_TEST_SUITE(type_filter_suite)

BOOST_AUTO_TEST_CASE(the_first_narrows_later_ones_add_the_last_away_restores) {
  type_filter f;
  BOOST_TEST(f.passes("anything"));
  BOOST_TEST(add(f, {"a", "b:*"}));
  BOOST_TEST(f.passes("a"));
  BOOST_TEST(f.passes("b:x"));
  BOOST_TEST(f.passes("b:"));
  BOOST_TEST(!f.passes("b"));
  BOOST_TEST(!f.passes("c"));
  BOOST_TEST(add(f, {"c", "a"}));
  BOOST_TEST(f.entries().size() == 3u);
  BOOST_TEST(f.passes("c"));
  take(f, {"a", "b:*", "never"});
  BOOST_TEST(!f.passes("a"));
  take(f, {"c"});
  BOOST_TEST(f.open());
  BOOST_TEST(f.passes("a"));
}

BOOST_AUTO_TEST_CASE(protocol_and_signaling_always_pass) {
  type_filter f;
  add(f, {"a"});
  for (auto type : {"hello", "error", "ack", "pong", "gap", "room:joined", "presence:diff", "channel:history",
                    "session:x", "sync:force", "offline.queue", "mesh:x", "signal:offer"})
    BOOST_TEST(f.passes(type));
  for (auto type : {"hellos", "rooms:joined", "room", "offline", "errors"})
    BOOST_TEST(!f.passes(type));
}

BOOST_AUTO_TEST_CASE(it_is_bounded_and_refuses_as_a_whole) {
  type_filter f;
  std::vector<std::string> names;
  for (std::size_t i = 0; i <= type_filter::entries_max; ++i)
    names.push_back(std::string{"t"}.append(std::to_string(i)));
  std::vector<std::string_view> all{names.begin(), names.end()};
  BOOST_TEST(!f.subscribe(all));
  BOOST_TEST(f.open());
  all.pop_back();
  BOOST_TEST(f.subscribe(all));
  BOOST_TEST(!add(f, {"more"}));
  BOOST_TEST(add(f, {"t1"}));
  BOOST_TEST(!add(f, {""}));
  BOOST_TEST(!add(f, {std::string(129, 'x')}));
}

BOOST_AUTO_TEST_CASE(generated_use_agrees_with_a_set) {
  for_seeds(100, [](dice& random) {
    type_filter f;
    std::set<std::string> model;
    for (int i = 0; i < 100; ++i) {
      std::string type(1 + random.below(2), static_cast<char>('p' + random.below(3)));
      if (random.once_in(4))
        type += '*';
      if (random.once_in(2)) {
        add(f, {type});
        model.insert(type);
      } else {
        take(f, {type});
        model.erase(type);
      }
      std::string sent(1 + random.below(3), static_cast<char>('p' + random.below(3)));
      auto expected = model.empty() || model.contains(sent);
      for (std::size_t n = 0; n <= sent.size(); ++n)
        expected = expected || model.contains(sent.substr(0, n) + "*");
      BOOST_TEST_REQUIRE(f.passes(sent) == expected);
    }
  });
}

BOOST_AUTO_TEST_SUITE_END()
