#undef BOOST_TEST_MODULE
#include "apps/troupe/value_diff.hpp"

#include <boost/test/unit_test.hpp>

using namespace troupe;

BOOST_AUTO_TEST_SUITE(value_diff)

BOOST_AUTO_TEST_CASE(equal_values_do_not_differ) {
  const value one = {{"a", 1}, {"b", value::object({{"c", value::array({1, 2})}})}};
  BOOST_TEST(cli::diff(one, one).empty());
  BOOST_TEST(cli::diff(value(), value()).empty());
}

BOOST_AUTO_TEST_CASE(members_are_compared_one_by_one) {
  const value before = {{"same", 1}, {"gone", 2}, {"in", value::object({{"x", 1}, {"y", 2}})}};
  const value after = {{"same", 1}, {"in", value::object({{"x", 1}, {"y", 3}})}, {"new", true}};
  const auto found = cli::diff(before, after);
  BOOST_REQUIRE_EQUAL(found.size(), 3U);
  BOOST_TEST(found[0].path == "/gone");
  BOOST_TEST((found[0].before == value(2) && !found[0].after));
  BOOST_TEST(found[1].path == "/in/y");
  BOOST_TEST((found[1].before == value(2) && found[1].after == value(3)));
  BOOST_TEST(found[2].path == "/new");
  BOOST_TEST((!found[2].before && found[2].after == value(true)));
}

BOOST_AUTO_TEST_CASE(arrays_and_kinds_are_compared_as_a_whole) {
  const value before = {{"list", value::array({1, 2})}, {"kind", value::object()}};
  const value after = {{"list", value::array({1, 3})}, {"kind", nullptr}};
  const auto found = cli::diff(before, after);
  BOOST_REQUIRE_EQUAL(found.size(), 2U);
  BOOST_TEST(found[0].path == "/list");
  BOOST_TEST(found[1].path == "/kind");
}

BOOST_AUTO_TEST_CASE(names_are_escaped_as_json_pointers_are) {
  const auto found = cli::diff(value::object(), value::object({{"a/b~c", 1}}));
  BOOST_REQUIRE_EQUAL(found.size(), 1U);
  BOOST_TEST(found[0].path == "/a~1b~0c");
}

BOOST_AUTO_TEST_SUITE_END()
