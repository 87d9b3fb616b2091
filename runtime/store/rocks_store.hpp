#pragma once

#include "runtime/store/store.hpp"

#include <cstddef>
#include <memory>
#include <string>

namespace troupe::store {

/// How much memory and how many files a store on disk may use.
struct rocks_options {
  std::size_t memtable_bytes = 8 * 1024 * 1024; ///< What is not flushed yet; at most twice so much. At least 64 KiB.
  std::size_t cache_bytes = 16 * 1024 * 1024;   ///< Blocks that were read, indexes and filters included.
  int open_files_max = 128;                     ///< At least 20.
};

/// Opens the store in a folder, or makes it (parents too), on RocksDB.
///
/// RocksDB's write-ahead log is off: Troupe's own log already is one. Memtables reach the disk whole and in order, so
/// what is there after `kill -9` or a loss of power is the state after one of the batches, and the rest, at most two
/// memtables, is applied from the log again. With a write-ahead log that is never synced, a loss of power could take
/// the middle and leave the end.
///
/// Faults: `locked` where the folder is open already; `corrupted` where what is in it is damaged or is no store of
/// Troupe's; `full`; `io` where it cannot be made, read or written.
outcome<std::unique_ptr<store>> open_rocks_store(const std::string& folder, const rocks_options& options = {});

/// Removes the store in a folder, damaged or not; what else lies in the folder stays. No store there: nothing happens.
/// `locked` where it is open.
status remove_rocks_store(const std::string& folder);

} // namespace troupe::store
