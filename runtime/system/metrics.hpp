#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {

/// Which of `shards` cells the calling thread counts in, so that loops do not share cache lines.
inline constexpr std::size_t metric_shards = 8;
std::size_t metric_shard() noexcept;

/// A number that only rises. Counting is one relaxed addition in a cache line of the thread's own (up to
/// `metric_shards` threads); reading adds the cells.
class counter {
public:
  void add(std::uint64_t n = 1) noexcept { cells_[metric_shard()].value.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept;

private:
  struct alignas(64) cell {
    std::atomic<std::uint64_t> value{0};
  };
  std::array<cell, metric_shards> cells_;
};

/// A number that rises and falls.
class gauge {
public:
  void set(std::int64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  void sub(std::int64_t n = 1) noexcept { value_.fetch_sub(n, std::memory_order_relaxed); }
  std::int64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
  std::atomic<std::int64_t> value_{0};
};

/// Counts observations in fixed buckets.
class histogram {
public:
  /// @param bounds upper bounds, rising; one bucket past the last is added
  explicit histogram(std::span<const double> bounds);
  void observe(double value) noexcept;

private:
  friend class metrics;
  std::vector<double> bounds_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

/// Label names with their values. A name is [a-zA-Z_][a-zA-Z0-9_]*; a value is any UTF-8.
using label_list = std::vector<std::pair<std::string, std::string>>;

/// Every number that a node shows, by name and labels; renders the Prometheus text format 0.0.4.
/// Registering the same name and labels again gives the same object. References stay valid as long as the
/// registry. All calls are safe from any thread; registering and rendering lock, counting does not.
class metrics {
public:
  /// How many label sets a family has at most; those past it share one series with every value "other".
  static constexpr std::size_t series_max = 256;

  metrics();
  ~metrics();
  metrics(const metrics&) = delete;
  metrics& operator=(const metrics&) = delete;

  /// @param name with its unit and `_total` at the end, for example "troupe_bytes_received_total"
  /// @throws std::invalid_argument for a name that Prometheus refuses or that has another type already
  troupe::counter& counter(std::string_view name, std::string_view help, const label_list& labels = {});
  troupe::gauge& gauge(std::string_view name, std::string_view help, const label_list& labels = {});
  /// @param bounds as `histogram`; those of the family's first series count
  troupe::histogram& histogram(std::string_view name, std::string_view help, std::span<const double> bounds,
                               const label_list& labels = {});

  /// A gauge whose value is asked for when rendering, on the rendering thread, outside of the registry's
  /// lock. A later call with the same name and labels replaces the function.
  void gauge_from(std::string_view name, std::string_view help, std::function<double()> read,
                  const label_list& labels = {});

  /// The whole of /metrics: families in order of their names.
  std::string render() const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe
