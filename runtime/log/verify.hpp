#pragma once

#include "runtime/log/checkpoint.hpp"
#include "runtime/log/fault.hpp"
#include "runtime/log/key.hpp"
#include "runtime/log/merkle.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

namespace troupe::log {

/// What to hold a log against, besides itself.
struct verify_options {
  /// The signatures of the checkpoints, local and expected, are checked with it; without it only what they say.
  std::optional<public_key> key = {};
  std::optional<signed_checkpoint> expect = {}; ///< One that was kept elsewhere.
  unsigned threads = 0;                         ///< Segments that are read at a time; 0: as many as there are CPUs.
  /// Called now and then, from any of the threads but one at a time, with bytes done and all bytes.
  std::function<void(std::uint64_t, std::uint64_t)> progress = {};
};

/// What verifying found.
struct verify_report {
  std::uint64_t first = 0;   ///< Index of the oldest record that is kept.
  std::uint64_t size = 0;    ///< Index behind the last good record: the size of the tree.
  std::uint64_t records = 0; ///< That were read and found good.
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;
  tree_hash root{};                        ///< Over all `size` records.
  std::uint64_t checkpoints = 0;           ///< Local ones that fit.
  std::uint64_t checkpoints_dropped = 0;   ///< That speak of records that retention has dropped.
  std::uint64_t checkpoints_abandoned = 0; ///< Of an earlier incarnation, beyond what was left of it.
  bool expected_fits = false;              ///< The expected one was compared, and fits.
  std::uint64_t torn_bytes = 0;            ///< At the end, never synced: no damage.
  std::vector<fault> problems;             ///< Of segments in their order, then of checkpoints; at most problems_max.

  static constexpr std::size_t problems_max = 100;
  bool intact() const noexcept { return problems.empty(); }
};

/// Reads a whole log: checksums, frames, records, footers, that each segment goes on where the last one ended, and that
/// the tree is the one that every checkpoint was signed for. Without a checkpoint from outside it cannot find what
/// someone changed who rewrote all of the folder. May run beside a writer.
/// @returns a fault only where the folder cannot be read at all
result<verify_report> verify(const std::filesystem::path& folder, const verify_options& options = {});

} // namespace troupe::log
