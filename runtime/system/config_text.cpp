#include "runtime/system/config_keys.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fmt/format.h>
#include <iterator>

namespace troupe::settings {

namespace {

struct scale {
  std::string_view suffix;
  std::int64_t factor;
};
constexpr std::int64_t second = 1000;
constexpr std::int64_t kib = 1024;
constexpr scale durations[] = {
    {"d", 24 * 3600 * second}, {"h", 3600 * second}, {"m", 60 * second}, {"s", second}, {"ms", 1}};
constexpr scale sizes[] = {
    {"TiB", kib* kib* kib* kib}, {"GiB", kib* kib* kib}, {"MiB", kib* kib}, {"KiB", kib}, {"B", 1}};

/// A whole number and one of the suffixes.
template <std::size_t N>
std::optional<std::int64_t> parse_scaled(std::string_view text, const scale (&scales)[N]) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number < 0)
    return {};
  const std::string_view suffix{end, static_cast<std::size_t>(text.data() + text.size() - end)};
  for (const auto& s : scales) {
    std::int64_t product = 0;
    if (s.suffix == suffix && !__builtin_mul_overflow(number, s.factor, &product))
      return product;
  }
  return {};
}

template <std::size_t N>
std::string format_scaled(std::int64_t value, const scale (&scales)[N]) {
  for (const auto& s : scales)
    if (value != 0 && value % s.factor == 0)
      return fmt::format("{}{}", value / s.factor, s.suffix);
  return fmt::format("0{}", scales[N - 1].suffix == "B" ? "B" : "s");
}

} // namespace

std::optional<std::int64_t> parse_duration(std::string_view text) { return parse_scaled(text, durations); }
std::string format_duration(std::int64_t ms) { return format_scaled(ms, durations); }

std::optional<std::int64_t> parse_size(std::string_view text) { return parse_scaled(text, sizes); }
std::string format_size(std::int64_t bytes) { return format_scaled(bytes, sizes); }

std::optional<rate> parse_rate(std::string_view text) {
  if (text == "off")
    return rate{};
  const auto slash = text.find('/');
  if (slash == std::string_view::npos)
    return {};
  rate r;
  const auto [end, error] = std::from_chars(text.data(), text.data() + slash, r.count);
  if (error != std::errc{} || end != text.data() + slash || r.count == 0)
    return {};
  std::string span{text.substr(slash + 1)};
  if (!span.empty() && !std::isdigit(static_cast<unsigned char>(span.front())))
    span.insert(0, "1");
  const auto per = parse_duration(span);
  if (!per || *per == 0)
    return {};
  r.per = milliseconds{*per};
  return r;
}

std::string format_rate(const rate& r) {
  if (!r.limited())
    return "off";
  const auto span = format_duration(r.per.count());
  const bool single = span.front() == '1' && !std::isdigit(static_cast<unsigned char>(span[1]));
  return fmt::format("{}/{}", r.count, single ? span.substr(1) : span);
}

namespace {

template <class Enum, std::size_t N>
void set_by_place(Enum& place, const std::string_view (&names)[N], std::string_view name) noexcept {
  if (const auto found = std::find(std::begin(names), std::end(names), name); found != std::end(names))
    place = static_cast<Enum>(found - std::begin(names));
}

} // namespace

std::string_view name_of(overflow value) noexcept { return to_string(value); }
std::string_view name_of(audit_level value) noexcept { return audit_levels[static_cast<std::size_t>(value)]; }
std::string_view name_of(fsync_policy value) noexcept { return fsync_policies[static_cast<std::size_t>(value)]; }

void set_named(overflow& place, std::string_view name) noexcept {
  for (const auto o : overflows)
    if (to_string(o) == name)
      place = o;
}
void set_named(audit_level& place, std::string_view name) noexcept { set_by_place(place, audit_levels, name); }
void set_named(fsync_policy& place, std::string_view name) noexcept { set_by_place(place, fsync_policies, name); }

namespace {

template <name_pattern Pattern>
std::string print_pattern(const Pattern& p) {
  std::string out = "{ name = " + quoted(p.name);
  for (const auto& o : all_overrides<Pattern>()) {
    config scratch;
    if (o.give(p, scratch))
      out += fmt::format(", {} = {}", last_part(o.name), print_value(*find_key(o.name), scratch));
  }
  return out + " }";
}

struct printer {
  const key& k;

  std::string operator()(const bool* v) const { return *v ? "true" : "false"; }
  std::string operator()(const std::size_t* v) const {
    return k.measure == unit::bytes ? quoted(format_size(static_cast<std::int64_t>(*v))) : std::to_string(*v);
  }
  std::string operator()(const milliseconds* v) const { return quoted(format_duration(v->count())); }
  std::string operator()(const rate* v) const { return quoted(format_rate(*v)); }
  std::string operator()(const std::string* v) const { return quoted(*v); }
  template <named_value T>
  std::string operator()(const T* v) const {
    return quoted(name_of(*v));
  }
  std::string operator()(const strings* v) const {
    strings items;
    std::transform(v->begin(), v->end(), std::back_inserter(items), quoted);
    return fmt::format("[{}]", fmt::join(items, ", "));
  }
  std::string operator()(const capability_list* v) const {
    strings items;
    for (const auto& [pattern, rights] : *v)
      items.push_back(quoted(pattern) + " = " + quoted(rights));
    return items.empty() ? "{}" : fmt::format("{{ {} }}", fmt::join(items, ", "));
  }
  template <name_pattern Pattern>
  std::string operator()(const std::vector<Pattern>* v) const {
    std::string out = "[";
    for (const auto& p : *v)
      out += "\n  " + print_pattern(p) + ",";
    return v->empty() ? "[]" : out + "\n]";
  }
};

std::string print_default(const key& k) {
  config defaults;
  return print_value(k, defaults);
}

/// "from 1 to 64", or empty where a key has no bounds.
std::string print_bounds(const key& k) {
  config scratch;
  const auto place = k.at(scratch);
  if (std::holds_alternative<milliseconds*>(place))
    return fmt::format("{} to {}", format_duration(k.low), format_duration(k.high));
  if (!std::holds_alternative<std::size_t*>(place))
    return {};
  if (k.measure == unit::bytes)
    return fmt::format("{} to {}", format_size(k.low), format_size(k.high));
  return fmt::format("{} to {}", k.low, k.high);
}

} // namespace

std::string print_value(const key& k, config& from) { return std::visit(printer{k}, k.at(from)); }

} // namespace troupe::settings

namespace troupe {

using namespace settings;

std::string print_config_toml(const config& settings) {
  config copy = settings;
  std::string out = "# Settings of trouped: every key with its value.\n";
  std::string section;
  for (const auto& k : all_keys()) {
    const auto dot = k.name.find('.');
    const auto part = dot == std::string_view::npos ? std::string{} : std::string{k.name.substr(0, dot)};
    if (part != section)
      out += fmt::format("\n[{}]\n", part);
    section = part;
    const auto bounds = print_bounds(k);
    out += fmt::format("\n# {}\n# Default: {}.{}{}\n{} = {}\n", k.meaning, print_default(k),
                       bounds.empty() ? "" : " From " + bounds + ".", k.reloads ? " A reload applies it." : "",
                       last_part(k.name), print_value(k, copy));
  }
  return out;
}

std::string print_config_markdown() {
  std::string out =
      "# Configuration\n\n"
      "<!-- Generated by `trouped --print-config --format markdown`; a test compares. Do not edit. -->\n\n"
      "`trouped` takes its settings, later ones winning, from: the defaults below; the TOML file that `--config` "
      "names; environment variables (`websocket.heartbeat` is `TROUPE_WEBSOCKET_HEARTBEAT`); `--set key=value` and "
      "the flags `--listen` and `--data`. A key that does not exist and a value that does not fit are errors that "
      "name their line, variable or flag. `--check-config` only checks, also the keys and certificates that "
      "they name, and opens no port and no folder; `--print-config` prints every key with its value as a file that "
      "can be read back.\n\n"
      "Durations are written `\"100ms\"`, `\"25s\"`, `\"5m\"`, `\"1h\"`, `\"7d\"`; sizes `\"64KiB\"`, `\"1MiB\"`; "
      "rates `\"1000/15m\"`, `\"10000/s\"` or `\"off\"`. In variables and flags texts need no quotes, lists "
      "are separated by commas and tables are `name=value` pairs separated by commas; all may also be written as in "
      "TOML.\n\n"
      "On SIGHUP the keys marked \"reload\" apply at once, and the files that `tls.certificate`, `tls.key` and "
      "`auth.keys` name are read again; the rest needs a restart, and the log says so.\n";
  std::string section = "-";
  for (const auto& k : all_keys()) {
    const auto dot = k.name.find('.');
    const auto part = dot == std::string_view::npos ? std::string{} : std::string{k.name.substr(0, dot)};
    if (part != section)
      out += fmt::format("\n## {}\n\n| key | default | bounds | applies | meaning |\n| --- | --- | --- | --- | --- |\n",
                         part.empty() ? "The node" : part);
    section = part;
    out += fmt::format("| `{}` | `{}` | {} | {} | {} |\n", k.name, print_default(k), print_bounds(k),
                       k.reloads ? "reload" : "restart", k.meaning);
  }
  return out;
}

config_changes compare_config(const config& before, const config& after) {
  config a = before;
  config b = after;
  config_changes out;
  for (const auto& k : all_keys())
    if (print_value(k, a) != print_value(k, b))
      (k.reloads ? out.reloadable : out.restart).emplace_back(k.name);
  return out;
}

config merge_reload(const config& before, const config& after) {
  config out = before;
  config from = after;
  for (const auto& k : all_keys())
    if (k.reloads)
      std::visit([&](auto* place) { *place = *std::get<decltype(place)>(k.at(from)); }, k.at(out));
  return out;
}

} // namespace troupe
