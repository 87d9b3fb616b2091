#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace examples {

/// Nine cells and their rules; knows nothing of rooms.
class board {
public:
  static constexpr std::int64_t cells = 9;
  static constexpr char nobody = '.';

  explicit board(std::string_view text = {})
      : text_(text.size() == cells ? text : ".........") {}

  /// Row by row: "X", "O" or "." for each cell.
  const std::string& text() const noexcept { return text_; }
  /// @returns false, and changes nothing, where the cell is taken
  bool put(std::size_t cell, char mark) {
    if (text_[cell] != nobody)
      return false;
    text_[cell] = mark;
    return true;
  }
  bool full() const noexcept { return text_.find(nobody) == text_.npos; }
  /// Whose three stand in a row.
  std::optional<char> winner() const noexcept {
    static constexpr std::uint8_t lines[8][3]{{0, 1, 2}, {3, 4, 5}, {6, 7, 8}, {0, 3, 6},
                                              {1, 4, 7}, {2, 5, 8}, {0, 4, 8}, {2, 4, 6}};
    for (const auto& [a, b, c] : lines)
      if (text_[a] != nobody && text_[a] == text_[b] && text_[b] == text_[c])
        return text_[a];
    return {};
  }

private:
  std::string text_;
};

} // namespace examples
