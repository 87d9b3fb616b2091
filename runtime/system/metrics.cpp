#include "runtime/system/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <stdexcept>

namespace troupe {

namespace {

enum class kind : std::uint8_t { counter, gauge, histogram };

std::string_view to_string(kind k) noexcept {
  return k == kind::counter ? "counter" : k == kind::gauge ? "gauge" : "histogram";
}

/// The grammar of the data model: colons are for metric names only.
bool valid_name(std::string_view name, bool colons) noexcept {
  const auto letter = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colons && c == ':');
  };
  return !name.empty() && letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

/// Backslash and line feed, and in label values also the double quote, are escaped.
std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '"' && quotes)
      out += "\\\"";
    else
      out += c;
  }
  return out;
}

/// `a="x",b="y"`, the key of a series in its family.
std::string label_text(const label_list& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!valid_name(name, false))
      throw std::invalid_argument{fmt::format("\"{}\" is no label name", name)};
    out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", name, escaped(value, true));
  }
  return out;
}

std::string number(double value) {
  if (std::isnan(value))
    return "NaN";
  if (std::isinf(value))
    return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

std::string braces(const std::string& labels) { return labels.empty() ? std::string{} : "{" + labels + "}"; }

} // namespace

std::size_t metric_shard() noexcept {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % metric_shards;
  return mine;
}

std::uint64_t counter::value() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& part : cells_)
    sum += part.value.load(std::memory_order_relaxed);
  return sum;
}

histogram::histogram(std::span<const double> bounds)
    : bounds_(bounds.begin(), bounds.end())
    , counts_(new std::atomic<std::uint64_t>[bounds.size() + 1] {}) {}

void histogram::observe(double value) noexcept {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

struct metrics::impl {
  /// One of the pointers is set, as the family's kind says; of a gauge `value` or `read`.
  struct series {
    std::unique_ptr<troupe::counter> count;
    std::unique_ptr<troupe::gauge> value;
    std::unique_ptr<troupe::histogram> buckets;
    std::function<double()> read;
  };

  struct family {
    troupe::kind kind;
    std::string help;
    std::map<std::string, series> members;
  };

  mutable std::mutex lock;
  std::map<std::string, family, std::less<>> families;

  /// The family with this name and the series with these labels, made where missing. Call with the lock held.
  series& at(std::string_view name, std::string_view help, troupe::kind k, const label_list& labels) {
    if (!valid_name(name, true))
      throw std::invalid_argument{fmt::format("\"{}\" is no metric name", name)};
    auto key = label_text(labels);
    auto found = families.find(name);
    if (found == families.end())
      found = families.emplace(std::string{name}, family{k, std::string{help}, {}}).first;
    auto& members = found->second.members;
    if (found->second.kind != k)
      throw std::invalid_argument{fmt::format("{} is a {} already", name, to_string(found->second.kind))};
    if (!members.contains(key) && members.size() + 1 >= series_max) {
      auto other = labels;
      for (auto& [label, value] : other)
        value = "other";
      key = label_text(other);
    }
    return members[key];
  }

  static void append(std::string& out, const std::string& name, const std::string& labels, const troupe::histogram& h) {
    const auto with_bound = [&](const std::string& bound) {
      return fmt::format("{{{}{}le=\"{}\"}}", labels, labels.empty() ? "" : ",", bound);
    };
    std::uint64_t total = 0;
    for (std::size_t i = 0; i <= h.bounds_.size(); ++i) {
      total += h.counts_[i].load(std::memory_order_relaxed);
      const auto bound = i < h.bounds_.size() ? number(h.bounds_[i]) : "+Inf";
      out += fmt::format("{}_bucket{} {}\n", name, with_bound(bound), total);
    }
    out += fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, braces(labels),
                       number(h.sum_.load(std::memory_order_relaxed)), name, braces(labels), total);
  }
};

metrics::metrics()
    : impl_(std::make_unique<impl>()) {}

metrics::~metrics() = default;

troupe::counter& metrics::counter(std::string_view name, std::string_view help, const label_list& labels) {
  const std::lock_guard guard{impl_->lock};
  auto& place = impl_->at(name, help, kind::counter, labels).count;
  if (!place)
    place = std::make_unique<troupe::counter>();
  return *place;
}

troupe::gauge& metrics::gauge(std::string_view name, std::string_view help, const label_list& labels) {
  const std::lock_guard guard{impl_->lock};
  auto& place = impl_->at(name, help, kind::gauge, labels).value;
  if (!place)
    place = std::make_unique<troupe::gauge>();
  return *place;
}

troupe::histogram& metrics::histogram(std::string_view name, std::string_view help, std::span<const double> bounds,
                                      const label_list& labels) {
  const std::lock_guard guard{impl_->lock};
  auto& place = impl_->at(name, help, kind::histogram, labels).buckets;
  if (!place) {
    const auto& members = impl_->families.find(name)->second.members;
    const auto first =
        std::find_if(members.begin(), members.end(), [](const auto& m) { return m.second.buckets != nullptr; });
    place = std::make_unique<troupe::histogram>(first == members.end() ? bounds : first->second.buckets->bounds_);
  }
  return *place;
}

void metrics::gauge_from(std::string_view name, std::string_view help, std::function<double()> read,
                         const label_list& labels) {
  const std::lock_guard guard{impl_->lock};
  impl_->at(name, help, kind::gauge, labels).read = std::move(read);
}

std::string metrics::render() const {
  // Functions run outside of the lock: they may count or register themselves.
  std::vector<std::pair<std::string, std::function<double()>>> reads;
  {
    const std::lock_guard guard{impl_->lock};
    for (const auto& [name, family] : impl_->families)
      for (const auto& [labels, series] : family.members)
        if (series.read)
          reads.emplace_back(name + braces(labels), series.read);
  }
  std::map<std::string, double> values;
  for (const auto& [name, read] : reads)
    values[name] = read();

  std::string out;
  const std::lock_guard guard{impl_->lock};
  for (const auto& [name, family] : impl_->families) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escaped(family.help, false), name, to_string(family.kind));
    for (const auto& [labels, series] : family.members) {
      const auto full = name + braces(labels);
      if (series.buckets)
        impl::append(out, name, labels, *series.buckets);
      else if (series.count)
        out += fmt::format("{} {}\n", full, series.count->value());
      else if (const auto found = values.find(full); series.read && found != values.end())
        out += fmt::format("{} {}\n", full, number(found->second));
      else if (series.value)
        out += fmt::format("{} {}\n", full, series.value->value());
    }
  }
  return out;
}

} // namespace troupe
