#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <fmt/core.h>
#include <memory>
#include <optional>
#include <string_view>

namespace troupe {

enum class log_level : std::uint8_t { debug, info, warn, error, off };
enum class log_format : std::uint8_t { text, json };

std::string_view to_string(log_level level) noexcept;
std::optional<log_level> log_level_from(std::string_view name) noexcept;
std::optional<log_format> log_format_from(std::string_view name) noexcept;

/// Writes lines of a stable slug and fields to standard error:
///
///     log.info("listening", "address={} tls={}", address, tls);
///     2025-01-31T12:00:00.123Z info listening address=127.0.0.1:8080 tls=false
///
/// A pattern is tokens `name=format`, separated by single spaces; values that hold spaces, quotes or control
/// characters are quoted, so a client cannot forge a line. Safe from any thread. A line is one write(2) of at most
/// `line_bytes_max`; where standard error does not take it at once it is dropped and counted, so that a stuck reader
/// of the log stops no loop. More than `lines_per_second_max` lines with one slug in a second are counted instead,
/// and the next line of the slug says how many as `suppressed=N`.
class logger {
public:
  static constexpr std::size_t line_bytes_max = 4096; ///< PIPE_BUF: such a write is not torn.
  static constexpr std::size_t lines_per_second_max = 20;

  /// @param fd where lines go; not closed
  explicit logger(int fd = 2);
  ~logger();
  logger(const logger&) = delete;
  logger& operator=(const logger&) = delete;

  void level(log_level value) noexcept { level_.store(value, std::memory_order_relaxed); }
  log_level level() const noexcept { return level_.load(std::memory_order_relaxed); }
  void format(log_format value) noexcept { format_.store(value, std::memory_order_relaxed); }
  bool enabled(log_level value) const noexcept { return value >= level(); }

  template <class... Args>
  void debug(std::string_view slug, fmt::format_string<const Args&...> fields, const Args&... args) {
    if (enabled(log_level::debug))
      write(log_level::debug, slug, fields, fmt::make_format_args(args...));
  }
  template <class... Args>
  void info(std::string_view slug, fmt::format_string<const Args&...> fields, const Args&... args) {
    if (enabled(log_level::info))
      write(log_level::info, slug, fields, fmt::make_format_args(args...));
  }
  template <class... Args>
  void warn(std::string_view slug, fmt::format_string<const Args&...> fields, const Args&... args) {
    if (enabled(log_level::warn))
      write(log_level::warn, slug, fields, fmt::make_format_args(args...));
  }
  template <class... Args>
  void error(std::string_view slug, fmt::format_string<const Args&...> fields, const Args&... args) {
    if (enabled(log_level::error))
      write(log_level::error, slug, fields, fmt::make_format_args(args...));
  }
  void debug(std::string_view slug) { debug(slug, ""); }
  void info(std::string_view slug) { info(slug, ""); }
  void warn(std::string_view slug) { warn(slug, ""); }
  void error(std::string_view slug) { error(slug, ""); }

private:
  void write(log_level level, std::string_view slug, fmt::string_view fields, fmt::format_args args) noexcept;

  struct impl;
  std::unique_ptr<impl> impl_;
  std::atomic<log_level> level_{log_level::info};
  std::atomic<log_format> format_{log_format::text};
};

/// The logger of the process, on standard error.
logger& process_log() noexcept;

} // namespace troupe
