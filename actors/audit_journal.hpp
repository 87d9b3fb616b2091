#pragma once

#include "actors/audit_gatherer.hpp"
#include "actors/checkpoint_signer.hpp"
#include "actors/interfaces.hpp"
#include "runtime/log/writer.hpp"
#include "runtime/model/ids.hpp"
#include "runtime/system/thread_sanitizer.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {

struct local_node;

/// Appends to the audit log, the log of what is not a channel, on a thread of its own. Nobody waits for it: what comes
/// within some milliseconds is written together, and synced each `journal.sync_interval`.
///
/// While the disk has no room it keeps what it was given, so no more comes: those who may lose records do. A sync that
/// fails ends the node, as the journal's (docs/guarantees.md).
class audit_journal final : public ordered_actor<audit_journal_handle::base> {
public:
  static constexpr const char* class_name = "audit";

  audit_journal(caf::actor_config& cfg, local_node& owner, std::unique_ptr<log::writer> to,
                checkpoint_signer checkpoints);

  const char* name() const override { return "audit_journal"; }
  audit_journal_handle::behavior_type make_behavior() override;
  void on_exit() override;

private:
  void take(const audit_batch_ptr& what);
  /// @returns whether all was written
  bool commit();
  /// Appends what waits. @returns what kept it from all of it
  log::status append();
  /// Appends a record of a batch; what it has of a payload that is confidential is sealed first.
  log::result<std::uint64_t> append_one(const audit_batch& batch, std::string_view body);
  log::result<std::uint64_t> append_sealed(log::record_view r);
  void forget(const std::string& subject, const journal_handle& asker);
  bool is_forgotten(const log::record_view& r) const;
  void append_own(log::record_kind kind);
  void sync();
  void tick();
  void refused(const log::fault& why);
  std::int64_t now_us() const;

  local_node& node_;
  std::unique_ptr<log::writer> writer_;
  checkpoint_signer checkpoints_;
  std::deque<audit_batch_ptr> waiting_;   ///< Not appended yet, the first one up to `next_`.
  std::vector<audit_batch_ptr> appended_; ///< And not written yet.
  std::size_t next_ = 0;
  std::size_t waiting_bytes_ = 0; ///< That have come since the last commit.
  /// Users who were forgotten lately, and when: what is about them and older may still be on its way.
  std::deque<std::pair<std::string, std::int64_t>> forgotten_;
  bool committing_ = false; ///< A commit message is on its way.
  bool ended_ = false;
  mono_ms synced_at_ = 0;
  mono_ms retained_at_ = 0;
  bool refused_ = false; ///< It has been told that the disk takes nothing.
};

/// Opens the audit log in a data folder, spawns its journal (hidden, on a thread of its own: it ends last), and makes
/// the node's trail. Throws std::runtime_error with one clear line.
/// @param accept_loss goes on without what is damaged or missing
void start_audit(caf::actor_system& system, local_node& of, const std::string& data, bool accept_loss);

/// Ends both after everything that was recorded: writes, syncs, signs. All other actors have ended; the loops run.
/// The handle stays, for the journal reads it: whoever calls lets go of it before the system ends, which waits for
/// that.
void stop_audit(caf::actor_system& system, local_node& of);

} // namespace troupe
