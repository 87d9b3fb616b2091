#pragma once

#include "runtime/store/batch.hpp"
#include "runtime/store/outcome.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::store {

/// Which way a scan goes through the keys.
enum class direction : std::uint8_t { forward, backward };

/// What a scan looks at.
struct scan_range {
  std::string_view prefix;              ///< Only keys that begin with it; empty: all.
  std::optional<std::string_view> from; ///< The whole key to begin at, given too if it is there. Nothing: the end
                                        ///< of the prefix where the direction begins. May lie outside of it.
  direction way = direction::forward;   ///< By the order of the bytes, unsigned.
  std::size_t limit = std::numeric_limits<std::size_t>::max(); ///< At most so many entries are given.
};

/// Keys and values, both of any bytes, in key order: what is derived from a log or is small and changes (indexes,
/// queues, positions, dedupe windows). With each batch a store keeps how far the log is in it, so after a crash the
/// log is applied again from there (runtime/store/rebuild.hpp).
///
/// A store may lose the newest batches in a crash, always a whole number of them from the end: what it then holds is
/// what it held after an earlier batch, and `applied` says after which. Nothing can be acknowledged on the strength of
/// `apply`; what a log cannot give back must not be here without a `flush`.
///
/// Threads: `apply`, `flush` and `close` are called by one thread at a time, the writer. `get`, `scan` and `applied`
/// may be called by any thread at any time, also while the writer writes, but not during or after `close`. They may
/// read the disk, so they have no place on a loop.
///
/// No call throws. After a fault of kind `corrupted` the rest of the store is not to be trusted either.
class store {
public:
  /// Given each entry of a scan; the views hold during the call. False ends the scan.
  using visitor = std::function<bool(std::string_view key, std::string_view value)>;

  store() = default;
  store(const store&) = delete;
  store& operator=(const store&) = delete;
  /// Closes; a failure of that is lost, so a writer that minds calls `close`.
  virtual ~store() = default;

  /// The value of a key; nothing where the key is not there.
  virtual outcome<std::optional<std::string>> get(std::string_view key) const = 0;
  /// Makes all changes of a batch, its `applied` numbers with them, or none. Readers see all or none of them.
  virtual status apply(const batch& changes) = 0;
  /// Gives the entries of a range in order, all as they were at one moment. The visitor must not write to the store.
  /// @returns how many entries were given
  virtual outcome<std::size_t> scan(const scan_range& range, const visitor& give) const = 0;
  /// The store holds what the records [0, applied) of a log class led to; 0 for a class that it does not know.
  virtual outcome<std::uint64_t> applied(std::string_view log_class) const = 0;
  /// What was applied before survives a loss of power when this returns without a failure. Before a log drops records
  /// that a store might need once more, it is flushed.
  virtual status flush() = 0;
  /// Flushes and lets go of the folder, also where the flush fails. Every later call answers `closed`.
  virtual status close() = 0;
};

} // namespace troupe::store
