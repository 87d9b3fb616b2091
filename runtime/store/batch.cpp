#include "runtime/store/batch.hpp"

#include "runtime/store/outcome.hpp"
#include "runtime/store/progress.hpp"

namespace troupe::store {

std::string_view to_string(fault kind) noexcept {
  switch (kind) {
  case fault::invalid:
    return "invalid";
  case fault::closed:
    return "closed";
  case fault::locked:
    return "locked";
  case fault::corrupted:
    return "corrupted";
  case fault::full:
    return "full";
  case fault::io:
    return "io";
  }
  return "io";
}

std::optional<std::string> after_prefix(std::string_view prefix) {
  while (!prefix.empty() && prefix.back() == '\xff')
    prefix.remove_suffix(1);
  if (prefix.empty())
    return std::nullopt;
  std::string next{prefix};
  next.back() = static_cast<char>(static_cast<unsigned char>(next.back()) + 1);
  return next;
}

void batch::add(operation what, std::string_view key, std::string_view value) {
  steps_.push_back({what, bytes_.size(), key.size(), value.size()});
  bytes_.append(key).append(value);
}

void batch::put(std::string_view key, std::string_view value) { add(operation::put, key, value); }

void batch::erase(std::string_view key) { add(operation::erase, key, {}); }

void batch::erase_range(std::string_view from, std::string_view to) {
  if (from < to)
    add(operation::erase_range, from, to);
}

void batch::erase_prefix(std::string_view prefix) {
  add(operation::erase_range, prefix, after_prefix(prefix).value_or(std::string{}));
}

void batch::applied(std::string_view log_class, std::uint64_t end) {
  progress_.push_back({std::string{log_class}, end});
}

void batch::forget(std::string_view log_class) { progress_.push_back({std::string{log_class}, std::nullopt}); }

status advance(progress_map& numbers, const batch& changes) {
  for (const auto& change : changes.changed_progress()) {
    if (!change.applied) {
      numbers.erase(change.log_class);
      continue;
    }
    auto& number = numbers[change.log_class];
    if (*change.applied < number)
      return store_failure{fault::invalid, "the batch would set how far \"" + change.log_class + "\" is from " +
                                               std::to_string(number) + " back to " + std::to_string(*change.applied)};
    number = *change.applied;
  }
  return std::nullopt;
}

void batch::clear() noexcept {
  bytes_.clear();
  steps_.clear();
  progress_.clear();
}

} // namespace troupe::store
