#include "runtime/system/logger.hpp"

#include "runtime/system/quoted.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace troupe {

namespace {

constexpr std::string_view level_names[] = {"debug", "info", "warn", "error", "off"};

/// Slugs that are counted at once; past it the table starts anew, which at worst lets a few lines more pass.
constexpr std::size_t slugs_max = 1024;

std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, ms % 1000);
}

/// A value in a line of text: quoted where a reader could take it for something else.
std::string in_text(const std::string& value) {
  const bool plain = !value.empty() && std::none_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == '"' || c == '=' || c == '\\' || c == 0x7f;
  });
  return plain ? value : quoted(value);
}

/// Gives every replacement field of one token the number of its argument, so that the token formats alone.
std::string numbered(std::string_view token, std::size_t& next) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    out += token[i];
    if (token[i] != '{')
      continue;
    if (i + 1 < token.size() && token[i + 1] == '{')
      out += token[++i];
    else
      out += std::to_string(next++);
  }
  return out;
}

using field_list = std::vector<std::pair<std::string, std::string>>;

field_list format_fields(std::string_view pattern, fmt::format_args args) {
  field_list out;
  std::size_t next = 0;
  while (!pattern.empty()) {
    const auto token = pattern.substr(0, pattern.find(' '));
    pattern.remove_prefix(std::min(pattern.size(), token.size() + 1));
    const auto equals = std::min(token.find('='), token.size());
    const auto value = token.substr(std::min(token.size(), equals + 1));
    out.emplace_back(std::string{token.substr(0, equals)}, fmt::vformat(numbered(value, next), args));
  }
  return out;
}

std::string text_line(log_level level, std::string_view slug, const field_list& fields) {
  std::string out = fmt::format("{} {} {}", timestamp(), static_cast<char>(std::toupper(to_string(level)[0])), slug);
  for (const auto& [name, value] : fields)
    out += fmt::format(" {}={}", name, in_text(value));
  return out;
}

std::string json_line(log_level level, std::string_view slug, const field_list& fields) {
  std::string out = fmt::format(R"({{"slug":{},"level":"{}","time":"{}")", quoted(slug), to_string(level), timestamp());
  for (const auto& [name, value] : fields)
    out += fmt::format(",{}:{}", quoted(name), quoted(value));
  return out += '}';
}

} // namespace

std::string_view to_string(log_level level) noexcept { return level_names[static_cast<std::size_t>(level)]; }

std::optional<log_level> log_level_from(std::string_view name) noexcept {
  const auto found = std::find(std::begin(level_names), std::end(level_names), name);
  if (found == std::end(level_names))
    return {};
  return static_cast<log_level>(found - std::begin(level_names));
}

std::optional<log_format> log_format_from(std::string_view name) noexcept {
  if (name == "text")
    return log_format::text;
  if (name == "json")
    return log_format::json;
  return {};
}

struct logger::impl {
  struct window {
    std::time_t second = 0;
    std::size_t lines = 0;
    std::size_t suppressed = 0;
  };

  int fd;
  std::mutex lock;
  std::map<std::string, window, std::less<>> windows;
  std::atomic<std::uint64_t> dropped{0};

  /// Whether a line of this slug may pass now; then `suppressed` says how many did not before it.
  bool passes(std::string_view slug, std::size_t& suppressed) {
    const auto now = std::time(nullptr);
    const std::lock_guard guard{lock};
    auto found = windows.find(slug);
    if (found == windows.end()) {
      if (windows.size() >= slugs_max)
        windows.clear();
      found = windows.emplace(std::string{slug}, window{}).first;
    }
    auto& w = found->second;
    if (w.second != now) {
      w.second = now;
      w.lines = 0;
    }
    if (w.lines >= lines_per_second_max) {
      ++w.suppressed;
      return false;
    }
    ++w.lines;
    suppressed = std::exchange(w.suppressed, 0);
    return true;
  }

  /// One write of at most PIPE_BUF bytes to a descriptor that poll(2) calls writable does not block.
  void put(const std::string& line) noexcept {
    pollfd waiting{fd, POLLOUT, 0};
    if (::poll(&waiting, 1, 0) != 1 || (waiting.revents & POLLOUT) == 0 ||
        ::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
      dropped.fetch_add(1, std::memory_order_relaxed);
  }
};

logger::logger(int fd)
    : impl_(std::make_unique<impl>()) {
  impl_->fd = fd;
}

logger::~logger() = default;

void logger::write(log_level level, std::string_view slug, fmt::string_view pattern, fmt::format_args args) noexcept {
  try {
    std::size_t suppressed = 0;
    if (!impl_->passes(slug, suppressed))
      return;
    auto fields = format_fields({pattern.data(), pattern.size()}, args);
    if (suppressed != 0)
      fields.emplace_back("suppressed", std::to_string(suppressed));
    if (const auto dropped = impl_->dropped.exchange(0, std::memory_order_relaxed))
      fields.emplace_back("dropped", std::to_string(dropped));
    const bool json = format_.load(std::memory_order_relaxed) == log_format::json;
    auto line = json ? json_line(level, slug, fields) : text_line(level, slug, fields);
    // A cut line of JSON would not parse: the fields go instead.
    if (line.size() + 1 > line_bytes_max)
      line = json ? json_line(level, slug, {{"cut", "true"}}) : line.substr(0, line_bytes_max - 1);
    impl_->put(line += '\n');
  } catch (...) {
    // Out of memory or a pattern that does not fit its arguments: a line less, never a crash of who logs.
    impl_->dropped.fetch_add(1, std::memory_order_relaxed);
  }
}

logger& process_log() noexcept {
  static logger instance;
  return instance;
}

} // namespace troupe
