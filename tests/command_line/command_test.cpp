#undef BOOST_TEST_MODULE
#include "apps/troupe/command.hpp"

#include <boost/test/unit_test.hpp>

using namespace troupe::cli;

namespace {

command example() {
  return {.name = "example",
          .takes = "[WORD]",
          .summary = "An example",
          .words_max = 3,
          .flags = {{"--plain", "", "takes nothing", 'p'},
                    {"--name", "NAME", "takes one"},
                    {.name = "--between", .value = "A B", .meaning = "takes two", .count = 2},
                    {.name = "--run", .value = "PROGRAM", .meaning = "takes all", .takes_rest = true}},
          .examples = "  troupe example --plain\n"};
}

arguments parsed(std::vector<std::string> given) {
  const auto one = example();
  return {one, given};
}

std::string refusal_of(const std::vector<std::string>& given) {
  try {
    parsed(given);
  } catch (const command_failed& why) {
    BOOST_TEST(why.status() == exit_usage);
    return why.what();
  }
  BOOST_FAIL("was taken");
  return {};
}

} // namespace

BOOST_AUTO_TEST_SUITE(command_line)

BOOST_AUTO_TEST_CASE(a_flag_may_take_two_values) {
  const auto given = parsed({"--between", "-10m", "end", "word"});
  BOOST_TEST(given.all("--between") == (std::vector<std::string>{"-10m", "end"}), boost::test_tools::per_element());
  BOOST_TEST(given.words() == std::vector<std::string>{"word"}, boost::test_tools::per_element());
  BOOST_TEST(refusal_of({"--between", "1"}).find("needs a value: A B") != std::string::npos);
  BOOST_TEST(refusal_of({"--between", "1", "--plain"}).find("needs a value: A B") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_flag_may_take_the_rest) {
  const auto given = parsed({"--name", "x", "--run", "./game", "--port", "-1"});
  BOOST_TEST(given.get("--run") == "./game");
  BOOST_TEST(given.words() == (std::vector<std::string>{"--port", "-1"}), boost::test_tools::per_element());
  BOOST_TEST(parsed({"--run=./game", "-x"}).words() == std::vector<std::string>{"-x"},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_lone_dash_is_a_word) {
  BOOST_TEST(parsed({"-"}).words() == std::vector<std::string>{"-"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(mistakes_name_the_nearest) {
  BOOST_TEST(refusal_of({"--nam", "x"}).find("is it --name?") != std::string::npos);
  BOOST_TEST(refusal_of({"--plian"}).find("is it --plain?") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_help_ends_with_examples) {
  BOOST_TEST(help_of(example()).ends_with("\nexamples:\n  troupe example --plain\n"));
}

BOOST_AUTO_TEST_SUITE_END()
