#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {

/// How many characters have to be inserted, deleted or replaced to make one text of the other (Levenshtein): for "did
/// you mean".
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j)
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])}));
  }
  return row.back();
}

/// The one that takes the fewest edits to become `given`, or begins so; empty where none is near.
inline std::string_view nearest(std::string_view given, std::span<const std::string_view> known) {
  std::string_view best;
  std::size_t least = std::max<std::size_t>(2, given.size() / 3) + 1;
  for (const auto one : known) {
    const bool begun = given.size() > 2 && one.starts_with(given);
    if (const auto distance = begun ? 1 : edit_distance(given, one); distance < least) {
      least = distance;
      best = one;
    }
  }
  return best;
}

} // namespace troupe
