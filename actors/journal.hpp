#pragma once

#include "actors/channel_log.hpp"
#include "actors/checkpoint_signer.hpp"
#include "actors/interfaces.hpp"
#include "runtime/log/subject_keys.hpp"
#include "runtime/system/pinned_actor.hpp"
#include "runtime/system/thread_sanitizer.hpp"

#include <caf/actor_addr.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>

namespace troupe {

struct local_node;

/// Appends to the node's log on a thread of its own, for writing and syncing block. Whatever has come while it wrote is
/// written and synced together (group commit), and only then acknowledged.
///
/// A disk without room refuses what it was given, and is tried again with what comes next. A sync that fails ends the
/// node: what the kernel holds is no longer known (docs/guarantees.md).
class journal final : public pinned_actor<journal_handle> {
public:
  journal(caf::actor_config& cfg, loop* home, local_node& owner, std::unique_ptr<channel_log> log,
          checkpoint_signer checkpoints);

  const char* name() const override { return "journal"; }
  journal_handle::behavior_type make_behavior() override;
  void on_exit() override;

private:
  struct waiting {
    std::uint64_t group = 0;
    log_client_handle whom;
    channel_outcome what;
  };

  void open(const channel_opening& what, const log_client_handle& from);
  void append(const std::shared_ptr<const channel_entries>& what, const log_client_handle& from);
  void commit_soon();
  void commit();
  void tick();
  void tell_of_dropped();
  void look_for_requests();
  void forget_subject(const std::string& subject);
  void finish_forgetting(const std::string& subject);
  void forgetting_failed(std::string_view why);
  void dead();
  std::int64_t now_us() const;

  local_node& node_;
  std::unique_ptr<channel_log> log_;
  checkpoint_signer checkpoints_;
  log::forget_requests requests_;
  enum class forgetting : std::uint8_t { begun, recorded, asked, done };
  std::map<std::string, forgetting> forgetting_; ///< How far it has come with each subject; bounded by the requests.
  std::deque<waiting> waiting_;
  std::unordered_map<std::string, caf::actor_addr> channels_; ///< Those that have asked; some have ended since.
  mono_ms channels_checked_at_ = 0;                           ///< When those that had ended went.
  bool committing_ = false;                                   ///< A commit message is on its way.
  bool sync_wanted_ = false;
  bool ended_ = false;
  bool looks_for_requests_ = false;
  caf::actor_addr rooms_; ///< Who is told of users that are forgotten. They end before the journal does.
  caf::actor_addr hub_;
  caf::actor_addr audit_;
  mono_ms forgetting_failed_at_ = 0;
  mono_ms retained_at_ = 0;
  mono_ms synced_at_ = 0;
  mono_ms refused_at_ = 0;     ///< When it was told last that the log refuses something; 0: never.
  bool index_refused_ = false; ///< It has been told that the index takes nothing.
};

/// Reads pieces of the log for channels, on the scheduler: what it waits for is the disk.
class log_reader final : public ordered_actor<log_reader_handle::base> {
public:
  /// @param behind set while the index lacks something: then it is the journal's turn first
  log_reader(caf::actor_config& cfg, local_node& owner, channel_log_reader reader,
             std::shared_ptr<const std::atomic<bool>> behind);

  const char* name() const override { return "log_reader"; }
  log_reader_handle::behavior_type make_behavior() override;

private:
  std::shared_ptr<const channel_found> read(const channel_reading& what);
  bool is_news(const channel_reading& what, const offset_range& damaged);

  local_node& node_;
  channel_log_reader reader_;
  std::shared_ptr<const std::atomic<bool>> behind_;
  /// Damage that was told of: channel, epoch and first offset; the last.
  std::map<std::tuple<std::string, std::string, std::uint64_t>, std::uint64_t> told_;
};

/// Opens the log in a data folder, and spawns its journal (on a thread of its own, hidden: it ends last) and its
/// reader. Throws std::runtime_error with one clear line.
/// @param accept_loss goes on without what is damaged or missing
void start_log(caf::actor_system& system, local_node& of, const std::string& data, bool accept_loss);

/// Ends the journal after everything that it was sent: writes, syncs, signs. All other actors have ended.
void stop_log(caf::actor_system& system, local_node& of);

} // namespace troupe
