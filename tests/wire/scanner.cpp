#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "runtime/wire/scanner.hpp"

#include <string>

namespace {

using namespace troupe;
using wire::scan_fault;

/// The fault of a text that should be one JSON value.
scan_fault fault_of(std::string_view text) {
  wire::scanner in{text};
  std::string_view raw;
  return in.value(raw) && in.end() ? scan_fault::none : in.fault();
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i)
    out += text;
  return out;
}

std::string quoted(std::string_view inside) { return '"' + std::string{inside} + '"'; }

bool same_fault(std::string_view text, scan_fault expected) {
  const auto found = fault_of(text);
  BOOST_TEST_MESSAGE(text.substr(0, 60) << ": " << wire::describe(found));
  return found == expected;
}

} // namespace

BOOST_AUTO_TEST_SUITE(scanner)

BOOST_AUTO_TEST_CASE(valid_values) {
  for (const std::string_view text : {"null",
                                      "true",
                                      "false",
                                      "0",
                                      "-0",
                                      "1",
                                      "-1",
                                      "10",
                                      "0.0",
                                      "1.5e10",
                                      "1E+2",
                                      "1e-2",
                                      "1e400",
                                      "\"\"",
                                      "\"a\"",
                                      "[]",
                                      "{}",
                                      " [ ] ",
                                      "\t{\r\n}",
                                      "[1,2]",
                                      "[[],[[]]]",
                                      R"({"a":1})",
                                      R"({"":{}})",
                                      R"({"a":[{"b":null}],"a":2})",
                                      R"("\"\\\/\b\f\n\r\t\u0000\uFFFF\uabcd")",
                                      R"("\ud800")",
                                      R"("\udc00\ud800")"})
    BOOST_TEST(same_fault(text, scan_fault::none), text);
}

BOOST_AUTO_TEST_CASE(invalid_values) {
  const std::pair<std::string_view, scan_fault> cases[] = {
      {"", scan_fault::end_of_text},
      {" ", scan_fault::end_of_text},
      {"nul", scan_fault::unexpected},
      {"nulll", scan_fault::trailing},
      {"TRUE", scan_fault::unexpected},
      {"tru e", scan_fault::unexpected},
      {"01", scan_fault::trailing},
      {"-", scan_fault::number},
      {"-a", scan_fault::number},
      {"1.", scan_fault::number},
      {"1.e5", scan_fault::number},
      {"1e", scan_fault::number},
      {"1e+", scan_fault::number},
      {".5", scan_fault::unexpected},
      {"+1", scan_fault::unexpected},
      {"0x10", scan_fault::trailing},
      {"[", scan_fault::end_of_text},
      {"]", scan_fault::unexpected},
      {"[1", scan_fault::end_of_text},
      {"[1,", scan_fault::end_of_text},
      {"[1,]", scan_fault::unexpected},
      {"[,1]", scan_fault::unexpected},
      {"[1 2]", scan_fault::unexpected},
      {"[1}", scan_fault::unexpected},
      {"{", scan_fault::end_of_text},
      {"{]", scan_fault::unexpected},
      {"{\"a\"}", scan_fault::unexpected},
      {"{\"a\":}", scan_fault::unexpected},
      {"{\"a\":1,}", scan_fault::unexpected},
      {"{a:1}", scan_fault::unexpected},
      {"{1:1}", scan_fault::unexpected},
      {"{\"a\":1]", scan_fault::unexpected},
      {"\"", scan_fault::end_of_text},
      {"\"a", scan_fault::end_of_text},
      {"\"\\", scan_fault::end_of_text},
      {"\"\\\"", scan_fault::end_of_text},
      {"\"\\a\"", scan_fault::escape},
      {"\"\\u12\"", scan_fault::escape},
      {"\"\\u12g4\"", scan_fault::escape},
      {"\"\\U1234\"", scan_fault::escape},
      {"\"a\tb\"", scan_fault::control},
      {"\"\x1f\"", scan_fault::control},
      {"1 1", scan_fault::trailing},
      {"[] []", scan_fault::trailing},
      {"\xEF\xBB\xBF[]", scan_fault::unexpected},
  };
  for (const auto& [text, expected] : cases)
    BOOST_TEST(same_fault(text, expected), text << ": " << wire::describe(fault_of(text)));
  BOOST_TEST((fault_of(std::string_view{"\"a\0b\"", 5}) == scan_fault::control));
  BOOST_TEST((fault_of(std::string_view{"[]\0", 3}) == scan_fault::trailing));
  BOOST_TEST((fault_of(std::string_view{"\0", 1}) == scan_fault::unexpected));
}

BOOST_AUTO_TEST_CASE(every_special_byte_at_every_distance) {
  // The fast path reads 16 bytes at a time: a special byte must be found wherever it stands in them.
  for (std::size_t before = 0; before < 40; ++before)
    for (std::size_t after = 0; after < 40; after += 13)
      for (int byte = 0; byte < 256; ++byte) {
        std::string text = quoted(std::string(before, 'x') + static_cast<char>(byte) + std::string(after, 'y'));
        auto expected = scan_fault::none;
        if (byte < 0x20)
          expected = scan_fault::control;
        else if (byte >= 0x80)
          expected = scan_fault::utf8;
        else if (byte == '"')
          expected = after == 0 ? scan_fault::end_of_text : scan_fault::unexpected;
        else if (byte == '\\')
          expected = after == 0 ? scan_fault::end_of_text : scan_fault::escape;
        auto found = fault_of(text);
        if (byte == '"') // The string ends early and something follows.
          BOOST_REQUIRE(found == scan_fault::trailing);
        else
          BOOST_REQUIRE_MESSAGE(found == expected, before << ' ' << after << ' ' << byte);
      }
}

BOOST_AUTO_TEST_CASE(fast_and_portable_runs_agree) {
  std::string text(64, 'x');
  for (std::size_t at = 0; at < text.size(); ++at)
    for (int byte = 0; byte < 256; ++byte) {
      text[at] = static_cast<char>(byte);
      const char* end = text.data() + text.size();
      const bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
      BOOST_REQUIRE(plain_run(text.data(), end) == (plain ? end : text.data() + at));
      BOOST_REQUIRE(wire::plain_run_fast(text.data(), end) == (plain ? end : text.data() + at));
      text[at] = 'x';
    }
}

BOOST_AUTO_TEST_CASE(utf8) {
  for (const std::string_view good : {"\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                                      "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "a\xC3\xA4z"}) {
    BOOST_TEST(is_utf8(good));
    BOOST_TEST(same_fault(quoted(good), scan_fault::none));
  }
  for (const std::string_view bad :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x7F", "\xC2\xC0", "\xE0\x9F\xBF", "\xE0\xA0",
        "\xED\xA0\x80", "\xED\xBF\xBF", "\xE1\x80\x7F", "\xF0\x8F\xBF\xBF", "\xF0\x90\x80", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "\xF8\x88\x80\x80\x80", "\xFE", "\xFF"}) {
    BOOST_TEST(!is_utf8(bad));
    BOOST_TEST(same_fault(quoted(bad), scan_fault::utf8));
    BOOST_TEST(same_fault(quoted(std::string(20, 'x') + std::string{bad}), scan_fault::utf8));
  }
}

BOOST_AUTO_TEST_CASE(numbers_of_any_size) {
  const auto digits = repeat("1234567890", 1000);
  for (const auto& text : {digits, "-" + digits, "0." + digits, "1e" + digits, digits + "." + digits + "E-" + digits}) {
    wire::scanner in{text};
    std::string_view raw;
    BOOST_TEST(in.value(raw));
    BOOST_TEST(raw.size() == text.size());
  }
}

BOOST_AUTO_TEST_CASE(depth) {
  BOOST_TEST(same_fault(repeat("[", 128) + repeat("]", 128), scan_fault::none));
  BOOST_TEST(same_fault(repeat("[", 129) + repeat("]", 129), scan_fault::too_deep));
  BOOST_TEST(same_fault(repeat("{\"a\":", 128) + "1" + repeat("}", 128), scan_fault::none));
  BOOST_TEST(same_fault(repeat("{\"a\":", 128) + "[]" + repeat("}", 128), scan_fault::too_deep));
  BOOST_TEST(same_fault(repeat("[{\"a\":", 64) + "0" + repeat("}]", 64), scan_fault::none));
  BOOST_TEST(same_fault(repeat("[{\"a\":", 64) + "0" + repeat("]}", 64), scan_fault::unexpected));
  // Width is no depth.
  BOOST_TEST(same_fault("[" + repeat("[],{},", 1000) + "[]]", scan_fault::none));
  wire::scanner shallow{"[[]]"};
  std::string_view raw;
  BOOST_TEST(!shallow.value(raw, 1));
}

BOOST_AUTO_TEST_CASE(spans) {
  wire::scanner in{" {\"a\" : [1, 2] , \"b\":\"x\\n\"} "};
  wire::json_string key;
  std::string_view raw;
  BOOST_TEST(in.expect('{'));
  BOOST_TEST((in.string(key) && key.text == "a" && !key.escaped));
  BOOST_TEST(in.expect(':'));
  BOOST_TEST((in.value(raw) && raw == "[1, 2]"));
  BOOST_TEST((in.expect(',') && in.string(key) && in.expect(':')));
  BOOST_TEST((in.string(key) && key.text == "x\\n" && key.escaped));
  BOOST_TEST((in.expect('}') && in.end()));
}

BOOST_AUTO_TEST_CASE(unescaping) {
  const auto decode = [](std::string_view text) {
    std::string out;
    const bool whole = wire::append_unescaped(out, text);
    return (whole ? "" : "lone:") + out;
  };
  BOOST_TEST(decode("plain") == "plain");
  BOOST_TEST(decode(R"(\"\\\/\b\f\n\r\t)") == "\"\\/\b\f\n\r\t");
  BOOST_TEST(decode(R"(a\u0041b\u00e4\u20AC)") == "aAbä€");
  BOOST_TEST(decode(R"(\ud83d\ude00)") == "😀");
  BOOST_TEST(decode(R"(\uD800\uDC00\uDBFF\uDFFF)") == "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF");
  BOOST_TEST(decode(R"(\ud800)") == "lone:\xEF\xBF\xBD");
  BOOST_TEST(decode(R"(\udc00\ud800)") == "lone:\xEF\xBF\xBD\xEF\xBF\xBD");
  BOOST_TEST(decode(R"(\ud800\ud83d\ude00)") == "lone:\xEF\xBF\xBD😀");
  BOOST_TEST(decode(R"(\ud800\n)") == "lone:\xEF\xBF\xBD\n");
  BOOST_TEST(decode(R"(\u0000)") == (std::string{"\0", 1}));
}

BOOST_AUTO_TEST_SUITE_END()
