#include "runtime/model/byte_meter.hpp"
#include "tests/transports/mesh/mesh_files.hpp"
#include "transports/mesh/guest_list.hpp"
#include "transports/mesh/preface.hpp"

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

using namespace mesh_testing;
using namespace troupe::mesh;
using verdict = guest_list::verdict;

namespace {

node_identity identity(const std::string& name, std::uint64_t incarnation = 1) {
  return {name, incarnation, name + std::string(32 - name.size(), '.')};
}

peer came(const std::string& name, std::uint64_t incarnation = 1) { return {identity(name, incarnation), "", true, 0}; }
peer called(const std::string& name, std::uint64_t incarnation = 1) {
  return {identity(name, incarnation), "", false, 0};
}

std::string refusal(const security& how) {
  try {
    const credentials made{how};
    return "";
  } catch (const std::runtime_error& e) {
    return e.what();
  }
}

bool says(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

} // namespace

BOOST_AUTO_TEST_SUITE(mesh_rules_suite)

BOOST_AUTO_TEST_CASE(nothing_opens_without_protection) {
  BOOST_TEST(says(refusal({}), "will not open without protection"));
  auto both = by_secret();
  both.ca = "x";
  BOOST_TEST(says(refusal(both), "not both"));
  auto half = by_certificate("mesh", "a", {"a"}, {"*"});
  BOOST_TEST(refusal(half) == "");
  half.allowed_names.clear();
  BOOST_TEST(says(refusal(half), "need all of"));
  half = by_certificate("mesh", "a", {"a"}, {"*"});
  half.key = by_certificate("mesh", "b", {"b"}, {"*"}).key;
  BOOST_TEST(says(refusal(half), "fits the certificate"));
  half.ca = "/nowhere/ca.pem";
  BOOST_TEST(says(refusal(half), "mesh: "));
}

BOOST_AUTO_TEST_CASE(a_secret_is_long_and_nobody_elses) {
  const std::string good(32, 's');
  const auto with = [](const std::string& path) {
    security how;
    how.secret_file = path;
    return refusal(how);
  };
  BOOST_TEST(with(write_file("ok", good + "\n", 0600)) == "");
  BOOST_TEST(with(write_file("ok", good, 0400)) == "");
  BOOST_TEST(says(with(write_file("open", good, 0640)), "by others"));
  BOOST_TEST(says(with(write_file("open", good, 0602)), "by others"));
  BOOST_TEST(says(with(write_file("short", good.substr(1) + "\n\n", 0600)), "random secret of 32"));
  BOOST_TEST(says(with(write_file("long", std::string(5000, 's'), 0600)), "random secret"));
  BOOST_TEST(says(with("/nowhere/secret"), "No such file"));
  BOOST_TEST(says(with("/tmp"), "no regular file"));
}

BOOST_AUTO_TEST_CASE(names_match_exactly_or_one_label) {
  BOOST_TEST(name_matches("a.example", "A.Example"));
  BOOST_TEST(!name_matches("a.example", "b.a.example"));
  BOOST_TEST(name_matches("*.example", "a.example"));
  BOOST_TEST(!name_matches("*.example", "b.a.example"));
  BOOST_TEST(!name_matches("*.example", ".example"));
  BOOST_TEST(!name_matches("*.example", "example"));
  BOOST_TEST(name_matches("*", "anything"));
  BOOST_TEST(!name_matches("*", ""));
  BOOST_TEST(!name_matches("a*", "ab"));
}

BOOST_AUTO_TEST_CASE(a_preface_is_read_however_it_is_split) {
  preface own;
  own.who = identity("node-1", 5);
  const auto bytes = own.encode() + "what follows";
  const auto whole = own.encode().size();
  for (std::size_t i = 0; i <= bytes.size(); ++i) {
    const auto got = read_preface(std::string_view{bytes}.substr(0, i), {1, 0});
    BOOST_TEST((got.what == (i < whole ? preface_outcome::state::more : preface_outcome::state::done)));
    if (i < whole)
      continue;
    BOOST_TEST(got.bytes == whole);
    BOOST_TEST(got.said.who.name == "node-1");
    BOOST_TEST(got.said.who.incarnation == 5u);
    BOOST_TEST(got.said.who.node == own.who.node);
  }
}

BOOST_AUTO_TEST_CASE(a_newer_minor_version_may_say_more_and_nothing_may_say_nonsense) {
  preface own;
  own.version = {1, 9};
  own.who = identity("n");
  auto bytes = own.encode();
  bytes[7] = static_cast<char>(bytes[7] + 3);
  const auto got = read_preface(bytes + "new", {1, 0});
  BOOST_TEST((got.what == preface_outcome::state::done && got.bytes == bytes.size() + 3));
  const auto reason = [](std::string text) { return std::string{read_preface(text, {1, 0}).reason}; };
  BOOST_TEST(reason("TRPM\2") == "");
  BOOST_TEST(reason(std::string{"TRPM\2\0\0\0", 8}) == "version");
  BOOST_TEST(reason("TRPX") == "preface");
  BOOST_TEST(reason("\x16\x03") == "preface");
  BOOST_TEST(reason(std::string{"TRPM\1\0\0\1", 8}) == "preface");
  BOOST_TEST(reason(std::string{"TRPM\1\0\xFF\xFF", 8}) == "preface");
  auto cut = own.encode();
  cut[48] = 64; // of its name
  BOOST_TEST(reason(cut) == "preface");
  own.who.name = "a b";
  BOOST_TEST(reason(own.encode()) == "preface");
}

BOOST_AUTO_TEST_CASE(one_connection_for_each_pair_and_one_node_for_each_name) {
  guest_list list{identity("m")};
  BOOST_TEST((list.decide(came("m"), 0) == verdict::self));
  BOOST_TEST((list.decide(came("m", 2), 0) == verdict::name));
  auto thief = came("x");
  thief.who.node = identity("m").node;
  BOOST_TEST((list.decide(thief, 0) == verdict::node));
  BOOST_TEST((list.decide(came("b", 5), 0) == verdict::welcome));
  list.add(came("b", 5), 0);
  thief.who.node = identity("b").node;
  BOOST_TEST((list.decide(thief, 0) == verdict::node));
  BOOST_TEST((list.decide(came("b", 5), 0) == verdict::duplicate));
  BOOST_TEST((list.decide(came("b", 4), 0) == verdict::name));
  BOOST_TEST((list.decide(came("b", 6), 0) == verdict::replaces));
  list.remove("b");
  BOOST_TEST((list.decide(came("b", 5), 0) == verdict::welcome));
}

BOOST_AUTO_TEST_CASE(of_two_connections_that_cross_both_sides_keep_the_same) {
  // b calls m, and m calls b. On m, whichever came first:
  guest_list m{identity("m")};
  m.add(called("b"), 0);
  BOOST_TEST((m.decide(came("b"), 10) == verdict::replaces)); // the lower name's own stays
  m.add(came("b"), 0);
  BOOST_TEST((m.decide(called("b"), 10) == verdict::duplicate));
  // On b the same two, with the roles changed.
  guest_list b{identity("b")};
  b.add(came("m"), 0);
  BOOST_TEST((b.decide(called("m"), 10) == verdict::replaces));
  b.add(called("m"), 0);
  BOOST_TEST((b.decide(came("m"), 10) == verdict::duplicate));
  // Later nothing crosses: what stands, stands.
  b.add(came("m"), 0);
  BOOST_TEST((b.decide(called("m"), guest_list::crossing_ms_max + 1) == verdict::duplicate));
}

BOOST_AUTO_TEST_CASE(a_byte_meter_makes_a_reader_wait_for_what_it_owes) {
  troupe::byte_meter meter{1000};
  meter.spend(600, 0);
  BOOST_TEST(meter.wait_ms(0) == 0);
  meter.spend(2400, 0);
  BOOST_TEST(meter.wait_ms(0) == 2001);
  BOOST_TEST(meter.wait_ms(1999) > 0);
  BOOST_TEST(meter.wait_ms(2001) == 0);
  BOOST_TEST(meter.wait_ms(1'000'000) == 0);
  meter.spend(1001, 1'000'000); // no more than a second was saved up
  BOOST_TEST(meter.wait_ms(1'000'000) > 0);
  troupe::byte_meter none{0};
  none.spend(1u << 30u, 0);
  BOOST_TEST(none.wait_ms(0) == 0);
}

BOOST_AUTO_TEST_SUITE_END()
