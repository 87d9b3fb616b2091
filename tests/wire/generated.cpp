#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

// Properties of generated values and messages. Each case has a seed of its own, which a failure prints.

#include "runtime/model/utf8.hpp"
#include "runtime/wire/json.hpp"
#include "runtime/wire/make.hpp"
#include "runtime/wire/msgpack.hpp"
#include "runtime/wire/parse.hpp"
#include "runtime/wire/transcode.hpp"

#include <cmath>
#include <random>
#include <string>

namespace {

using namespace troupe;

constexpr unsigned cases = 2000;

class generator {
public:
  explicit generator(unsigned seed)
      : random_{seed} {}

  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>{0, n - 1}(random_); }
  std::uint64_t bits() { return random_(); }

  std::string text() {
    static const std::string_view pieces[] = {"a",
                                              "Z",
                                              "\"",
                                              "\\",
                                              "/",
                                              "\n",
                                              "\x01",
                                              "ä",
                                              "€",
                                              "😀",
                                              " ",
                                              "$binary",
                                              "plain text of some length ",
                                              "\xEF\xBF\xBF",
                                              "\x7F",
                                              "\u0085"};
    std::string out;
    for (std::size_t n = below(8); n != 0; --n)
      out += pieces[below(std::size(pieces))];
    return out;
  }

  std::string digits() {
    std::string out(1, static_cast<char>('1' + below(9)));
    for (std::size_t n = below(30); n != 0; --n)
      out.push_back(static_cast<char>('0' + below(10)));
    return out;
  }

  std::string number() {
    std::string out = below(2) != 0 ? "-" : "";
    out += below(4) == 0 ? "0" : digits();
    if (below(2) != 0)
      out += '.' + digits();
    if (below(3) == 0)
      out += (below(2) != 0 ? "e" : "E") + std::string{below(2) != 0 ? "-" : "+"} + std::to_string(below(500));
    return out;
  }

  value any(unsigned depth) {
    switch (below(depth == 0 ? 7 : 9)) {
    case 0:
      return nullptr;
    case 1:
      return below(2) != 0;
    case 2:
      return static_cast<std::int64_t>(bits()) >> below(64);
    case 3:
      return bits() >> below(64);
    case 4: {
      const double d = std::ldexp(static_cast<double>(bits()), static_cast<int>(below(200)) - 100);
      return below(2) != 0 ? d : -d;
    }
    case 5:
      return value::number{number()};
    case 6:
      return text();
    case 7: {
      auto out = value::array();
      for (std::size_t n = below(20); n != 0; --n)
        out.push_back(any(depth - 1));
      return out;
    }
    default: {
      auto out = value::object();
      for (std::size_t n = below(20); n != 0; --n)
        out.set(text(), any(depth - 1));
      return out;
    }
    }
  }

private:
  std::mt19937_64 random_;
};

std::string json(const value& v) {
  std::string out;
  wire::write_json(out, v);
  return out;
}

std::string transcoded(std::string_view text, encoding from) {
  std::string out;
  if (from == encoding::json)
    wire::to_msgpack_text(out, {text, from});
  else
    wire::to_json_text(out, {text, from});
  return out;
}

template <class F>
void each_seed(F f) {
  for (unsigned seed = 1; seed <= cases; ++seed)
    BOOST_TEST_CONTEXT("seed " << seed) { f(seed); }
}

} // namespace

BOOST_AUTO_TEST_SUITE(generated)

BOOST_AUTO_TEST_CASE(what_is_written_reads_back) {
  each_seed([](unsigned seed) {
    generator make{seed};
    const auto v = make.any(3);
    const auto text = json(v);
    std::string why;
    const auto back = wire::parse({text}, &why);
    BOOST_REQUIRE_MESSAGE(back, why << " in " << text);
    BOOST_TEST((*back == v), text);
    BOOST_TEST(json(*back) == text);
  });
}

BOOST_AUTO_TEST_CASE(transcoding_is_stable) {
  each_seed([](unsigned seed) {
    generator make{seed};
    const auto text = json(make.any(3));
    const auto packed = transcoded(text, encoding::json);
    const auto again = transcoded(packed, encoding::msgpack);
    BOOST_TEST((transcoded(again, encoding::json) == packed), text);
    BOOST_TEST(transcoded(transcoded(again, encoding::json), encoding::msgpack) == again);
    // The value written at once is the value transcoded.
    std::string direct;
    wire::write_msgpack(direct, *wire::parse({text}));
    std::string why;
    BOOST_TEST((wire::parse({direct, encoding::msgpack}, &why) == wire::parse({packed, encoding::msgpack})),
               text << why);
  });
}

BOOST_AUTO_TEST_CASE(a_message_passes_through_a_node) {
  each_seed([](unsigned seed) {
    generator make{seed};
    outgoing what{.type = "chat:message", .payload = make.any(3), .id = "i" + make.text()};
    for (std::size_t n = make.below(4); n != 0; --n)
      what.headers[make.text()] = make.text();
    const auto from = wire::make_sender("c1", "u" + make.text(), "n1");
    const auto first = wire::make_message(what, target_kind::user, "x" + std::to_string(seed), from, 1);

    std::string frame, scratch, next;
    wire::encode_json(frame, *first, {seed, "e"});
    message_fields f;
    auto failed = wire::decode_json(frame, f, scratch);
    BOOST_REQUIRE_MESSAGE(!failed, failed->why.message << " in " << frame);
    BOOST_TEST(f.payload == first->payload_text()); // byte for byte
    BOOST_TEST(f.id == what.id);
    wire::encode_json(next, *message::make(f, from, 1), {seed, "e"});
    BOOST_TEST(next == frame);

    // The same through MessagePack, where the payload has its own bytes.
    std::string packed, packed_again;
    wire::encode_msgpack(packed, *first, {seed, "e"});
    message_fields g;
    failed = wire::decode_msgpack(packed, g);
    BOOST_REQUIRE_MESSAGE(!failed, failed->why.message);
    BOOST_TEST(g.id == what.id);
    const auto second = message::make(g, from, 1);
    wire::encode_msgpack(packed_again, *second, {seed, "e"});
    BOOST_TEST((packed_again == packed));
    for (const auto& [key, text] : what.headers)
      BOOST_TEST((wire::header(*second, key) == text));
  });
}

BOOST_AUTO_TEST_CASE(damaged_frames_never_confuse) {
  // What a scanner accepts after random damage must still transcode, parse and pass.
  each_seed([](unsigned seed) {
    generator make{seed};
    std::string frame, scratch;
    wire::encode_json(frame,
                      *wire::make_message({.type = "x", .payload = make.any(2), .id = "1"}, target_kind::room, "r"));
    for (std::size_t n = 1 + make.below(3); n != 0; --n)
      frame[make.below(frame.size())] = static_cast<char>(make.bits());
    frame.resize(frame.size() - make.below(2));
    message_fields f;
    if (const auto failed = wire::decode_json(frame, f, scratch)) {
      BOOST_TEST(!failed->why.message.empty());
      BOOST_TEST(failed->not_utf8 == !is_utf8(frame));
      return;
    }
    BOOST_TEST(is_utf8(frame));
    std::string next;
    wire::encode_json(next, *message::make(f, nullptr, 0));
    message_fields g;
    std::string other_scratch;
    BOOST_TEST(!wire::decode_json(next, g, other_scratch), next);
    BOOST_TEST(f.payload == g.payload);
  });
}

BOOST_AUTO_TEST_SUITE_END()
