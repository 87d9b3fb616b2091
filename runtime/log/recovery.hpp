#pragma once

#include "runtime/log/checkpoint.hpp"
#include "runtime/log/segment.hpp"
#include "runtime/log/sync_mark.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/// What a log's last segment is worth after an unclean stop. The rule: bytes at its end that are no good frames are a
/// torn tail, and are cut, unless something proves that they were synced once: the sync mark, a checkpoint, or a good
/// frame behind them that was written when they were. Then they are damage, or lost, and nothing is cut silently.
namespace troupe::log {

/// Whether good frames in [from, end of file) say that bytes at `from` were synced. Where the search would take too
/// long, the answer is yes.
result<bool> is_claimed_synced(int fd, std::uint64_t from, std::uint32_t seed);

/// Where in a segment the first good record behind a bad one at `from` begins. A frame's checksum covers its place in
/// the file, so what looks good is. Nothing where there is none before `end`, where a frame begins or the file ends, or
/// where the search would take too long.
result<std::optional<std::uint64_t>> good_record_behind(int fd, std::uint64_t from, std::uint64_t end,
                                                        std::uint32_t seed);

/// How many bytes of the file follow `from`, without the zeros at its end: those are space that a writer set aside.
result<std::uint64_t> bytes_behind(int fd, std::uint64_t from);

/// The last segment, read to the end of what is good.
struct tail {
  placed_header header;
  compact_range through;     ///< All good records.
  std::uint64_t end = 0;     ///< Of the good frames in the file.
  bool sealed = false;       ///< A footer is the last of them.
  std::uint64_t surplus = 0; ///< bytes_behind `end`.
  status loss;               ///< Set where what is bad or missing was synced before; empty: a torn tail at most.

  std::uint64_t next() const noexcept { return through.size(); }
};

/// @param signed_before the last checkpoint of this log, if there is one
result<tail> read_tail(const open_file& file, std::uint64_t first, const std::optional<sync_mark>& mark,
                       const std::optional<checkpoint>& signed_before);

/// Node and class, and from the second incarnation on its number: a log that lost what it had signed goes on under
/// another name, for the old one would contradict itself.
std::string origin_of(std::string_view node, std::string_view class_name, unsigned incarnation);
/// The incarnation that an origin of this node and class speaks of; 0: it is not one of them.
unsigned incarnation_of(std::string_view origin, std::string_view node, std::string_view class_name);

} // namespace troupe::log
