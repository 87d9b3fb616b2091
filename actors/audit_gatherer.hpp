#pragma once

#include "runtime/log/record.hpp"
#include "runtime/model/credit.hpp"
#include "runtime/system/config_targets.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// Records on their way to the audit log, encoded.
struct audit_batch {
  std::string bodies;              ///< One after the other.
  std::vector<std::uint32_t> ends; ///< Of each in `bodies`.
  std::shared_ptr<credit_gate> gate;
  bool confidential = false; ///< Holds payloads that are to be sealed before they are written.

  std::string_view body(std::size_t i) const noexcept {
    const std::size_t from = i == 0 ? 0 : ends[i - 1];
    return std::string_view{bodies}.substr(from, ends[i] - from);
  }
  /// They are written: others may take their place. Called once.
  void done() const noexcept { gate->give(ends.size(), bodies.size()); }
};
using audit_batch_ptr = std::shared_ptr<const audit_batch>;

/// Gathers the audit records of one loop, or of one room off the loops, and hands them over together, now and then.
/// What is on its way to the disk is bounded: past that, records that may be lost are, and those that may not make it
/// `behind()`, upon which whoever causes them takes no more. Without an actor; one thread at a time.
class audit_gatherer {
public:
  struct setup {
    std::size_t bytes_max = 0; ///< That may be on their way.
    std::function<void(audit_batch_ptr)> hand_over;
    std::function<void()> began = {};                ///< The first record has come: `flush` is to be called by and by.
    std::function<void(std::string_view)> lost = {}; ///< Of each stretch of losses: the room of the first one.
    std::function<void()> dropped = {};              ///< For each record that is lost.
  };

  explicit audit_gatherer(setup how);

  /// @param needed full: never dropped; metadata: dropped where too much is on its way
  void add(const log::record_view& what, audit_level needed);
  /// So much is on its way that no more should be caused.
  bool behind() const noexcept { return gate_->bytes_in_flight() >= how_.bytes_max; }
  /// Hands over what was gathered.
  void flush();
  /// Records how many were lost since the last record, if any were, and hands over.
  void finish(std::int64_t now_us);

private:
  void append(const log::record_view& what);
  void confess(std::int64_t time_us);

  setup how_;
  std::shared_ptr<credit_gate> gate_;
  std::shared_ptr<audit_batch> batch_;
  std::size_t batch_bytes_ = 0; ///< Of the last batch: the next one will be about as large.
  std::uint64_t lost_ = 0;
};

} // namespace troupe
