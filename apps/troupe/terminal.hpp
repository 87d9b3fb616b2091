#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::cli {

/// Whether a person looks at this descriptor.
bool is_terminal(int fd) noexcept;
/// Columns of standard output; `otherwise` where it is no terminal.
std::size_t columns_or(std::size_t otherwise) noexcept;

/// From now on the first Ctrl-C (or SIGTERM) only makes `interrupted` true, so that the work can end in good order;
/// the second one ends the process at once.
void watch_for_interrupt();
bool interrupted() noexcept;

/// Writes whole lines to a descriptor; a line is never torn by an interrupt. Throws command_failed where the descriptor
/// takes no more.
class line_output {
public:
  explicit line_output(int fd) noexcept
      : fd_{fd} {}

  /// Takes a line without its end.
  void line(std::string_view text);
  void flush();

private:
  int fd_;
  std::string buffer_;
};

/// A bar on standard error, where that is a terminal and the work takes more than a moment.
class progress_bar {
public:
  explicit progress_bar(std::string_view what);
  ~progress_bar();
  progress_bar(const progress_bar&) = delete;
  progress_bar& operator=(const progress_bar&) = delete;

  void show(std::uint64_t done, std::uint64_t all);
  /// Where nobody knows how much there is to do.
  void show_count(std::uint64_t done);

private:
  using clock = std::chrono::steady_clock;
  bool is_due();

  std::string what_;
  bool on_;
  bool drawn_ = false;
  clock::time_point next_;
};

/// The text with what could move a cursor, change a colour or turn the writing round replaced by U+FFFD, cut after
/// `characters_max` with an ellipsis.
std::string printable(std::string_view text, std::size_t characters_max);
/// Code points of UTF-8.
std::size_t characters_of(std::string_view text) noexcept;

} // namespace troupe::cli
