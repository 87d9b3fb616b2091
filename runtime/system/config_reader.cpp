// The only file that sees toml++: reading the configuration from its sources.

#include "runtime/model/caps.hpp"
#include "runtime/model/edit_distance.hpp"
#include "runtime/system/config_keys.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <iterator>

// toml++ 3.3 asserts, or in release tells the compiler to assume, that "[}" cannot come; without that it is a plain
// syntax error, as it should be.
#undef NDEBUG
#define TOML_ASSERT(expr) static_assert(true)
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace troupe {

namespace {

using namespace settings;

// --- Values from any source ----------------------------------------------------------------------------------------

complaint check_capability(std::string_view pattern, std::string_view rights) {
  const capability_list one{{std::string{pattern}, std::string{rights}}};
  const auto parsed = caps::parse(one);
  if (const auto* wrong = std::get_if<failure>(&parsed))
    return fmt::format("\"{}\" with \"{}\": {}", pattern, rights, wrong->message);
  return {};
}

/// Reads one value into its place: from a node of TOML, or from the text of a variable or flag.
class reader {
public:
  reader(const key& k, config& into)
      : key_(k)
      , into_(into) {}

  /// The line that the complaint is about, where it is another than that of the key; else 0.
  toml::source_index line() const noexcept { return line_; }

  complaint from_node(const toml::node& node) {
    return std::visit([&](auto* place) { return take(*place, node); }, key_.at(into_));
  }

  /// Texts may stand in quotes, as in TOML; lists and tables may be written with commas, or as TOML.
  complaint from_text(std::string_view text) {
    const auto place = key_.at(into_);
    const bool list = std::holds_alternative<strings*>(place);
    const bool caps_table = std::holds_alternative<capability_list*>(place);
    const bool as_toml = std::holds_alternative<bool*>(place) ||
                         std::holds_alternative<std::vector<room_pattern>*>(place) ||
                         std::holds_alternative<std::vector<channel_pattern>*>(place) ||
                         (std::holds_alternative<std::size_t*>(place) && is_number(text)) ||
                         ((list || caps_table) && !text.empty() && (text.front() == '[' || text.front() == '{'));
    if (as_toml)
      if (const auto parsed = parse(text); parsed.size() == 1)
        return from_node(*parsed.get("value"));
    if (!text.empty() && (text.front() == '"' || text.front() == '\'')) {
      // The line break keeps a comment from hiding the bracket.
      const auto toml = caps_table ? fmt::format("{{{}}}", text)
                        : list     ? fmt::format("[{}\n]", text)
                                   : std::string{text};
      const auto parsed = parse(toml);
      return parsed.size() == 1 ? from_node(*parsed.get("value"))
                                : fmt::format("{} begins with a quote and cannot be read as TOML", quoted(text));
    }
    // An IPv6 address also begins with a bracket.
    const auto parsed = parse(list || caps_table ? split(text, caps_table) : quoted(text));
    if (parsed.size() != 1)
      return fmt::format("{} is not {}", quoted(text), wanted());
    return from_node(*parsed.get("value"));
  }

private:
  /// A table with `value` alone, or something else where the text is no value of TOML.
  static toml::table parse(std::string_view text) {
    auto parsed = toml::parse(fmt::format("value = {}\n", text));
    return parsed && parsed.table().contains("value") ? std::move(parsed).table() : toml::table{};
  }

  static bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  }

  /// "a,b" as ["a","b"], or "a=x,b=y" as {"a"="x","b"="y"}.
  static std::string split(std::string_view text, bool pairs) {
    std::string out;
    while (!text.empty()) {
      const auto item = text.substr(0, text.find(','));
      text.remove_prefix(std::min(text.size(), item.size() + 1));
      const auto equals = pairs ? item.rfind('=') : std::string_view::npos;
      if (!out.empty())
        out += ", ";
      out += quoted(item.substr(0, equals));
      if (pairs)
        out += " = " + quoted(equals == std::string_view::npos ? "?" : item.substr(equals + 1));
    }
    return pairs ? "{" + out + "}" : "[" + out + "]";
  }

  std::string_view wanted() const {
    static constexpr std::string_view names[] = {"true or false",
                                                 "a whole number",
                                                 R"(a duration such as "25s", "100ms", "5m", "1h" or "7d")",
                                                 R"(a rate such as "1000/15m", "10000/s" or "off")",
                                                 "a text",
                                                 "a list of texts",
                                                 R"(a table such as {"room:*" = "rwp"})",
                                                 "a list of tables",
                                                 "a list of tables",
                                                 "a text",
                                                 "a text",
                                                 "a text"};
    config scratch;
    return key_.measure == unit::bytes ? std::string_view{R"(a size such as "64KiB" or "1MiB")"}
                                       : names[key_.at(scratch).index()];
  }

  complaint wrong_type(const toml::node& node) const {
    if (const auto text = node.value<std::string>())
      return fmt::format("{} is not {}", quoted(*text), wanted());
    if (const auto number = node.value<std::int64_t>())
      return fmt::format("{} is not {}", *number, wanted());
    return fmt::format("is not {}", wanted());
  }

  complaint bounded(std::int64_t value, const std::string& low, const std::string& high) const {
    if (value < key_.low || value > key_.high)
      return fmt::format("must be from {} to {}", low, high);
    return {};
  }

  complaint take(bool& place, const toml::node& node) const {
    if (!node.is_boolean())
      return wrong_type(node);
    place = node.as_boolean()->get();
    return {};
  }

  complaint take(std::size_t& place, const toml::node& node) const {
    std::optional<std::int64_t> value;
    if (node.is_integer())
      value = node.as_integer()->get();
    else if (key_.measure == unit::bytes && node.is_string())
      value = parse_size(node.as_string()->get());
    if (!value)
      return wrong_type(node);
    const bool bytes = key_.measure == unit::bytes;
    if (auto wrong = bounded(*value, bytes ? format_size(key_.low) : std::to_string(key_.low),
                             bytes ? format_size(key_.high) : std::to_string(key_.high)))
      return wrong;
    place = static_cast<std::size_t>(*value);
    return {};
  }

  complaint take(milliseconds& place, const toml::node& node) const {
    const auto value = node.is_string() ? parse_duration(node.as_string()->get()) : std::nullopt;
    if (!value)
      return wrong_type(node);
    if (auto wrong = bounded(*value, format_duration(key_.low), format_duration(key_.high)))
      return wrong;
    place = milliseconds{*value};
    return {};
  }

  complaint take(rate& place, const toml::node& node) const {
    const auto value = node.is_string() ? parse_rate(node.as_string()->get()) : std::nullopt;
    if (!value)
      return wrong_type(node);
    place = *value;
    return {};
  }

  complaint take(std::string& place, const toml::node& node) const {
    if (!node.is_string())
      return wrong_type(node);
    auto value = node.as_string()->get();
    if (key_.check != nullptr)
      if (const auto wrong = key_.check(value))
        return fmt::format("{} {}", quoted(value), *wrong);
    place = std::move(value);
    return {};
  }

  template <named_value T>
  complaint take(T& place, const toml::node& node) const {
    std::string name;
    if (auto wrong = take(name, node))
      return wrong;
    set_named(place, name);
    return {};
  }

  complaint take(strings& place, const toml::node& node) const {
    strings values;
    if (node.is_string())
      values.push_back(node.as_string()->get());
    else if (const auto* list = node.as_array())
      for (const auto& item : *list) {
        if (!item.is_string())
          return fmt::format("is not {}", wanted());
        values.push_back(item.as_string()->get());
      }
    else
      return wrong_type(node);
    if (auto wrong = count_bounded(values.size()))
      return wrong;
    for (const auto& value : values)
      if (const auto wrong = key_.check != nullptr ? key_.check(value) : complaint{})
        return fmt::format("{} {}", quoted(value), *wrong);
    place = std::move(values);
    return {};
  }

  complaint count_bounded(std::size_t count) const {
    if (static_cast<std::int64_t>(count) < key_.low || static_cast<std::int64_t>(count) > key_.high)
      return fmt::format("must have from {} to {} entries", key_.low, key_.high);
    return {};
  }

  complaint take(capability_list& place, const toml::node& node) const {
    const auto* pairs = node.as_table();
    if (pairs == nullptr)
      return wrong_type(node);
    capability_list values;
    for (const auto& [pattern, rights] : *pairs) {
      if (!rights.is_string())
        return fmt::format("is not {}", wanted());
      values.emplace_back(pattern.str(), rights.as_string()->get());
      if (auto wrong = check_capability(values.back().first, values.back().second))
        return wrong;
    }
    if (auto wrong = count_bounded(values.size()))
      return wrong;
    place = std::move(values);
    return {};
  }

  template <name_pattern Pattern>
  complaint take(std::vector<Pattern>& place, const toml::node& node);
  template <name_pattern Pattern>
  complaint read_pattern(const toml::table& from, Pattern& into);

  const key& key_;
  config& into_;
  toml::source_index line_ = 0;
};

template <name_pattern Pattern>
complaint reader::read_pattern(const toml::table& from, Pattern& into) {
  const auto known = all_overrides<Pattern>();
  for (const auto& [name, value] : from) {
    if (name.str() == "name") {
      into.name = value.value_or(std::string{});
      continue;
    }
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const auto& o) { return last_part(o.name) == name.str(); });
    config scratch;
    complaint wrong;
    if (found == known.end()) {
      wrong = fmt::format("has no key \"{}\"; a pattern may set name", name.str());
      for (const auto& o : known)
        *wrong += ", " + last_part(o.name);
    } else if ((wrong = reader{*find_key(found->name), scratch}.from_node(value))) {
      wrong->insert(0, last_part(found->name) + ": ");
    }
    if (wrong) {
      line_ = name.source().begin.line;
      return wrong;
    }
    found->take(into, scratch);
  }
  const auto star = into.name.find('*');
  if (into.name.empty() || (star != std::string::npos && star + 1 != into.name.size()))
    return R"(needs a "name": a whole name, or a prefix followed by "*")";
  return {};
}

template <name_pattern Pattern>
complaint reader::take(std::vector<Pattern>& place, const toml::node& node) {
  const auto* list = node.as_array();
  if (list == nullptr)
    return wrong_type(node);
  std::vector<Pattern> values;
  for (const auto& item : *list) {
    line_ = item.source().begin.line;
    const auto* pairs = item.as_table();
    if (pairs == nullptr)
      return fmt::format("is not {}", wanted());
    if (auto wrong = read_pattern(*pairs, values.emplace_back()))
      return wrong;
  }
  line_ = 0;
  if (auto wrong = count_bounded(values.size()))
    return wrong;
  place = std::move(values);
  return {};
}

// --- Finding what was meant ----------------------------------------------------------------------------------------

std::string variable_of(const key& k) {
  std::string out = "TROUPE_";
  for (const char c : k.name)
    out += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

/// "; did you mean X?", or nothing where no key is near.
std::string suggestion(std::string_view given, std::string (*spelling)(const key&)) {
  std::string best;
  const auto most = std::max<std::size_t>(2, given.size() / 4);
  auto least = most + 1;
  for (const auto& k : all_keys()) {
    const auto name = spelling(k);
    auto distance = edit_distance(given, name);
    if (last_part(given) == last_part(name)) // in the wrong section
      distance = std::min(distance, most);
    if (distance < least) {
      least = distance;
      best = name;
    }
  }
  return best.empty() ? std::string{} : fmt::format("; did you mean {}?", best);
}

std::string name_of(const key& k) { return std::string{k.name}; }

// --- Sources -------------------------------------------------------------------------------------------------------

void read_table(const toml::table& from, const std::string& prefix, const std::string& file, config& into,
                config_errors& errors) {
  for (const auto& [name, value] : from) {
    const auto full = prefix + std::string{name.str()};
    const auto* k = find_key(full);
    const bool section = std::any_of(all_keys().begin(), all_keys().end(), [&](const key& other) {
      return other.name.substr(0, full.size() + 1) == full + ".";
    });
    auto line = name.source().begin.line != 0 ? name.source().begin.line : value.source().begin.line;
    if (k != nullptr) {
      reader one{*k, into};
      const auto wrong = one.from_node(value);
      line = one.line() != 0 ? one.line() : line;
      if (wrong)
        errors.push_back(fmt::format("{}:{}: {}: {}", file, line, full, *wrong));
    } else if (section && value.is_table()) {
      read_table(*value.as_table(), full + ".", file, into, errors);
    } else {
      errors.push_back(fmt::format("{}:{}: unknown key {}{}", file, line, full, suggestion(full, name_of)));
    }
  }
}

void read_file(const std::string& file, config& into, config_errors& errors) {
  std::ifstream in{file};
  std::string text;
  for (char part[4096]; in.read(part, sizeof part), in.gcount() > 0;) // a pipe has no size to ask for
    text.append(part, static_cast<std::size_t>(in.gcount()));
  if (!in.is_open() || in.bad()) // a folder can be opened, but not read
    return errors.push_back(fmt::format("{}: cannot be read: {}", file, std::strerror(errno)));
  const auto parsed = toml::parse(text, file);
  if (parsed) {
    read_table(parsed.table(), "", file, into, errors);
    return;
  }
  const auto& error = parsed.error();
  errors.push_back(fmt::format("{}:{}: {}", file, error.source().begin.line, error.description()));
}

void read_variable(std::string_view assignment, config& into, config_errors& errors) {
  const auto equals = assignment.find('=');
  const auto name = assignment.substr(0, equals);
  // Of `troupe` (docs/cli.md), and of programs whose recorded rooms are run again (docs/audit.md).
  constexpr std::string_view no_settings[] = {"TROUPE_TOKEN", "TROUPE_REPLAY_CHECK", "TROUPE_REPLAY_FORMAT"};
  if (std::find(std::begin(no_settings), std::end(no_settings), name) != std::end(no_settings) ||
      name.substr(0, 7) != "TROUPE_" || equals == std::string_view::npos)
    return;
  for (const auto& k : all_keys())
    if (variable_of(k) == name) {
      if (const auto wrong = reader{k, into}.from_text(assignment.substr(equals + 1)))
        errors.push_back(fmt::format("environment {}: {}: {}", name, k.name, *wrong));
      return;
    }
  errors.push_back(fmt::format("environment {}: unknown key{}", name, suggestion(name, variable_of)));
}

void read_flag(std::string_view assignment, config& into, config_errors& errors) {
  const auto equals = assignment.find('=');
  const auto name = assignment.substr(0, equals);
  const auto* k = find_key(name);
  if (equals == std::string_view::npos)
    errors.push_back(fmt::format("--set {}: must be key=value", assignment));
  else if (k == nullptr)
    errors.push_back(fmt::format("--set {}: unknown key {}{}", assignment, name, suggestion(name, name_of)));
  else if (const auto wrong = reader{*k, into}.from_text(assignment.substr(equals + 1)))
    errors.push_back(fmt::format("--set {}: {}: {}", assignment, name, *wrong));
}

} // namespace

std::variant<config, config_errors> load_config(const config_sources& sources) {
  config settings;
  config_errors errors;
  if (!sources.file.empty())
    read_file(sources.file, settings, errors);
  for (const auto& assignment : sources.environment)
    read_variable(assignment, settings, errors);
  for (const auto& assignment : sources.sets)
    read_flag(assignment, settings, errors);
  if (errors.empty())
    errors = check_config(settings);
  if (!errors.empty())
    return errors;
  return settings;
}

} // namespace troupe
