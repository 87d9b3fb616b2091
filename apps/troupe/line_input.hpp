#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace troupe::cli {

/// The lines of a descriptor, without waiting for them.
class line_input {
public:
  enum class step : std::uint8_t { line, nothing_yet, end };

  /// @param bytes_max of a line; a longer one is thrown as command_failed that names it
  line_input(int fd, std::size_t bytes_max) noexcept
      : fd_{fd}
      , bytes_max_{bytes_max} {}

  /// Gives the next line without its end. Throws command_failed where the descriptor cannot be read.
  step next(std::string& line);
  std::uint64_t bytes_read() const noexcept { return bytes_read_; }
  /// Of a file; 0 where that is not known.
  std::uint64_t bytes_all() const noexcept;

private:
  bool take_line(std::string& line);

  int fd_;
  std::size_t bytes_max_;
  std::string buffer_;
  std::size_t at_ = 0; ///< The next line begins there.
  std::uint64_t bytes_read_ = 0;
  std::uint64_t lines_ = 0;
  bool ended_ = false;
};

} // namespace troupe::cli
