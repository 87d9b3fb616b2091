#include "runtime/wire/transcode.hpp"

#include "runtime/model/json_text.hpp"
#include "runtime/wire/msgpack_text.hpp"
#include "runtime/wire/scanner.hpp"

#include <array>
#include <cstdint>

namespace troupe::wire {

namespace {

constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view binary_key = "$binary";

constexpr std::array<std::int8_t, 256> base64_digits() {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < base64_alphabet.size(); ++i)
    table[static_cast<unsigned char>(base64_alphabet[i])] = static_cast<std::int8_t>(i);
  return table;
}

constexpr auto digit_of = base64_digits();

void json_from_msgpack(std::string& out, msgpack_scanner& in) {
  msgpack_token token;
  if (!in.next(token)) {
    out += "null";
    return;
  }
  switch (token.type) {
  case msgpack_type::nil:
    out += "null";
    return;
  case msgpack_type::boolean:
    out += token.boolean ? "true" : "false";
    return;
  case msgpack_type::integer:
    return append_json_number(out, token.integer);
  case msgpack_type::unsigned_integer:
    return append_json_number(out, token.unsigned_integer);
  case msgpack_type::real:
    return append_json_number(out, token.real);
  case msgpack_type::string:
    return append_json_string(out, token.text);
  case msgpack_type::binary:
    out += "{\"$binary\":\"";
    append_base64(out, token.text);
    out += "\"}";
    return;
  case msgpack_type::digits:
    out += token.text;
    return;
  case msgpack_type::array:
  case msgpack_type::map:
    break;
  }
  const bool map = token.type == msgpack_type::map;
  out.push_back(map ? '{' : '[');
  for (std::uint32_t i = 0; i < token.count && in.fault() == msgpack_fault::none; ++i) {
    if (i != 0)
      out.push_back(',');
    std::string_view key;
    if (map && in.key(key)) {
      append_json_string(out, key);
      out.push_back(':');
    }
    json_from_msgpack(out, in);
  }
  out.push_back(map ? '}' : ']');
}

class to_msgpack_writer {
public:
  explicit to_msgpack_writer(std::string_view json) noexcept
      : in_{json} {}

  void value(std::string& out) {
    std::string_view span;
    switch (in_.peek()) {
    case '{':
      return container(out, true);
    case '[':
      return container(out, false);
    case '"':
      return string(out);
    case 't':
    case 'f':
      in_.value(span);
      return append_msgpack_bool(out, span == "true");
    case 'n':
      in_.value(span);
      return append_msgpack_nil(out);
    default:
      if (in_.number(span))
        return append_msgpack_number(out, span);
      append_msgpack_nil(out);
    }
  }

private:
  void string(std::string& out) {
    json_string text;
    if (!in_.string(text))
      return append_msgpack_nil(out);
    if (!text.escaped)
      return append_msgpack_string(out, text.text);
    std::string decoded;
    append_unescaped(decoded, text.text);
    append_msgpack_string(out, decoded);
  }

  void container(std::string& out, bool object) {
    if (object && binary(out))
      return;
    const auto at = out.size();
    out.push_back('\0');
    std::size_t count = 0;
    in_.take(object ? '{' : '[');
    while (in_.fault() == scan_fault::none && !in_.take(object ? '}' : ']')) {
      if (count++ != 0)
        in_.expect(',');
      if (object) {
        string(out);
        in_.expect(':');
      }
      value(out);
    }
    finish_msgpack_container(out, at, count, object);
  }

  /// Passes `{"$binary": base64}`, if that comes.
  bool binary(std::string& out) {
    scanner ahead = in_;
    json_string key, text;
    ahead.take('{');
    if (ahead.peek() != '"' || !ahead.string(key) || key.text != binary_key || !ahead.take(':') ||
        ahead.peek() != '"' || !ahead.string(text) || text.escaped || !ahead.take('}'))
      return false;
    std::string bytes;
    if (!append_from_base64(bytes, text.text))
      return false;
    append_msgpack_binary(out, bytes);
    in_ = ahead;
    return true;
  }

  scanner in_;
};

} // namespace

void to_json_text(std::string& out, raw_payload from) {
  if (from.format == encoding::json) {
    out += from.text;
    return;
  }
  msgpack_scanner in{from.text};
  json_from_msgpack(out, in);
}

void to_msgpack_text(std::string& out, raw_payload from) {
  if (from.format == encoding::msgpack)
    out += from.text;
  else
    to_msgpack_writer{from.text}.value(out);
}

void append_base64(std::string& out, std::string_view bytes) {
  const auto at = [bytes](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])); };
  const auto put = [&out](std::uint32_t six_bits) { out.push_back(base64_alphabet[six_bits & 63]); };
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const auto group = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    put(group >> 18);
    put(group >> 12);
    put(group >> 6);
    put(group);
  }
  const auto left = bytes.size() - i;
  if (left == 0)
    return;
  const auto group = at(i) << 16 | (left == 2 ? at(i + 1) << 8 : 0);
  put(group >> 18);
  put(group >> 12);
  if (left == 2)
    put(group >> 6);
  out.append(3 - left, '=');
}

bool append_from_base64(std::string& out, std::string_view text) {
  if (text.size() % 4 != 0)
    return false;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  text.remove_suffix(padding);
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    const auto digit = digit_of[static_cast<unsigned char>(c)];
    if (digit < 0)
      return false;
    bits = (bits << 6 | static_cast<std::uint32_t>(digit)) & 0xFFFF;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out.push_back(static_cast<char>(bits >> held));
    }
  }
  return (bits & ((1u << held) - 1)) == 0;
}

} // namespace troupe::wire
