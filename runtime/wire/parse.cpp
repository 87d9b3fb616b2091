#include "runtime/wire/parse.hpp"

#include "runtime/wire/msgpack_text.hpp"
#include "runtime/wire/scanner.hpp"
#include "runtime/wire/transcode.hpp"

#include <charconv>
#include <type_traits>

namespace troupe::wire {

namespace {

bool refuse(std::string* why, std::string_view reason) {
  if (why != nullptr)
    *why = reason;
  return false;
}

value number_from(std::string_view text) {
  const char* end = text.data() + text.size();
  const auto all = [end](std::from_chars_result r) { return r.ec == std::errc{} && r.ptr == end; };
  std::int64_t integer = 0;
  if (text != "-0" && all(std::from_chars(text.data(), end, integer)))
    return integer;
  std::uint64_t unsigned_integer = 0;
  if (text.front() != '-' && all(std::from_chars(text.data(), end, unsigned_integer)))
    return unsigned_integer;
  return value::number{std::string{text}};
}

/// Builds a value from JSON that was validated, depth included.
class json_builder {
public:
  explicit json_builder(std::string_view text) noexcept
      : in_{text} {}

  bool build(value& out, std::string* why) {
    std::string_view span;
    switch (in_.peek()) {
    case '{':
      return object(out, why);
    case '[':
      return array(out, why);
    case '"': {
      std::string text;
      if (!string(text, why))
        return false;
      out = std::move(text);
      return true;
    }
    case 't':
    case 'f':
      in_.value(span);
      out = span == "true";
      return true;
    case 'n':
      in_.value(span);
      out = nullptr;
      return true;
    default:
      in_.number(span);
      out = number_from(span);
      return true;
    }
  }

private:
  bool string(std::string& out, std::string* why) {
    json_string text;
    in_.string(text);
    if (!text.escaped)
      out = text.text;
    else if (!append_unescaped(out, text.text))
      return refuse(why, "a string has a lone surrogate");
    return true;
  }

  bool object(value& out, std::string* why) {
    value::object_type members;
    in_.take('{');
    while (!in_.take('}')) {
      if (!members.empty())
        in_.take(',');
      auto& [key, member] = members.emplace_back();
      if (!string(key, why))
        return false;
      in_.take(':');
      if (!build(member, why))
        return false;
    }
    out = value(std::move(members));
    return true;
  }

  bool array(value& out, std::string* why) {
    value::array_type elements;
    in_.take('[');
    while (!in_.take(']')) {
      if (!elements.empty())
        in_.take(',');
      if (!build(elements.emplace_back(), why))
        return false;
    }
    out = value(std::move(elements));
    return true;
  }

  scanner in_;
};

/// Builds a value from MessagePack that was validated, depth included.
value msgpack_value(msgpack_scanner& in) {
  msgpack_token token;
  in.next(token);
  switch (token.type) {
  case msgpack_type::nil:
    return {};
  case msgpack_type::boolean:
    return token.boolean;
  case msgpack_type::integer:
    return token.integer;
  case msgpack_type::unsigned_integer:
    return token.unsigned_integer;
  case msgpack_type::real:
    return token.real;
  case msgpack_type::string:
    return token.text;
  case msgpack_type::binary: {
    std::string text;
    append_base64(text, token.text);
    return value::object({{"$binary", std::move(text)}});
  }
  case msgpack_type::digits:
    return number_from(token.text);
  case msgpack_type::array: {
    value::array_type elements;
    for (std::uint32_t i = 0; i < token.count; ++i)
      elements.push_back(msgpack_value(in));
    return value(std::move(elements));
  }
  case msgpack_type::map: {
    value::object_type members;
    for (std::uint32_t i = 0; i < token.count; ++i) {
      std::string_view key;
      in.key(key);
      members.emplace_back(std::string{key}, msgpack_value(in));
    }
    return value(std::move(members));
  }
  }
  return {};
}

} // namespace

std::optional<value> parse(raw_payload payload, std::string* why) {
  std::string_view ignored;
  if (payload.format == encoding::msgpack) {
    msgpack_scanner check{payload.text};
    if (!check.value(ignored) || !check.end())
      return refuse(why, describe(check.fault())), std::nullopt;
    msgpack_scanner in{payload.text};
    return msgpack_value(in);
  }
  scanner check{payload.text};
  if (!check.value(ignored) || !check.end())
    return refuse(why, describe(check.fault())), std::nullopt;
  value result;
  if (!json_builder{payload.text}.build(result, why))
    return std::nullopt;
  return result;
}

namespace {

/// Headers without escapes, which are nearly all: keys and texts stand there as they are.
std::optional<std::string> plain_header(std::string_view headers, std::string_view name) {
  scanner in{headers};
  std::optional<std::string> found;
  json_string key;
  json_string text;
  for (bool more = in.take('{'); more && in.string(key) && in.take(':') && in.string(text); more = in.take(','))
    if (key.text == name)
      found = text.text;
  return found;
}

} // namespace

std::optional<std::string> header(const message& m, std::string_view name) {
  const auto& f = m.fields();
  if (f.headers.empty())
    return std::nullopt;
  if (f.format == encoding::json && f.headers.find('\\') == std::string_view::npos)
    return plain_header(f.headers, name);
  const auto all = parse({f.headers, f.format});
  const auto* found = all ? all->find(name) : nullptr;
  const auto text = found != nullptr ? found->as_string() : std::nullopt;
  return text ? std::optional<std::string>{*text} : std::nullopt;
}

void write_json(std::string& out, const value& v) { to_json(out, v, &to_json_text); }

void write_msgpack(std::string& out, const value& v) {
  const auto write = [&out](const auto& x) {
    using type = std::decay_t<decltype(x)>;
    if constexpr (std::is_same_v<type, std::monostate>) {
      append_msgpack_nil(out);
    } else if constexpr (std::is_same_v<type, bool>) {
      append_msgpack_bool(out, x);
    } else if constexpr (std::is_same_v<type, std::int64_t>) {
      append_msgpack_int(out, x);
    } else if constexpr (std::is_same_v<type, std::uint64_t>) {
      append_msgpack_uint(out, x);
    } else if constexpr (std::is_same_v<type, double>) {
      append_msgpack_double(out, x);
    } else if constexpr (std::is_same_v<type, std::string>) {
      append_msgpack_string(out, x);
    } else if constexpr (std::is_same_v<type, value::number>) {
      append_msgpack_number(out, x.text);
    } else if constexpr (std::is_same_v<type, value::array_type>) {
      append_msgpack_array(out, x.size());
      for (const auto& element : x)
        write_msgpack(out, element);
    } else if constexpr (std::is_same_v<type, value::object_type>) {
      append_msgpack_map(out, x.size());
      for (const auto& [key, member] : x) {
        append_msgpack_string(out, key);
        write_msgpack(out, member);
      }
    } else {
      to_msgpack_text(out, {x.text, x.format});
    }
  };
  std::visit(write, v.data());
}

} // namespace troupe::wire
