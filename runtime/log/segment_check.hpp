#pragma once

#include "runtime/log/segment.hpp"
#include "runtime/log/sync_mark.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>

namespace troupe::log {

/// What one segment holds, found by reading all of it.
struct segment_check {
  std::uint64_t first = 0;
  std::optional<placed_header> header; ///< Empty: it is damaged.
  compact_range through;               ///< Its header's range and all records read; right only if the header is.
  std::uint64_t records = 0;
  std::uint64_t bytes = 0; ///< Of the file.
  std::uint64_t surplus = 0;
  bool sealed = false;
  std::map<std::uint64_t, tree_hash> roots; ///< At those of the wanted sizes that lie in it.
  std::optional<fault> problem;             ///< The first; nothing behind it is read.
};

/// @param wanted   ascending sizes at which the root is asked for
/// @param is_last  no segment follows: it need not be sealed, and may have a torn tail
/// @param progress called with bytes read since the last call
segment_check check_segment(const std::filesystem::path& folder, std::uint64_t first, bool is_last,
                            std::span<const std::uint64_t> wanted, const std::optional<sync_mark>& mark,
                            const std::function<void(std::uint64_t)>& progress);

} // namespace troupe::log
