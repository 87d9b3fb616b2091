#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {

/// What belongs to names by pattern: room types, settings of a room. A pattern is a name, or with a `*` at its end
/// all names that begin so ("game:*", "*"); a `*` elsewhere is a plain character. The name itself comes before
/// every prefix, a longer prefix before a shorter one.
template <class T>
class pattern_table {
public:
  struct entry {
    std::string pattern;
    T value;
  };

  /// Sets what belongs to a pattern. @returns false where the pattern had a value, which is replaced
  bool set(std::string_view pattern, T value) {
    auto same = std::find_if(entries_.begin(), entries_.end(), [&](const entry& e) { return e.pattern == pattern; });
    if (same != entries_.end()) {
      same->value = std::move(value);
      return false;
    }
    auto place =
        std::find_if(entries_.begin(), entries_.end(), [&](const entry& e) { return before(pattern, e.pattern); });
    entries_.insert(place, entry{std::string{pattern}, std::move(value)});
    return true;
  }

  /// What belongs to a name; null where no pattern matches. Valid until the table changes.
  const T* find(std::string_view name) const noexcept {
    for (const auto& e : entries_)
      if (matches(e.pattern, name))
        return &e.value;
    return nullptr;
  }

  bool empty() const noexcept { return entries_.empty(); }
  std::size_t size() const noexcept { return entries_.size(); }
  /// All entries, in the order in which they are tried.
  const std::vector<entry>& entries() const noexcept { return entries_; }

private:
  static bool is_prefix(std::string_view pattern) noexcept { return !pattern.empty() && pattern.back() == '*'; }

  static bool before(std::string_view a, std::string_view b) noexcept {
    return is_prefix(a) != is_prefix(b) ? is_prefix(b) : a.size() > b.size();
  }

  static bool matches(std::string_view pattern, std::string_view name) noexcept {
    return is_prefix(pattern) ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern;
  }

  std::vector<entry> entries_; ///< Names first, then prefixes, the longest first.
};

} // namespace troupe
