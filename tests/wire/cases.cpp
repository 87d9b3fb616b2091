#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

// Runs tests/wire_cases/*.json, which the clients' tests run as well.

#include "runtime/wire/json.hpp"
#include "runtime/wire/make.hpp"
#include "runtime/wire/msgpack.hpp"
#include "runtime/wire/transcode.hpp"

#include <nlohmann/json.hpp>

#include <fstream>
#include <string>

namespace {

using json = nlohmann::json;
using namespace troupe;

json cases(const std::string& name) {
  std::ifstream file{TROUPE_SOURCE_DIR "/tests/wire_cases/" + name};
  BOOST_REQUIRE_MESSAGE(file, "cannot open " << name);
  auto all = json::parse(file)["cases"];
  BOOST_REQUIRE(!all.empty());
  return all;
}

std::string from_hex(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return out;
}

std::string frame_of(const json& one) {
  if (one.contains("frame"))
    return one["frame"];
  if (one.contains("frame_hex"))
    return from_hex(one["frame_hex"]);
  std::string out;
  for (const auto& part : one.at("frame_parts"))
    for (int i = 0; i < part[1].get<int>(); ++i)
      out += part[0].get_ref<const std::string&>();
  return out;
}

std::string name_if(const message_fields& f, target_kind kind) {
  return f.target == kind ? std::string{f.target_name} : std::string{};
}

/// The field as the cases write it.
json field_of(const message_fields& f, const std::string& key) {
  const json all{
      {"type", f.type},
      {"id", f.id},
      {"room", name_if(f, target_kind::room)},
      {"channel", name_if(f, target_kind::channel)},
      {"user", name_if(f, target_kind::user)},
      {"connection", name_if(f, target_kind::connection)},
      {"users", f.users},
      {"payload", f.payload},
      {"headers", f.headers},
      {"privacy", f.privacy},
      {"log", f.log == privacy_log::unsaid ? ""
              : f.log == privacy_log::full ? "full"
              : f.log == privacy_log::none ? "none"
                                           : "metadata"},
      {"subject", f.subject},
      {"audience", f.audience},
      {"traceparent", f.traceparent},
      {"ttl_ms", f.ttl_ms},
      {"qos", static_cast<int>(f.qos)},
      {"offline", f.offline == offline_policy::queue ? "queue" : "drop"},
  };
  return all.at(key);
}

message_ptr message_of(const json& m, std::string_view payload, std::string_view headers, encoding format) {
  const auto text = [&m](const char* key) {
    return m.contains(key) ? std::string_view{m[key].get_ref<const std::string&>()} : std::string_view{};
  };
  message_fields f;
  f.type = text("type");
  f.id = text("id");
  f.traceparent = text("traceparent");
  f.privacy = text("privacy");
  f.payload = payload;
  f.headers = headers;
  f.format = format;
  f.ttl_ms = m.value("ttl_ms", 0);
  f.qos = static_cast<qos>(m.value("qos", 0));
  f.offline = text("offline") == "queue" ? offline_policy::queue : offline_policy::drop;
  for (const auto& [key, kind] : {std::pair{"room", target_kind::room},
                                  {"channel", target_kind::channel},
                                  {"user", target_kind::user},
                                  {"connection", target_kind::connection}})
    if (m.contains(key)) {
      f.target = kind;
      f.target_name = text(key);
    }
  if (m.contains("users")) {
    f.target = target_kind::users;
    for (const auto& user : m["users"])
      f.users.push_back(user.get_ref<const std::string&>());
  }
  std::shared_ptr<const sender> from;
  if (m.contains("from")) {
    const auto& who = m["from"];
    std::optional<std::string> user;
    if (who.contains("user"))
      user = who["user"].get<std::string>();
    from = wire::make_sender(who["connection"], user, who["node"]);
  }
  return message::make(f, from, m.value("ts", std::int64_t{0}));
}

void check_words(const json& one, const wire::decode_failure& failed) {
  BOOST_TEST(to_string(failed.why.code) == one["code"].get<std::string>());
  for (const auto& words : one["words"])
    BOOST_TEST(failed.why.message.find(words.get<std::string>()) != std::string::npos,
               "\"" << failed.why.message << "\" lacks \"" << words.get<std::string>() << '"');
}

} // namespace

BOOST_AUTO_TEST_SUITE(wire_cases)

BOOST_AUTO_TEST_CASE(accepted) {
  message_fields f;
  std::string scratch;
  for (const auto& one : cases("accepted.json")) {
    BOOST_TEST_CONTEXT(one["name"].get<std::string>()) {
      const auto frame = frame_of(one);
      const auto failed = wire::decode_json(frame, f, scratch);
      BOOST_TEST(!failed, (failed ? failed->why.message : ""));
      if (failed)
        continue;
      for (const auto& [key, expected] : one["expect"].items())
        BOOST_TEST(field_of(f, key) == expected, key << " is " << field_of(f, key));
    }
  }
}

BOOST_AUTO_TEST_CASE(rejected) {
  message_fields f;
  std::string scratch;
  for (const auto& one : cases("rejected.json")) {
    BOOST_TEST_CONTEXT(one["name"].get<std::string>()) {
      const auto frame = frame_of(one);
      const auto failed = wire::decode_json(frame, f, scratch);
      BOOST_TEST(failed.has_value());
      if (!failed)
        continue;
      check_words(one, *failed);
      BOOST_TEST(failed->id == one.value("id", ""));
      BOOST_TEST(failed->not_utf8 == one.value("not_utf8", false));
    }
  }
}

BOOST_AUTO_TEST_CASE(encoded) {
  for (const auto& one : cases("encoded.json")) {
    BOOST_TEST_CONTEXT(one["name"].get<std::string>()) {
      const auto& m = one["message"];
      const std::string payload = m.value("payload", ""), headers = m.value("headers", "");
      const std::string epoch = m.value("epoch", "");
      const stamp at{m.value("seq", std::uint64_t{0}), epoch};
      std::string out = "before ";
      wire::encode_json(out, *message_of(m, payload, headers, encoding::json), at);
      BOOST_TEST(out == "before " + one["json"].get<std::string>());

      // The MessagePack that receivers get says the same.
      out.clear();
      wire::encode_msgpack(out, *message_of(m, payload, headers, encoding::json), at);
      std::string as_json;
      wire::to_json_text(as_json, {out, encoding::msgpack});
      std::string again;
      wire::to_msgpack_text(again, {one["json"].get_ref<const std::string&>(), encoding::json});
      BOOST_TEST(out == again, as_json);
    }
  }
}

BOOST_AUTO_TEST_CASE(msgpack_accepted) {
  message_fields f;
  for (const auto& one : cases("msgpack_accepted.json")) {
    BOOST_TEST_CONTEXT(one["name"].get<std::string>()) {
      const auto frame = frame_of(one);
      const auto failed = wire::decode_msgpack(frame, f);
      BOOST_TEST(!failed, (failed ? failed->why.message : ""));
      if (failed)
        continue;
      const auto& expected = one["payload_json"].get_ref<const std::string&>();
      std::string text;
      wire::to_json_text(text, {f.payload, encoding::msgpack});
      BOOST_TEST(text == expected);
      std::string back;
      wire::to_msgpack_text(back, {text, encoding::json});
      BOOST_TEST((back == f.payload) == one["shortest"].get<bool>());
    }
  }
}

BOOST_AUTO_TEST_CASE(msgpack_rejected) {
  message_fields f;
  for (const auto& one : cases("msgpack_rejected.json")) {
    BOOST_TEST_CONTEXT(one["name"].get<std::string>()) {
      const auto frame = frame_of(one);
      const auto failed = wire::decode_msgpack(frame, f);
      BOOST_TEST(failed.has_value());
      if (failed)
        check_words(one, *failed);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
