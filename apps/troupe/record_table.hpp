#pragma once

#include "apps/troupe/terminal.hpp"
#include "runtime/log/cursor.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

/// Records as lines of a table. The first rows are held back until their widths are known; a later row that is wider
/// makes its column wider from there on.
class record_table {
public:
  static constexpr std::size_t no_width = static_cast<std::size_t>(-1);

  /// @param columns how wide a line may be: what does not fit is cut, and ends in an ellipsis. no_width: nothing is cut
  record_table(line_output& out, std::size_t columns)
      : out_{out}
      , columns_{columns} {}

  /// @param log_name retention class of the log that it is of
  void add(const log::entry& one, std::string_view log_name);
  /// Writes what is held back.
  void flush();

private:
  static constexpr std::size_t cells = 8;
  using row = std::array<std::string, cells>;

  std::size_t at_most(std::size_t characters) const { return columns_ == no_width ? no_width : characters; }
  void write(const row& one);

  line_output& out_;
  std::size_t columns_;
  std::vector<row> held_;
  std::size_t held_bytes_ = 0;
  std::array<std::size_t, cells> widths_{};
  bool has_head_ = false;
};

} // namespace troupe::cli
