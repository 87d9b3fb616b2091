#include "runtime/wire/msgpack.hpp"

#include "runtime/wire/envelope_decoder.hpp"
#include "runtime/wire/msgpack_text.hpp"
#include "runtime/wire/transcode.hpp"

namespace troupe::wire {

namespace {

/// MessagePack for an envelope_decoder.
class msgpack_reader {
public:
  static constexpr encoding format = encoding::msgpack;
  static constexpr std::string_view null_text = "\xC0";
  struct counter {
    std::uint32_t left = 0;
  };

  explicit msgpack_reader(std::string_view text) noexcept
      : in_{text} {}

  node_kind kind() const noexcept {
    const auto tag = in_.peek();
    if (tag <= 0x7F || tag >= 0xE0 || (tag >= 0xCA && tag <= 0xD3))
      return node_kind::number;
    if (tag <= 0x8F || tag == 0xDE || tag == 0xDF)
      return node_kind::object;
    if (tag <= 0x9F || tag == 0xDC || tag == 0xDD)
      return node_kind::array;
    return tag <= 0xBF || (tag >= 0xD9 && tag <= 0xDB) ? node_kind::string : node_kind::other;
  }

  bool string(std::string_view& text, bool&) noexcept { return in_.key(text); }

  bool integer(std::int64_t& n, bool& whole) noexcept {
    msgpack_token token;
    if (!in_.next(token))
      return false;
    whole = token.type == msgpack_type::integer;
    n = token.integer;
    return true;
  }

  bool value(std::string_view& raw) noexcept { return in_.value(raw); }
  bool open_object(counter& c) noexcept { return open(c); }
  bool open_array(counter& c) noexcept { return open(c); }

  bool next_key(counter& c, std::string_view& key, bool& more) noexcept {
    more = c.left != 0;
    if (!more)
      return true;
    --c.left;
    return in_.key(key);
  }

  bool next_item(counter& c, bool& more) const noexcept {
    more = c.left != 0;
    c.left -= more ? 1 : 0;
    return true;
  }

  const char* at() const noexcept { return in_.at(); }
  bool end() noexcept { return in_.end(); }

  failure fault() const {
    if (in_.fault() == msgpack_fault::too_deep)
      return {error_code::bad_message, "payload is nested more than 128 deep", std::nullopt};
    std::string text = "not valid MessagePack: ";
    text.append(describe(in_.fault())).append(" at byte ").append(std::to_string(in_.offset()));
    return {error_code::bad_message, std::move(text), std::nullopt};
  }

private:
  bool open(counter& c) noexcept {
    msgpack_token token;
    if (!in_.next(token))
      return false;
    c.left = token.count;
    return true;
  }

  msgpack_scanner in_;
};

void append_target(std::string& out, const message_fields& f) {
  const auto to = [&out](std::string_view key) {
    append_msgpack_string(out, "to");
    append_msgpack_map(out, 1);
    append_msgpack_string(out, key);
  };
  switch (f.target) {
  case target_kind::none:
    return;
  case target_kind::room:
    append_msgpack_string(out, "room");
    return append_msgpack_string(out, f.target_name);
  case target_kind::channel:
    append_msgpack_string(out, "channel");
    return append_msgpack_string(out, f.target_name);
  case target_kind::user:
    to("user");
    return append_msgpack_string(out, f.target_name);
  case target_kind::connection:
    to("connection");
    return append_msgpack_string(out, f.target_name);
  case target_kind::users:
    to("users");
    append_msgpack_array(out, f.users.size());
    for (const auto user : f.users)
      append_msgpack_string(out, user);
  }
}

} // namespace

std::optional<decode_failure> decode_msgpack(std::string_view frame, message_fields& out) {
  msgpack_reader reader{frame};
  return envelope_decoder<msgpack_reader>{reader, out}.run();
}

bool decode_msgpack_privacy(std::string_view object, message_fields& out) {
  msgpack_reader reader{object};
  return privacy_decoder<msgpack_reader>{reader, out}.run_alone();
}

void encode_msgpack(std::string& out, const message& m, const stamp& at) {
  const auto& f = m.fields();
  const auto entry = [&out](std::string_view key, std::string_view text) {
    append_msgpack_string(out, key);
    append_msgpack_string(out, text);
  };
  std::size_t count = 2; // type and payload
  count += f.id.empty() ? 0 : 1;
  count += f.target == target_kind::none ? 0 : 1;
  count += f.headers.empty() ? 0 : 1;
  count += f.traceparent.empty() ? 0 : 1;
  count += m.from() == nullptr ? 0 : 2;
  count += m.ts() == 0 ? 0 : 1;
  count += at.seq == 0 ? 0 : 2;
  append_msgpack_map(out, count);
  entry("type", f.type);
  if (!f.id.empty())
    entry("id", f.id);
  append_target(out, f);
  append_msgpack_string(out, "payload");
  to_msgpack_text(out, m.payload());
  if (!f.headers.empty()) {
    append_msgpack_string(out, "headers");
    to_msgpack_text(out, {f.headers, f.format});
  }
  if (!f.traceparent.empty())
    entry("traceparent", f.traceparent);
  if (m.from() != nullptr)
    out += m.from()->msgpack;
  if (m.ts() != 0) {
    append_msgpack_string(out, "ts");
    append_msgpack_int(out, m.ts());
  }
  if (at.seq == 0)
    return;
  const bool room = f.target == target_kind::room || f.target == target_kind::none;
  append_msgpack_string(out, room ? "seq" : "offset");
  append_msgpack_uint(out, at.seq);
  entry("epoch", at.epoch);
}

} // namespace troupe::wire
