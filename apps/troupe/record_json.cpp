#include "apps/troupe/record_json.hpp"

#include "apps/troupe/moment.hpp"
#include "runtime/log/base64.hpp"
#include "runtime/model/utf8.hpp"
#include "runtime/wire/parse.hpp"
#include "runtime/wire/scanner.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace troupe::cli {
namespace {

using log::record_view;

encoding format_of(const record_view& what) noexcept {
  return what.format.value_or(0) == static_cast<std::uint64_t>(encoding::msgpack) ? encoding::msgpack : encoding::json;
}

bool is_json(std::string_view text) noexcept {
  wire::scanner in{text};
  std::string_view span;
  return in.value(span) && in.end();
}

/// Braces would make an array of it.
value splice(std::string json) { return value(value::raw{std::move(json), encoding::json}); }

/// Strings of CloudEvents have no control characters.
bool is_attribute(std::string_view text) noexcept {
  return is_utf8(text) && std::none_of(text.begin(), text.end(),
                                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

/// Attributes of CloudEvents have names of lower-case letters and digits, and some are taken.
std::string attribute_name(std::string_view field) {
  if (field == "id" || field == "type")
    return "message" + std::string{field};
  if (field == "subject")
    return "privacysubject";
  std::string out{field};
  std::erase(out, '_');
  return out;
}

void set_text(value& out, std::string_view name, const record_view& what, std::string_view record_view::*field) {
  const auto text = what.*field;
  if (text.empty())
    return;
  if (is_value(field)) {
    if (auto json = json_of(what, field)) {
      out.set(name, splice(*std::move(json)));
      return;
    }
  } else if (is_utf8(text)) {
    out.set(name, text);
    return;
  }
  out.set(std::string{name} + "_base64", log::base64(text));
}

} // namespace

std::string on_one_line(std::string text) {
  for (auto& c : text)
    if (c == '\n' || c == '\r')
      c = ' ';
  return text;
}

bool is_value(std::string_view record_view::*field) noexcept {
  return field == &record_view::payload || field == &record_view::headers || field == &record_view::privacy;
}

std::optional<std::string> json_of(const record_view& what, std::string_view record_view::*field) {
  const auto text = what.*field;
  if (text.empty() || (field == &record_view::payload && !what.key_id.empty()))
    return {};
  if (format_of(what) == encoding::json)
    return is_json(text) ? std::optional{on_one_line(std::string{text})} : std::nullopt;
  const auto parsed = wire::parse({text, encoding::msgpack});
  return parsed ? std::optional{to_json(*parsed)} : std::nullopt;
}

value json_record(const log::entry& one, std::string_view log_name) {
  auto out = value::object();
  if (!log_name.empty())
    out.set("class", log_name);
  out.set("index", one.index);
  if (auto time = rfc3339(one.what.time_us))
    out.set("time", *std::move(time));
  else
    out.set("time_us", one.what.time_us);
  out.set("kind", log::to_string(one.what.kind));
  for (const auto& field : log::text_fields)
    set_text(out, field.name, one.what, field.member);
  for (const auto& field : log::number_fields)
    if (const auto& number = one.what.*field.member)
      out.set(field.name, *number);
  if (!one.what.key_id.empty())
    out.set(one.what.payload.empty() ? "forgotten" : "encrypted", true);
  return out;
}

value cloud_event(const log::entry& one, std::string_view origin) {
  const auto& what = one.what;
  auto out = value::object();
  out.set("specversion", "1.0");
  out.set("id", std::to_string(one.index));
  out.set("source", "/troupe/" + std::string{origin});
  out.set("type", "troupe." + log::to_string(what.kind));
  if (!what.channel.empty() && is_attribute(what.channel))
    out.set("subject", "channel/" + std::string{what.channel});
  else if (!what.room.empty() && is_attribute(what.room))
    out.set("subject", "room/" + std::string{what.room});
  if (auto time = rfc3339(what.time_us))
    out.set("time", *std::move(time));
  std::array<char, 21> sequence{}; // CloudEvents' extension: strings that sort as the records do
  std::snprintf(sequence.data(), sequence.size(), "%020llu", static_cast<unsigned long long>(one.index));
  out.set("sequence", sequence.data());
  for (const auto& field : log::text_fields) {
    const auto text = what.*field.member;
    if (text.empty() || field.member == &record_view::payload)
      continue;
    if (auto json = is_value(field.member) ? json_of(what, field.member) : std::nullopt)
      out.set(attribute_name(field.name), *std::move(json));
    else if (!is_value(field.member) && is_attribute(text))
      out.set(attribute_name(field.name), text);
    else
      out.set(attribute_name(field.name) + "base64", log::base64(text));
  }
  // Their integers have 32 bits.
  for (const auto& field : log::number_fields)
    if (const auto& number = what.*field.member)
      out.set(attribute_name(field.name), std::to_string(*number));
  if (!what.key_id.empty())
    out.set(what.payload.empty() ? "forgotten" : "encrypted", true);
  if (what.payload.empty())
    return out;
  if (auto data = json_of(what, &record_view::payload)) {
    out.set("datacontenttype", "application/json");
    out.set("data", splice(*std::move(data)));
  } else {
    out.set("datacontenttype", "application/octet-stream");
    out.set("data_base64", log::base64(what.payload));
  }
  return out;
}

} // namespace troupe::cli
