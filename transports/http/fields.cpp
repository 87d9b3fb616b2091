#include "transports/http/fields.hpp"

#include <algorithm>

namespace troupe::http {

namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Takes what stands before the next separator that is not within quotes.
std::string_view take_until(std::string_view& list, char separator) noexcept {
  bool quoted = false;
  std::size_t end = 0;
  for (; end < list.size() && (quoted || list[end] != separator); ++end)
    if (list[end] == '"')
      quoted = !quoted;
  const auto taken = trim(list.substr(0, end));
  list.remove_prefix(std::min(end + 1, list.size()));
  return taken;
}

} // namespace

bool iequals(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

std::string_view next_element(std::string_view& list) noexcept {
  std::string_view element;
  while (element.empty() && !list.empty())
    element = take_until(list, ',');
  return element;
}

bool has_token(std::string_view list, std::string_view token) noexcept {
  while (!list.empty())
    if (iequals(next_element(list), token))
      return true;
  return false;
}

std::pair<std::string_view, std::optional<std::string_view>> next_parameter(std::string_view& list) noexcept {
  const auto whole = take_until(list, ';');
  const auto equals = whole.find('=');
  if (equals == std::string_view::npos)
    return {whole, std::nullopt};
  auto value = trim(whole.substr(equals + 1));
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
    value = value.substr(1, value.size() - 2);
  return {trim(whole.substr(0, equals)), value};
}

bool is_token(std::string_view text) noexcept {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || marks.find(c) != std::string_view::npos;
  });
}

} // namespace troupe::http
