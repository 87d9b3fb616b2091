#pragma once

#include "runtime/log/files.hpp"

#include <cstdint>
#include <filesystem>

namespace troupe::log {

/// How much of a log is kept.
struct retention {
  std::int64_t age_us_max = 0; ///< 0: any age.
  std::uint64_t bytes_max = 0; ///< Of all segments together; 0: any size.
};

/// What was dropped.
struct dropped {
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;
  std::uint64_t first_kept = 0; ///< Index of the oldest record that is left.
};

/// How many segments `drop_old_segments` would drop.
result<std::uint64_t> count_old_segments(const std::filesystem::path& folder, const retention& keep,
                                         std::int64_t now_us);

/// Drops the oldest segments: while the log is larger than the bound, and those whose records are all too old. Never
/// the last one, which may be written to, and never a part of one. What is left can be proven as before: the header of
/// the oldest segment holds the hashes that stand for all that went before it.
/// @param now_us microseconds since the Unix epoch
result<dropped> drop_old_segments(const std::filesystem::path& folder, const retention& keep, std::int64_t now_us,
                                  file_ops& ops = system_files());

} // namespace troupe::log
