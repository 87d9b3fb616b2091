#include "runtime/store/memory_store.hpp"

#include "runtime/store/progress.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>

namespace troupe::store {
namespace {

store_failure closed_failure() { return {fault::closed, "the store is closed"}; }

class memory_store final : public store {
public:
  outcome<std::optional<std::string>> get(std::string_view key) const override;
  status apply(const batch& changes) override;
  outcome<std::size_t> scan(const scan_range& range, const visitor& give) const override;
  outcome<std::uint64_t> applied(std::string_view log_class) const override;
  status flush() override;
  status close() override;

private:
  // std::string compares bytes as unsigned, as RocksDB does.
  using entries = std::map<std::string, std::string, std::less<>>;
  entries::const_iterator end_of(std::string_view prefix) const;
  void erase_range(std::string_view from, std::string_view to);

  mutable std::shared_mutex lock_;
  entries entries_;
  progress_map applied_;
  bool closed_ = false;
};

outcome<std::optional<std::string>> memory_store::get(std::string_view key) const {
  const std::shared_lock held{lock_};
  if (closed_)
    return closed_failure();
  const auto at = entries_.find(key);
  return at == entries_.end() ? std::nullopt : std::optional{at->second};
}

memory_store::entries::const_iterator memory_store::end_of(std::string_view prefix) const {
  const auto after = after_prefix(prefix);
  return after ? entries_.lower_bound(*after) : entries_.end();
}

void memory_store::erase_range(std::string_view from, std::string_view to) {
  entries_.erase(entries_.lower_bound(from), to.empty() ? entries_.end() : entries_.lower_bound(to));
}

status memory_store::apply(const batch& changes) {
  const std::unique_lock held{lock_};
  if (closed_)
    return closed_failure();
  auto next = applied_;
  if (auto refused = advance(next, changes))
    return refused;
  changes.each([this](batch::operation what, std::string_view key, std::string_view value) {
    if (what == batch::operation::put)
      entries_.insert_or_assign(std::string{key}, std::string{value});
    else if (what == batch::operation::erase_range)
      erase_range(key, value);
    else if (const auto at = entries_.find(key); at != entries_.end())
      entries_.erase(at);
  });
  applied_ = std::move(next);
  return std::nullopt;
}

outcome<std::size_t> memory_store::scan(const scan_range& range, const visitor& give) const {
  const std::shared_lock held{lock_};
  if (closed_)
    return closed_failure();
  auto first = entries_.lower_bound(range.prefix);
  auto last = end_of(range.prefix);
  if (range.from && range.way == direction::forward) {
    if (*range.from > range.prefix)
      first = entries_.lower_bound(*range.from);
    if (const auto after = after_prefix(range.prefix); after && *range.from >= *after)
      first = last;
  } else if (range.from) {
    if (*range.from < range.prefix)
      last = first;
    else if (const auto after = after_prefix(range.prefix); !after || *range.from < *after)
      last = entries_.upper_bound(*range.from);
  }
  std::size_t given = 0;
  while (first != last && given < range.limit) {
    const auto at = range.way == direction::forward ? first++ : --last;
    ++given;
    if (!give(at->first, at->second))
      break;
  }
  return given;
}

outcome<std::uint64_t> memory_store::applied(std::string_view log_class) const {
  const std::shared_lock held{lock_};
  if (closed_)
    return closed_failure();
  const auto at = applied_.find(log_class);
  return at == applied_.end() ? 0 : at->second;
}

status memory_store::flush() {
  const std::shared_lock held{lock_};
  return closed_ ? status{closed_failure()} : std::nullopt;
}

status memory_store::close() {
  const std::unique_lock held{lock_};
  if (closed_)
    return closed_failure();
  closed_ = true;
  entries_.clear();
  applied_.clear();
  return std::nullopt;
}

} // namespace

std::unique_ptr<store> make_memory_store() { return std::make_unique<memory_store>(); }

} // namespace troupe::store
