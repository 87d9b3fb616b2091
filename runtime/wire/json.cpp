#include "runtime/wire/json.hpp"

#include "runtime/wire/envelope_decoder.hpp"
#include "runtime/wire/scanner.hpp"
#include "runtime/wire/transcode.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace troupe::wire {

namespace {

/// JSON for an envelope_decoder.
class json_reader {
public:
  static constexpr encoding format = encoding::json;
  static constexpr std::string_view null_text = "null";
  struct counter {
    bool first = true;
  };

  json_reader(std::string_view text, std::string& scratch) noexcept
      : in_{text}
      , scratch_{scratch}
      , text_bytes_{text.size()} {
    scratch_.clear();
  }

  node_kind kind() noexcept {
    const char c = in_.peek();
    if (c == '"')
      return node_kind::string;
    if (c == '{')
      return node_kind::object;
    if (c == '[')
      return node_kind::array;
    return c == '-' || (c >= '0' && c <= '9') ? node_kind::number : node_kind::other;
  }

  bool string(std::string_view& text, bool& usable) {
    json_string raw;
    if (!in_.string(raw))
      return false;
    text = raw.text;
    if (raw.escaped)
      usable = unescape(text);
    return true;
  }

  bool integer(std::int64_t& n, bool& whole) noexcept {
    std::string_view text;
    if (!in_.number(text))
      return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    whole = error == std::errc{} && end == text.data() + text.size();
    return true;
  }

  bool value(std::string_view& raw) noexcept { return in_.value(raw); }
  bool open_object(counter&) noexcept { return in_.expect('{'); }
  bool open_array(counter&) noexcept { return in_.expect('['); }

  bool next_key(counter& c, std::string_view& key, bool& more) {
    if (!next(c, '}', more))
      return false;
    bool usable = true;
    return !more || (string(key, usable) && in_.expect(':'));
  }

  bool next_item(counter& c, bool& more) noexcept { return next(c, ']', more); }

  const char* at() const noexcept { return in_.at(); }
  bool end() noexcept { return in_.end(); }

  failure fault() const {
    if (in_.fault() == scan_fault::too_deep)
      return {error_code::bad_message, "payload is nested more than 128 deep", std::nullopt};
    std::string text = "not valid JSON: ";
    text.append(describe(in_.fault())).append(" at byte ").append(std::to_string(in_.offset()));
    return {error_code::bad_message, std::move(text), std::nullopt};
  }

private:
  bool next(counter& c, char close, bool& more) noexcept {
    more = !in_.take(close);
    if (more && !c.first && !in_.expect(','))
      return false;
    c.first = false;
    return true;
  }

  bool unescape(std::string_view& text) {
    // Room for all of the frame, once: views into the scratch must not move, and no escape is shorter than
    // what it says.
    if (scratch_.capacity() < text_bytes_)
      scratch_.reserve(text_bytes_);
    const auto start = scratch_.size();
    const bool whole = append_unescaped(scratch_, text);
    text = std::string_view{scratch_}.substr(start);
    return whole;
  }

  scanner in_;
  std::string& scratch_;
  std::size_t text_bytes_;
};

/// Writes into room that is known to suffice.
class pen {
public:
  explicit pen(char* p) noexcept
      : p_{p} {}
  void text(std::string_view t) noexcept { p_ = std::copy(t.begin(), t.end(), p_); }
  template <std::size_t N>
  void literal(const char (&t)[N]) noexcept {
    std::memcpy(p_, t, N - 1);
    p_ += N - 1;
  }
  void string(std::string_view t) noexcept {
    if (plain_run_fast(t.data(), t.data() + t.size()) != t.data() + t.size()) {
      p_ = put_json_string(p_, t);
      return;
    }
    *p_++ = '"';
    text(t);
    *p_++ = '"';
  }
  template <class Integer>
  void number(Integer n) noexcept {
    p_ = std::to_chars(p_, p_ + 20, n).ptr;
  }
  char* at() const noexcept { return p_; }

private:
  char* p_;
};

std::size_t string_bytes_max(std::string_view t) noexcept {
  const char* end = t.data() + t.size();
  return plain_run_fast(t.data(), end) == end ? t.size() + 2 : 6 * t.size() + 2;
}

/// At most this many bytes are field names, punctuation and numbers.
constexpr std::size_t fixed_bytes_max = 256;

std::size_t bytes_max(const message_fields& f, const message& m, const stamp& at, std::string_view payload,
                      std::string_view headers) noexcept {
  std::size_t bytes = fixed_bytes_max + payload.size() + headers.size() + at.epoch.size();
  bytes += string_bytes_max(f.type) + string_bytes_max(f.id) + string_bytes_max(f.target_name);
  if (!f.traceparent.empty())
    bytes += string_bytes_max(f.traceparent);
  for (const auto user : f.users)
    bytes += string_bytes_max(user) + 1;
  if (m.from() != nullptr)
    bytes += m.from()->json.size();
  return bytes;
}

void put_target(pen& out, const message_fields& f) noexcept {
  switch (f.target) {
  case target_kind::none:
    return;
  case target_kind::room:
    out.literal(",\"room\":");
    return out.string(f.target_name);
  case target_kind::channel:
    out.literal(",\"channel\":");
    return out.string(f.target_name);
  case target_kind::user:
    out.literal(",\"to\":{\"user\":");
    out.string(f.target_name);
    return out.literal("}");
  case target_kind::connection:
    out.literal(",\"to\":{\"connection\":");
    out.string(f.target_name);
    return out.literal("}");
  case target_kind::users:
    out.literal(",\"to\":{\"users\":[");
    for (std::size_t i = 0; i < f.users.size(); ++i) {
      if (i != 0)
        out.literal(",");
      out.string(f.users[i]);
    }
    return out.literal("]}");
  }
}

char* put_envelope(pen out, const message& m, const stamp& at, std::string_view payload,
                   std::string_view headers) noexcept {
  const auto& f = m.fields();
  out.literal("{\"type\":");
  out.string(f.type);
  if (!f.id.empty()) {
    out.literal(",\"id\":");
    out.string(f.id);
  }
  put_target(out, f);
  out.literal(",\"payload\":");
  out.text(payload);
  if (!headers.empty()) {
    out.literal(",\"headers\":");
    out.text(headers);
  }
  if (!f.traceparent.empty()) {
    out.literal(",\"traceparent\":");
    out.string(f.traceparent);
  }
  if (m.from() != nullptr) {
    out.literal(",");
    out.text(m.from()->json);
  }
  if (m.ts() != 0) {
    out.literal(",\"ts\":");
    out.number(m.ts());
  }
  if (at.seq != 0) {
    const bool room = f.target == target_kind::room || f.target == target_kind::none;
    out.text(room ? std::string_view{",\"seq\":"} : std::string_view{",\"offset\":"});
    out.number(at.seq);
    out.literal(",\"epoch\":\"");
    out.text(at.epoch);
    out.literal("\"");
  }
  out.literal("}");
  return out.at();
}

} // namespace

std::optional<decode_failure> decode_json(std::string_view frame, message_fields& out, std::string& scratch) {
  json_reader reader{frame, scratch};
  auto failed = envelope_decoder<json_reader>{reader, out}.run();
  if (failed)
    failed->not_utf8 = !is_utf8(frame);
  return failed;
}

bool decode_json_privacy(std::string_view object, message_fields& out, std::string& scratch) {
  json_reader reader{object, scratch};
  return privacy_decoder<json_reader>{reader, out}.run_alone();
}

void encode_json(std::string& out, const message& m, const stamp& at) {
  const auto& f = m.fields();
  std::string_view payload = f.payload, headers = f.headers;
  std::string foreign_payload, foreign_headers;
  if (f.format != encoding::json) {
    to_json_text(foreign_payload, {payload, f.format});
    payload = foreign_payload;
    if (!headers.empty()) {
      to_json_text(foreign_headers, {headers, f.format});
      headers = foreign_headers;
    }
  }
  const auto start = out.size();
  out.resize(start + bytes_max(f, m, at, payload, headers));
  const char* end = put_envelope(pen{out.data() + start}, m, at, payload, headers);
  out.resize(static_cast<std::size_t>(end - out.data()));
}

} // namespace troupe::wire
