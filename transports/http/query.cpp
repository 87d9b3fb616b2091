#include "transports/http/query.hpp"

#include "runtime/model/hex.hpp"
#include "runtime/model/utf8.hpp"

#include <algorithm>

namespace troupe::http {

namespace {

/// Control characters: C0, DEL and, in UTF-8, C1.
bool has_control(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7F)
      return true;
    if (c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0)
      return true;
  }
  return false;
}

} // namespace

std::optional<target> split_target(std::string_view text) noexcept {
  if (text.empty() || text.front() != '/' || text.size() > target_bytes_max)
    return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; }))
    return std::nullopt;
  text = text.substr(0, text.find('#')); // a fragment is never sent; who sends one gets the page
  const auto mark = text.find('?');
  if (mark == std::string_view::npos)
    return target{text, {}};
  return target{text.substr(0, mark), text.substr(mark + 1)};
}

std::optional<std::string> percent_decode(std::string_view text, bool plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(plus && text[i] == '+' ? ' ' : text[i]);
      continue;
    }
    if (i + 2 >= text.size())
      return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0)
      return std::nullopt;
    out.push_back(static_cast<char>(high << 4 | low));
    i += 2;
  }
  return out;
}

query_value find_parameter(std::string_view query, std::string_view name, std::size_t bytes_max) {
  query_value found;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const auto equals = std::min(pair.find('='), pair.size());
    const auto key = percent_decode(pair.substr(0, equals), true);
    if (!key || *key != name)
      continue;
    // Given twice it could mean one thing to a proxy and another to us.
    found.valid = !found.present;
    found.present = true;
    auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!found.valid || !value || value->size() > bytes_max || !is_utf8(*value) || has_control(*value)) {
      found.valid = false;
      found.value.clear();
      return found;
    }
    found.value = std::move(*value);
  }
  return found;
}

} // namespace troupe::http
