#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "runtime/model/outgoing.hpp"
#include "runtime/wire/parse.hpp"

#include <cmath>
#include <limits>
#include <string>

namespace {

using namespace troupe;

std::string json(const value& v) {
  std::string out;
  wire::write_json(out, v);
  return out;
}

value parsed(std::string_view text) {
  std::string why;
  auto v = wire::parse({text}, &why);
  BOOST_REQUIRE_MESSAGE(v, text << ": " << why);
  return *v;
}

} // namespace

BOOST_AUTO_TEST_SUITE(values)

BOOST_AUTO_TEST_CASE(braces) {
  BOOST_TEST(json(value{}) == "null");
  BOOST_TEST(json({{"from", "c1"}, {"body", raw_payload{"{\"x\": 1e400}"}}}) == R"({"from":"c1","body":{"x": 1e400}})");
  BOOST_TEST(json({{"one", 1}}) == R"({"one":1})");
  BOOST_TEST(json({1, "two", true, nullptr}) == R"([1,"two",true,null])");
  BOOST_TEST(json({{"a", {{"b", {1, 2}}}}}) == R"({"a":{"b":[1,2]}})");
  BOOST_TEST(json({{{"a", 1}}, {{"a", 2}}}) == R"([{"a":1},{"a":2}])");
  BOOST_TEST(json(value::array({"a", "b"})) == R"(["a","b"])");
  BOOST_TEST(json(value::array({{"a", "b"}})) == R"([["a","b"]])");
  BOOST_TEST(json(value::object({{"a", "b"}})) == R"({"a":"b"})");
  BOOST_TEST(json(value::array()) == "[]");
  BOOST_TEST(json(value::object()) == "{}");
  const outgoing out{.type = "t", .payload = {{"k", std::string{"v"}}}};
  BOOST_TEST(json(out.payload) == R"({"k":"v"})");
  const outgoing none{.type = "t"};
  BOOST_TEST(none.payload.is_null());
  BOOST_TEST(json(std::optional<int>{}) == "null");
  BOOST_TEST(json(std::optional<std::string>{"x"}) == "\"x\"");
}

BOOST_AUTO_TEST_CASE(copies_and_moves) {
  value a = {{"k", value::array({1, 2})}};
  const value b = a;
  const value c(b);
  BOOST_TEST((a == b && b == c));
  a.set("k", 3);
  BOOST_TEST(!(a == b));
  const value moved = std::move(a);
  BOOST_TEST(json(moved) == R"({"k":3})");
}

BOOST_AUTO_TEST_CASE(lookup) {
  const auto v =
      parsed(R"({"s":"x","i":-7,"u":18446744073709551615,"d":1.5,"b":true,"n":null,"a":[1,[2]],"o":{"k":1},"i":8})");
  BOOST_TEST((v["s"].as_string() == "x"));
  BOOST_TEST((v["i"].as_int() == 8)); // the last one of a name
  BOOST_TEST(!v["u"].as_int());
  BOOST_TEST((v["u"].as_uint() == 18446744073709551615u));
  BOOST_TEST((v["d"].as_double() == 1.5));
  BOOST_TEST(!v["d"].as_int());
  BOOST_TEST((v["b"].as_bool() == true));
  BOOST_TEST((v["n"].is_null() && v.contains("n")));
  BOOST_TEST((v["none"].is_null() && !v.contains("none")));
  BOOST_TEST((v["a"][1][0].as_int() == 2));
  BOOST_TEST(v["a"][9].is_null());
  BOOST_TEST(v["s"]["x"][3].is_null());
  BOOST_TEST((v["o"].size() == 1 && v["a"].size() == 2 && v["s"].size() == 0));
  BOOST_TEST(!v["s"].as_int());
  BOOST_TEST(!v["i"].as_string());
  std::string keys;
  for (const auto& [key, member] : v.members())
    keys += key;
  BOOST_TEST(keys == "siudbnaoi");
}

BOOST_AUTO_TEST_CASE(whole_numbers) {
  BOOST_TEST((parsed("7.0").as_int() == 7));
  BOOST_TEST((parsed("7e2").as_int() == 700));
  BOOST_TEST((value(7.0).as_uint() == 7u));
  BOOST_TEST(!parsed("7.5").as_int());
  BOOST_TEST(!parsed("1e400").as_int());
  BOOST_TEST(!parsed("1e400").as_double());
  BOOST_TEST(!parsed("9223372036854775808").as_int());
  BOOST_TEST((parsed("9223372036854775807").as_int() == std::numeric_limits<std::int64_t>::max()));
  BOOST_TEST((parsed("-9223372036854775808").as_int() == std::numeric_limits<std::int64_t>::min()));
  BOOST_TEST(!parsed("-1").as_uint());
  BOOST_TEST(!value(1e18).as_int()); // past 53 bits a double has lost digits
}

BOOST_AUTO_TEST_CASE(numbers_keep_their_text) {
  for (const std::string_view text : {"-0", "-0.0", "1.0", "1E+2", "0.10", "1e400", "12345678901234567890123", "1.5"})
    BOOST_TEST(json(parsed(text)) == text);
  BOOST_TEST(json(value(1.0)) == "1.0");
  BOOST_TEST(json(value(0.1)) == "0.1");
  BOOST_TEST(json(value(1e300)) == "1e+300");
  BOOST_TEST(json(value(std::nan(""))) == "null");
  BOOST_TEST(json(value(HUGE_VAL)) == "null");
  BOOST_TEST(json(value(std::numeric_limits<std::uint64_t>::max())) == "18446744073709551615");
  BOOST_TEST((value(5u) == value(5)));
  BOOST_TEST((value(1.5) == parsed("1.5")));
  BOOST_TEST(!(value(1.0) == value(1)));
}

BOOST_AUTO_TEST_CASE(strings_are_always_valid_json) {
  BOOST_TEST(json(value("a\"\\\b\f\n\r\t\x01\x1f\x7f é😀")) == "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f é😀\"");
  BOOST_TEST(json(value("x\xFFy\xC3")) == "\"x\xEF\xBF\xBDy\xEF\xBF\xBD\"");
  BOOST_TEST(json(value(std::string(3, '\0'))) == R"("\u0000\u0000\u0000")");
}

BOOST_AUTO_TEST_CASE(changes) {
  value v;
  v.set("a", 1);
  v.set("b", value::array());
  v.find("b")->push_back("x");
  v.set("a", 2);
  BOOST_TEST(json(v) == R"({"a":2,"b":["x"]})");
  BOOST_TEST(v.erase("a"));
  BOOST_TEST(!v.erase("a"));
  BOOST_TEST(json(v) == R"({"b":["x"]})");
  value list;
  list.push_back(1);
  list.push_back({{"k", "v"}});
  BOOST_TEST(json(list) == R"([1,{"k":"v"}])");
}

BOOST_AUTO_TEST_CASE(splices_of_the_other_format_are_transcoded) {
  const raw_payload packed{std::string_view{"\x82\xA1"
                                            "a\x01\xA1"
                                            "b\xC4\x01"
                                            "a",
                                            9},
                           encoding::msgpack};
  BOOST_TEST(json({{"x", packed}}) == R"({"x":{"a":1,"b":{"$binary":"YQ=="}}})");
  BOOST_TEST(to_json({{"x", packed}}) == R"({"x":null})"); // the model alone cannot
  std::string out;
  wire::write_msgpack(out, {{"x", raw_payload{R"([1, 1e400])"}}, {"y", packed}});
  std::string back;
  wire::write_json(back, *wire::parse({out, encoding::msgpack}));
  BOOST_TEST(back == R"({"x":[1,1e400],"y":{"a":1,"b":{"$binary":"YQ=="}}})");
}

BOOST_AUTO_TEST_CASE(what_does_not_parse) {
  std::string why;
  BOOST_TEST(!wire::parse({"[1,"}, &why));
  BOOST_TEST(why == "unexpected end");
  BOOST_TEST(!wire::parse({R"(["\ud800"])"}, &why));
  BOOST_TEST(why == "a string has a lone surrogate");
  BOOST_TEST(!wire::parse({""}));
  BOOST_TEST(!wire::parse({"1 2"}));
  BOOST_TEST(!wire::parse({std::string(129, '[') + std::string(129, ']')}, &why));
  BOOST_TEST(why == "nested too deep");
  BOOST_TEST(!wire::parse({"\xC1", encoding::msgpack}));
  BOOST_TEST(!wire::parse({"", encoding::msgpack}));
}

BOOST_AUTO_TEST_SUITE_END()
