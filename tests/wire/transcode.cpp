#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "runtime/wire/msgpack_text.hpp"
#include "runtime/wire/transcode.hpp"

#include <string>

namespace {

using namespace troupe;

std::string packed(std::string_view json) {
  std::string out;
  wire::to_msgpack_text(out, {json, encoding::json});
  return out;
}

std::string unpacked(std::string_view msgpack) {
  std::string out;
  wire::to_json_text(out, {msgpack, encoding::msgpack});
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(transcode)

BOOST_AUTO_TEST_CASE(numbers_keep_their_value) {
  // What is written with more digits than a double holds, or out of its range, travels as digits.
  for (const std::string_view text :
       {"1e400", "-1e400", "1e-400", "123456789012345678901234567890", "0.1000000000000000055", "18446744073709551616",
        "-9223372036854775809", "1e99999999999999999999"}) {
    BOOST_TEST(unpacked(packed(text)) == text);
    const auto tag = static_cast<unsigned char>(packed(text)[0]);
    BOOST_TEST(((tag >= 0xC7 && tag <= 0xC9) || (tag >= 0xD4 && tag <= 0xD8)), text);
  }
  // What a double holds becomes one, however it was written.
  for (const auto& [text, back] : {std::pair{"1.50", "1.5"},
                                   {"100e-2", "1.0"},
                                   {"1E2", "100.0"},
                                   {"-0", "-0.0"},
                                   {"0e5", "0.0"},
                                   {"0.000", "0.0"},
                                   {"1e22", "1e+22"},
                                   {"0.001e3", "1.0"}})
    BOOST_TEST(unpacked(packed(text)) == back);
  for (const std::string_view text : {"0", "-1", "18446744073709551615", "-9223372036854775808", "0.1", "1.0"})
    BOOST_TEST(unpacked(packed(text)) == text);
}

BOOST_AUTO_TEST_CASE(decimals) {
  BOOST_TEST(wire::same_decimal("1", "1.0"));
  BOOST_TEST(wire::same_decimal("1e2", "100"));
  BOOST_TEST(wire::same_decimal("0.0123", "123e-4"));
  BOOST_TEST(wire::same_decimal("12.30e1", "123"));
  BOOST_TEST(wire::same_decimal("0", "0.00e7"));
  BOOST_TEST(!wire::same_decimal("0", "-0"));
  BOOST_TEST(!wire::same_decimal("1", "-1"));
  BOOST_TEST(!wire::same_decimal("1", "10"));
  BOOST_TEST(!wire::same_decimal("12", "123"));
  BOOST_TEST(!wire::same_decimal("1e5", "1e-5"));
  BOOST_TEST(!wire::same_decimal("1.01", "1.1"));
}

BOOST_AUTO_TEST_CASE(strings) {
  BOOST_TEST(unpacked(packed(R"("a\u0041\/\ud83d\ude00")")) == "\"aA/😀\"");
  BOOST_TEST(unpacked(packed(R"("\ud800")")) == "\"\xEF\xBF\xBD\""); // cannot be said in MessagePack
  for (const std::size_t n : {0u, 31u, 32u, 255u, 256u, 65535u, 65536u}) {
    const auto text = '"' + std::string(n, 'x') + '"';
    BOOST_TEST((unpacked(packed(text)) == text));
  }
}

BOOST_AUTO_TEST_CASE(containers_of_any_size) {
  for (const std::size_t n : {0u, 1u, 15u, 16u, 65535u, 65536u}) {
    std::string array = "[", object = "{";
    for (std::size_t i = 0; i < n; ++i) {
      array += i == 0 ? "1" : ",1";
      object += i == 0 ? "\"a\":1" : ",\"a\":1";
    }
    array += ']';
    object += '}';
    BOOST_TEST((unpacked(packed(array)) == array));
    BOOST_TEST((unpacked(packed(object)) == object));
  }
  const auto deep = std::string(128, '[') + std::string(128, ']');
  BOOST_TEST(unpacked(packed(deep)) == deep);
}

BOOST_AUTO_TEST_CASE(binary) {
  BOOST_TEST(packed(R"({"$binary":"AP8Q"})") == (std::string{"\xC4\x03\x00\xFF\x10", 5}));
  BOOST_TEST(packed(R"( { "$binary" : "" } )") == (std::string{"\xC4\x00", 2}));
  // Anything else under that name stays the object it is.
  for (const std::string_view text : {R"({"$binary":"A"})", R"({"$binary":"YR=="})", R"({"$binary":"Y==="})",
                                      R"({"$binary":"YQ"})", R"({"$binary":"Y Q="})", R"({"$binary":"-_-_"})",
                                      R"({"$binary":1})", R"({"$binary":"YQ==","a":1})", R"({"$binary":{}})"})
    BOOST_TEST(unpacked(packed(text)) == text);
  for (std::size_t n = 0; n < 70; ++n) {
    std::string bytes;
    for (std::size_t i = 0; i < n; ++i)
      bytes.push_back(static_cast<char>(i * 37 + n));
    std::string text, back;
    wire::append_base64(text, bytes);
    BOOST_TEST(wire::append_from_base64(back, text));
    BOOST_TEST((back == bytes));
  }
}

BOOST_AUTO_TEST_CASE(the_own_format_passes_unchanged) {
  std::string out;
  wire::to_json_text(out, {" [1 , 2.50] ", encoding::json});
  BOOST_TEST(out == " [1 , 2.50] ");
  out.clear();
  wire::to_msgpack_text(out, {"\xCD\x00\x01", encoding::msgpack});
  BOOST_TEST(out == "\xCD\x00\x01");
}

BOOST_AUTO_TEST_SUITE_END()
