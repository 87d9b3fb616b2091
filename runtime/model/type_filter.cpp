#include "runtime/model/type_filter.hpp"

#include "runtime/model/limits.hpp"

#include <algorithm>
#include <array>

namespace troupe {

bool is_reserved_type(std::string_view type) noexcept {
  static constexpr std::array<std::string_view, 7> names{"hello", "error", "ack", "ping", "pong", "gap", "auth"};
  static constexpr std::array<std::string_view, 7> prefixes{
      "offline.", "room:", "presence:", "channel:", "session:", "sync:", "mesh:"};
  return std::find(names.begin(), names.end(), type) != names.end() ||
         std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view p) { return type.starts_with(p); });
}

bool type_filter::subscribe(std::span<const std::string_view> types) {
  auto wanted = entries_;
  for (auto type : types) {
    if (type.empty() || type.size() > limits::type_bytes_max)
      return false;
    if (std::find(wanted.begin(), wanted.end(), type) == wanted.end()) {
      if (wanted.size() == entries_max)
        return false;
      wanted.emplace_back(type);
    }
  }
  entries_ = std::move(wanted);
  return true;
}

void type_filter::unsubscribe(std::span<const std::string_view> types) {
  std::erase_if(entries_,
                [&](const std::string& e) { return std::find(types.begin(), types.end(), e) != types.end(); });
}

bool type_filter::passes_slowly(std::string_view type) const noexcept {
  for (std::string_view entry : entries_)
    if (entry.back() == '*' ? type.starts_with(entry.substr(0, entry.size() - 1)) : type == entry)
      return true;
  return is_reserved_type(type) || type.starts_with("signal:");
}

} // namespace troupe
