#include "apps/troupe/value_diff.hpp"

#include <string_view>

namespace troupe::cli {
namespace {

std::string below(const std::string& path, std::string_view name) {
  auto out = path + "/";
  for (const char c : name)
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  return out;
}

void compare(const std::string& path, const value& before, const value& after, std::vector<value_change>& out) {
  if (!before.is_object() || !after.is_object()) {
    if (!(before == after))
      out.push_back({path, before, after});
    return;
  }
  for (const auto& [name, was] : before.members()) {
    if (const auto* is = after.find(name))
      compare(below(path, name), was, *is, out);
    else
      out.push_back({below(path, name), was, {}});
  }
  for (const auto& [name, is] : after.members())
    if (!before.contains(name))
      out.push_back({below(path, name), {}, is});
}

} // namespace

std::vector<value_change> diff(const value& before, const value& after) {
  std::vector<value_change> out;
  compare("", before, after, out);
  return out;
}

} // namespace troupe::cli
