#include "runtime/model/caps.hpp"

#include <algorithm>
#include <array>

namespace troupe {

namespace {

constexpr std::array<std::string_view, 4> kinds{"room", "channel", "user", "subject"};

/// Whether "kind:name" is equal to `text`, or begins with it, without building the string.
bool matches(std::string_view text, bool prefix, std::string_view kind, std::string_view name) noexcept {
  auto take = [&](std::string_view part) {
    auto n = std::min(part.size(), text.size());
    if (text.substr(0, n) != part.substr(0, n))
      return false;
    text.remove_prefix(n);
    return n == part.size() || prefix; // the text ended within this part
  };
  return take(kind) && take(":") && take(name) && text.empty();
}

failure bad(std::string why) { return {error_code::bad_message, std::move(why), std::nullopt}; }

} // namespace

right rights_from(std::string_view letters) noexcept {
  auto result = right::none;
  for (auto letter : letters) {
    switch (letter) {
    case 'r':
      result = result | right::read;
      break;
    case 'w':
      result = result | right::write;
      break;
    case 'p':
      result = result | right::presence;
      break;
    default:
      return right::none;
    }
  }
  return result;
}

caps caps::all() {
  caps result;
  result.rules_.push_back({"", true, right::all});
  return result;
}

std::variant<caps, failure> caps::parse(std::span<const std::pair<std::string, std::string>> pairs) {
  if (pairs.size() > patterns_max)
    return bad("caps have more than " + std::to_string(patterns_max) + " patterns");
  caps result;
  for (const auto& [pattern, letters] : pairs) {
    auto rights = rights_from(letters);
    if (rights == right::none)
      return bad("caps: \"" + letters + "\" are no rights: write r, w and p");
    auto text = pattern;
    auto prefix = !text.empty() && text.back() == '*';
    if (prefix)
      text.pop_back();
    auto colon = text.find(':');
    auto known = std::find(kinds.begin(), kinds.end(), std::string_view{text}.substr(0, colon)) != kinds.end();
    auto everything = prefix && text.empty();
    if (!everything && (colon == std::string::npos || !known || (!prefix && colon + 1 == text.size())))
      return bad("caps: \"" + pattern + "\" is no pattern: write room:NAME, channel:NAME, user:NAME or subject:NAME");
    result.rules_.push_back({std::move(text), prefix, rights});
  }
  return result;
}

right caps::rights(std::string_view kind, std::string_view name) const noexcept {
  auto result = right::none;
  for (const auto& r : rules_)
    if (matches(r.text, r.prefix, kind, name))
      result = result | r.rights;
  return result;
}

bool caps::allows(std::string_view kind, std::string_view name, right wanted) const noexcept {
  return includes(rights(kind, name), wanted);
}

} // namespace troupe
