#pragma once

#include "actors/audit_gatherer.hpp"
#include "actors/interfaces.hpp"
#include "runtime/system/loop.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

namespace troupe {

struct local_node;

/// Where the actors of a node record what happens: a gatherer for each loop, and one for what happens on any thread.
class audit_trail {
public:
  audit_trail(local_node& of, audit_journal_handle to);
  ~audit_trail();

  /// The gatherer of a loop, for who runs on it.
  audit_gatherer& on(const loop& where) noexcept;
  /// One for who runs off the loops, and flushes it.
  std::unique_ptr<audit_gatherer> off_loops();
  /// Records what `on_event` is told of. From any thread.
  void event(std::string_view kind, std::string_view subject, std::string_view detail);
  /// Hands over the rest, and lets go of the journal: what comes later is not recorded. The loops still run, and nobody
  /// else does.
  void close();

private:
  struct loop_part;

  audit_gatherer::setup setup_for(audit_journal_handle to);
  void flush_events();

  local_node& node_;
  std::vector<std::unique_ptr<loop_part>> loops_;
  std::mutex lock_; ///< Of what follows.
  audit_journal_handle journal_;
  std::unique_ptr<audit_gatherer> events_;
};

} // namespace troupe
