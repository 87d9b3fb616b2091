#pragma once

#include "runtime/log/files.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>

namespace troupe::log {

/// How far a log was synced, kept in the file `synced` beside the segments. It is written after each sync and never
/// synced itself, so after a crash it may be older than the truth, and is never ahead of it: what lies before the mark
/// and is bad or missing is damage, never a torn tail. Readers beside a running writer stop there if they want only
/// what lasts.
struct sync_mark {
  std::uint64_t first = 0;  ///< First index of the segment that it points into.
  std::uint64_t offset = 0; ///< All before this byte of that segment, and all earlier segments, were synced.
  std::uint64_t next = 0;   ///< Index of the first record that was not.

  bool operator==(const sync_mark&) const = default;
};

/// Nothing where there is none, or none that can be trusted.
std::optional<sync_mark> read_sync_mark(const std::filesystem::path& folder);

/// Keeps the file open and overwrites it.
class sync_marker {
public:
  status open(file_ops& ops, const std::filesystem::path& folder);
  /// A failure is of no consequence: the mark stays older than the truth.
  void write(const sync_mark& mark);

private:
  file_ops* ops_ = nullptr;
  open_file file_;
};

} // namespace troupe::log
