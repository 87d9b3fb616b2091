#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "runtime/model/errors.hpp"
#include "runtime/wire/json.hpp"
#include "runtime/wire/make.hpp"
#include "runtime/wire/msgpack.hpp"
#include "runtime/wire/parse.hpp"
#include "runtime/wire/transcode.hpp"

#include <string>
#include <vector>

namespace {

using namespace troupe;

std::string json(const message& m, const stamp& at = {}) {
  std::string out;
  wire::encode_json(out, m, at);
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(make)

BOOST_AUTO_TEST_CASE(messages_of_programs) {
  const auto from = wire::make_sender("c1", "al\"ice", "n1");
  BOOST_TEST(json(*wire::make_message(
                 {.type = "chat:message", .payload = {{"body", "hi"}}, .id = "7", .headers = {{"echo", "true"}}},
                 target_kind::room, "lobby", from, 5)) ==
             R"({"type":"chat:message","id":"7","room":"lobby","payload":{"body":"hi"},"headers":{"echo":"true"},)"
             R"("from":{"connection":"c1","user":"al\"ice"},"node":"n1","ts":5})");
  BOOST_TEST(json(*wire::make_message({.type = "pong", .id = "1"})) == R"({"type":"pong","id":"1","payload":null})");
  const std::vector<std::string> users{"u", "v"};
  BOOST_TEST(json(*wire::make_message({.type = "x", .payload = 1}, users)) ==
             R"({"type":"x","to":{"users":["u","v"]},"payload":1})");
}

BOOST_AUTO_TEST_CASE(a_program_says_for_whom_a_message_is) {
  outgoing what{.type = "x", .log = privacy_log::metadata, .subject = "cy", .audience = {"dan", "bob"}};
  for (const auto format : {encoding::json, encoding::msgpack}) {
    if (format == encoding::msgpack)
      what.payload = raw_payload{"\x07", encoding::msgpack};
    const auto m = wire::make_message(what, target_kind::room, "r");
    message_fields read;
    std::string scratch;
    BOOST_TEST_REQUIRE((m->fields().format == format));
    BOOST_TEST((format == encoding::json ? wire::decode_json_privacy(m->fields().privacy, read, scratch)
                                         : wire::decode_msgpack_privacy(m->fields().privacy, read)));
    for (const auto* f : std::initializer_list<const message_fields*>{&read, &m->fields()}) {
      BOOST_TEST((f->log == privacy_log::metadata));
      BOOST_TEST(f->subject == "cy");
      BOOST_TEST(f->audience.size() == 2u);
    }
    BOOST_TEST((m->is_for("bob") && m->is_for("dan") && !m->is_for("eve")));
  }
  BOOST_TEST(wire::make_message({.type = "x"})->fields().privacy.empty());
}

BOOST_AUTO_TEST_CASE(a_privacy_object_alone_is_read_in_both_formats) {
  const value privacy{{"audience", value::array({"bob", "ann"})}, {"log", "full"}, {"subject", "ann"}};
  std::string text, packed, scratch;
  wire::write_json(text, privacy);
  wire::write_msgpack(packed, privacy);
  message_fields from_json, from_msgpack;
  BOOST_TEST(wire::decode_json_privacy(text, from_json, scratch));
  BOOST_TEST(wire::decode_msgpack_privacy(packed, from_msgpack));
  for (auto* f : {&from_json, &from_msgpack}) {
    f->type = "x";
    const auto m = message::make(*f, nullptr, 0);
    BOOST_TEST((m->fields().audience == std::vector<std::string_view>{"ann", "bob"})); // ascending
    BOOST_TEST(m->fields().subject == "ann");
    BOOST_TEST((m->fields().log == privacy_log::full));
    BOOST_TEST(m->is_for("bob"));
    BOOST_TEST(!m->is_for("carl"));
  }
  message_fields nothing;
  BOOST_TEST(!wire::decode_json_privacy("{\"audience\":7}", nothing, scratch));
  BOOST_TEST(!wire::decode_json_privacy("{} ,", nothing, scratch));
  BOOST_TEST(!wire::decode_msgpack_privacy("\xC0", nothing));
}

BOOST_AUTO_TEST_CASE(senders_in_both_formats) {
  for (const auto& user : {std::optional<std::string>{}, std::optional<std::string>{"ünï"}}) {
    const auto from = wire::make_sender("c\n1", user, "n\"1");
    std::string map = "\x82" + from->msgpack, text;
    wire::to_json_text(text, {map, encoding::msgpack});
    BOOST_TEST(text == '{' + from->json + '}');
  }
}

BOOST_AUTO_TEST_CASE(a_message_owns_its_text) {
  message_fields f;
  message_ptr m;
  {
    std::string scratch;
    const std::string frame =
        R"({"type":"x","id":"i\n","to":{"users":["a","b\u0041"]},"payload":[1],"headers":{"k":"v"}})";
    BOOST_REQUIRE(!wire::decode_json(frame, f, scratch));
    m = message::make(f, nullptr, 0);
  }
  BOOST_TEST(m->type() == "x");
  BOOST_TEST(m->id() == "i\n");
  BOOST_TEST((m->fields().users == std::vector<std::string_view>{"a", "bA"}));
  BOOST_TEST(m->payload_text() == "[1]");
  BOOST_TEST(m->room_or("lobby") == "lobby");
  BOOST_TEST(m->size() == sizeof(message) + 18);
  BOOST_TEST(message::make({}, nullptr, 0)->payload_text() == "null");
  message_fields packed;
  packed.format = encoding::msgpack;
  BOOST_TEST(message::make(packed, nullptr, 0)->payload_text() == "\xC0");
}

BOOST_AUTO_TEST_CASE(headers_of_messages) {
  const auto header = [](std::string_view frame, std::string_view name) {
    message_fields f;
    std::string scratch, packed;
    BOOST_REQUIRE(!wire::decode_json(frame, f, scratch));
    const auto m = message::make(f, nullptr, 0);
    const auto found = wire::header(*m, name);
    // The same through MessagePack.
    wire::encode_msgpack(packed, *m);
    message_fields g;
    BOOST_REQUIRE(!wire::decode_msgpack(packed, g));
    BOOST_TEST((wire::header(*message::make(g, nullptr, 0), name) == found));
    return found.value_or("(none)");
  };
  BOOST_TEST(header(R"({"type":"x"})", "a") == "(none)");
  BOOST_TEST(header(R"({"type":"x","headers":{"a":"b","c":"d\n"}})", "c") == "d\n");
  BOOST_TEST(header(R"({"type":"x","headers":{"a":"b"}})", "c") == "(none)");
  BOOST_TEST(header(R"({"type":"x","headers":{"a":"1","a":"2"}})", "a") == "2");
  BOOST_TEST(header(R"({"type":"x","headers":{"\u0061":"1"}})", "a") == "1");
}

BOOST_AUTO_TEST_CASE(a_message_pack_splice_stays_as_it_is) {
  const std::string packed = "\x92\xCD\x00\x01\xC3"; // not the shortest form
  const std::string_view text{"\x92\xCD\x00\x01\xC3", 5};
  const auto m =
      wire::make_message({.type = "x", .payload = raw_payload{text, encoding::msgpack}, .headers = {{"a", "b"}}});
  BOOST_TEST((m->payload_text() == text));
  BOOST_TEST((wire::header(*m, "a") == "b"));
  BOOST_TEST(json(*m) == R"({"type":"x","payload":[1,true],"headers":{"a":"b"}})");
  std::string out;
  wire::encode_msgpack(out, *m);
  message_fields f;
  BOOST_REQUIRE(!wire::decode_msgpack(out, f));
  BOOST_TEST((f.payload == text));
}

BOOST_AUTO_TEST_CASE(what_a_program_gets_wrong_stays_json) {
  // A type or name that no client could send must still not break the frame.
  const auto text = json(*wire::make_message({.type = "a\"b", .payload = "\xFF"}, target_kind::room, "r\n\xFE"));
  BOOST_TEST(text == "{\"type\":\"a\\\"b\",\"room\":\"r\\n\xEF\xBF\xBD\",\"payload\":\"\xEF\xBF\xBD\"}");
}

BOOST_AUTO_TEST_CASE(errors) {
  for (int i = 0; i <= static_cast<int>(error_code::internal); ++i) {
    const auto code = static_cast<error_code>(i);
    BOOST_TEST((error_code_from(to_string(code)) == code));
  }
  BOOST_TEST(!error_code_from("nonsense"));
  BOOST_TEST(is_temporary(error_code::rate_limited));
  BOOST_TEST(!is_temporary(error_code::forbidden));
  for (const auto code :
       {close_code::normal, close_code::slow_consumer, close_code::too_many_bad_messages, close_code::too_large}) {
    BOOST_TEST(!default_reason(code).empty());
    BOOST_TEST(default_reason(code).size() <= 123u);
  }
}

BOOST_AUTO_TEST_SUITE_END()
