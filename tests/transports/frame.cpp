#undef BOOST_TEST_MODULE
#include "transports/websocket/frame.hpp"

#include "tests/transports/raw_client.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <random>
#include <vector>

BOOST_AUTO_TEST_SUITE(websocket_frame)

namespace {

using namespace troupe;
using namespace troupe::websocket;
using troupe::testing::masked_frame;
using kind = frame_parser::kind;

struct seen {
  kind what;
  std::string payload;
  bool compressed;
  close_code code;
};

/// Everything that the parser makes of `bytes` when they come in pieces of `piece`.
std::vector<seen> parse(const std::string& bytes, std::size_t piece, const frame_limits& limits) {
  frame_parser parser{limits};
  std::vector<seen> all;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    auto copy = bytes.substr(at, piece);
    std::span<char> input{copy};
    for (;;) {
      const auto e = parser.next(input);
      if (e.what == kind::none)
        break;
      all.push_back({e.what, std::string{e.payload}, e.compressed, e.code});
    }
  }
  return all;
}

const frame_limits usual;

std::string bytes(std::initializer_list<int> list) {
  std::string out;
  for (const int b : list)
    out.push_back(static_cast<char>(b));
  return out;
}

} // namespace

// The examples of RFC 6455 section 5.7.

BOOST_AUTO_TEST_CASE(writes_the_unmasked_hello_of_the_rfc) {
  std::string out;
  append_frame(out, opcode::text, "Hello");
  BOOST_TEST(out == bytes({0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f}));
}

BOOST_AUTO_TEST_CASE(reads_the_masked_hello_of_the_rfc) {
  const auto all = parse(bytes({0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}), 100, usual);
  BOOST_REQUIRE_EQUAL(all.size(), 1);
  BOOST_TEST((all[0].what == kind::text));
  BOOST_TEST(all[0].payload == "Hello");
}

BOOST_AUTO_TEST_CASE(reads_the_masked_pong_of_the_rfc) {
  const auto all = parse(bytes({0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}), 100, usual);
  BOOST_REQUIRE_EQUAL(all.size(), 1);
  BOOST_TEST((all[0].what == kind::pong));
}

BOOST_AUTO_TEST_CASE(reads_the_fragmented_hello_of_the_rfc_with_a_ping_inside) {
  const auto all =
      parse(masked_frame(0x01, "Hel") + masked_frame(0x89, "Hello") + masked_frame(0x80, "lo"), 100, usual);
  BOOST_REQUIRE_EQUAL(all.size(), 2);
  BOOST_TEST((all[0].what == kind::ping));
  BOOST_TEST(all[0].payload == "Hello");
  BOOST_TEST((all[1].what == kind::text));
  BOOST_TEST(all[1].payload == "Hello");
}

BOOST_AUTO_TEST_CASE(writes_the_lengths_of_the_rfc) {
  std::string out;
  append_frame(out, opcode::binary, std::string(256, 'x'));
  BOOST_TEST(out.substr(0, 4) == bytes({0x82, 0x7E, 0x01, 0x00}));
  out.clear();
  append_frame(out, opcode::binary, std::string(65536, 'x'));
  BOOST_TEST(out.substr(0, 10) == bytes({0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0}));
  BOOST_TEST(frame_header_bytes(125) == 2);
  BOOST_TEST(frame_header_bytes(126) == 4);
  BOOST_TEST(frame_header_bytes(65535) == 4);
}

BOOST_AUTO_TEST_CASE(reads_the_same_however_the_input_is_cut) {
  std::mt19937 random{20260101};
  std::string input;
  std::vector<std::string> sent;
  for (const std::size_t size : {0, 1, 125, 126, 127, 1000, 65535, 65536}) {
    std::string payload(size, '\0');
    for (auto& c : payload)
      c = static_cast<char>(random());
    sent.push_back(payload);
    input += masked_frame(0x82, payload);
    input += masked_frame(0x89, payload.substr(0, 125));
    const auto half = size / 2;
    input +=
        masked_frame(0x02, payload.substr(0, half)) + masked_frame(0x8A, "") + masked_frame(0x80, payload.substr(half));
  }
  for (const std::size_t piece : {1, 2, 3, 5, 7, 13, 14, 64, 1000, 4096, 1 << 20}) {
    const auto all = parse(input, piece, usual);
    BOOST_REQUIRE_EQUAL(all.size(), sent.size() * 4);
    for (std::size_t i = 0; i < sent.size(); ++i) {
      BOOST_REQUIRE((all[i * 4].what == kind::binary && all[i * 4].payload == sent[i]));
      BOOST_REQUIRE((all[i * 4 + 1].what == kind::ping && all[i * 4 + 1].payload == sent[i].substr(0, 125)));
      BOOST_REQUIRE((all[i * 4 + 2].what == kind::pong));
      BOOST_REQUIRE((all[i * 4 + 3].what == kind::binary && all[i * 4 + 3].payload == sent[i]));
    }
  }
}

namespace {

struct violation {
  const char* name;
  std::string input;
  int code;
};
std::ostream& operator<<(std::ostream& out, const violation& v) { return out << v.name; }

const violation violations[] = {
    {"unmasked", bytes({0x81, 0x05, 'H', 'e', 'l', 'l', 'o'}), 1002},
    {"rsv1 without an extension", masked_frame(0xC1, "x"), 1002},
    {"rsv2", masked_frame(0xA1, "x"), 1002},
    {"rsv3", masked_frame(0x91, "x"), 1002},
    {"opcode 3", masked_frame(0x83, "x"), 1002},
    {"opcode 11", masked_frame(0x8B, "x"), 1002},
    {"fragmented ping", masked_frame(0x09, "x"), 1002},
    {"long ping", masked_frame(0x89, std::string(126, 'x')), 1002},
    {"continuation of nothing", masked_frame(0x80, "x"), 1002},
    {"text within a message", masked_frame(0x01, "x") + masked_frame(0x81, "y"), 1002},
    {"length not the shortest, 16 bits", bytes({0x81, 0xFE, 0, 125, 1, 2, 3, 4}), 1002},
    {"length not the shortest, 64 bits", bytes({0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 1, 2, 3, 4}), 1002},
    {"length with the top bit", bytes({0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}), 1002},
    {"half a close code", masked_frame(0x88, "x"), 1002},
    {"close code 1005", masked_frame(0x88, bytes({0x03, 0xED})), 1002},
    {"close code 999", masked_frame(0x88, bytes({0x03, 0xE7})), 1002},
    {"close code 2000", masked_frame(0x88, bytes({0x07, 0xD0})), 1002},
    {"close code 5000", masked_frame(0x88, bytes({0x13, 0x88})), 1002},
    {"close reason not UTF-8", masked_frame(0x88, bytes({0x03, 0xE8, 0xC0, 0x80})), 1007},
    {"frame too large", bytes({0x81, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3, 4}), 1009},
    {"message too large", masked_frame(0x01, std::string(65536, 'x')) + masked_frame(0x80, "y"), 1009},
};

} // namespace

BOOST_DATA_TEST_CASE(closes_for_each_violation, boost::unit_test::data::make(violations), sample) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1} << 20}) {
    const auto all = parse(sample.input + masked_frame(0x81, "never seen"), piece, usual);
    BOOST_REQUIRE_EQUAL(all.size(), 1);
    BOOST_TEST((all[0].what == kind::violation));
    BOOST_TEST(static_cast<int>(all[0].code) == sample.code);
  }
}

BOOST_AUTO_TEST_CASE(bounds_the_fragments) {
  std::string input = masked_frame(0x01, "");
  for (std::size_t i = 1; i < limits::fragments_per_message_max; ++i)
    input += masked_frame(0x00, "");
  BOOST_TEST(parse(input, 100, usual).empty());
  const auto all = parse(input + masked_frame(0x80, ""), 100, usual);
  BOOST_REQUIRE_EQUAL(all.size(), 1);
  BOOST_TEST((all[0].code == close_code::too_large));
}

BOOST_AUTO_TEST_CASE(takes_rsv1_where_it_was_agreed_on) {
  frame_limits with = usual;
  with.compression = true;
  const auto all = parse(masked_frame(0xC1, "x") + masked_frame(0x41, "x") + masked_frame(0x80, "y"), 1, with);
  BOOST_REQUIRE_EQUAL(all.size(), 2);
  BOOST_TEST(all[0].compressed);
  BOOST_TEST(all[1].compressed);
  BOOST_TEST((parse(masked_frame(0x41, "x") + masked_frame(0xC0, "y"), 100, with)[0].what == kind::violation));
  BOOST_TEST((parse(masked_frame(0xC9, "x"), 100, with)[0].what == kind::violation));
}

BOOST_AUTO_TEST_CASE(gives_the_close_code_and_reason) {
  const auto all = parse(masked_frame(0x88, "\x0f\xa0"
                                            "bye") +
                             masked_frame(0x88, ""),
                         100, usual);
  BOOST_REQUIRE_EQUAL(all.size(), 2);
  BOOST_TEST(static_cast<int>(all[0].code) == 4000);
  BOOST_TEST(all[0].payload == "bye");
  BOOST_TEST((all[1].code == close_code::no_status));
}

BOOST_AUTO_TEST_CASE(cuts_a_close_reason_at_a_character) {
  std::string reason(122, 'x');
  reason += "\xC3\xA9\xC3\xA9";
  std::string out;
  append_close_frame(out, close_code::normal, reason);
  BOOST_TEST(out.substr(4) == std::string(122, 'x'));
  out.clear();
  append_close_frame(out, close_code::no_status, "x");
  BOOST_TEST(out == bytes({0x88, 0x00}));
}

BOOST_AUTO_TEST_CASE(finds_the_next_boundary) {
  std::string frames;
  std::vector<std::size_t> ends{0};
  for (const std::size_t size : {0, 5, 125, 126, 300, 65535, 65536, 70000}) {
    append_frame(frames, opcode::text, std::string(size, 'x'));
    ends.push_back(frames.size());
  }
  for (std::size_t offset = 0; offset <= frames.size(); offset += 7) {
    const auto expected = *std::lower_bound(ends.begin(), ends.end(), offset);
    BOOST_REQUIRE_EQUAL(next_frame_boundary(frames, offset), expected);
  }
}

BOOST_AUTO_TEST_SUITE_END()
