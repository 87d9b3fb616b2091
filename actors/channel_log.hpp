#pragma once

#include "actors/journal_traffic.hpp"
#include "runtime/log/cursor.hpp"
#include "runtime/log/subject_keys.hpp"
#include "runtime/log/writer.hpp"
#include "runtime/store/store.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe {

/// What is published in channels, as records of the log, and the index by which they are found again. One thread
/// writes; `channel_log_reader` reads beside it.
///
/// The index (runtime/store) is derived: one entry for each run of a channel's messages that was appended together,
/// one for each message that a resend has to be held against. After a crash it is behind and is caught up from the log
/// when it is opened.
class channel_log {
public:
  static constexpr std::string_view class_name = "channels";

  struct setup {
    std::filesystem::path folder; ///< Of the data; the log lies in `log/channels`, the index in `store`.
    std::string node;
    std::uint64_t segment_bytes = std::uint64_t{64} << 20;
    std::size_t store_cache_bytes = std::size_t{32} << 20;
    std::size_t index_lag_bytes = std::size_t{64} << 20; ///< What the index may lack before nothing more is taken.
    bool accept_loss = false; ///< Goes on without records that are damaged or missing; all channels begin new epochs.
    std::function<void(std::uint64_t done, std::uint64_t all)> progress = {}; ///< Of catching up, in records.
    std::function<std::int64_t()> clock_us =
        {};                ///< Since the Unix epoch, for the ages of segments; empty: the system's.
    std::string boot = {}; ///< Another one each time that the machine starts; empty: the kernel's (random(4), boot_id).
    std::shared_ptr<log::subject_keys> keys = {}; ///< Of confidential payloads; null: those in `subject-keys`.
    /// Opens another index than the one in `store`; empty: that one.
    std::function<store::outcome<std::unique_ptr<store::store>>()> index = {};
  };

  /// Opens log and index, and catches the index up. A failure says what a person has to do.
  static std::variant<std::unique_ptr<channel_log>, failure> open(const setup& how,
                                                                  log::file_ops& ops = log::system_files());

  /// What the log has of a channel; a new one begins an epoch, which is a record.
  /// @param new_epoch unique; used where the channel is new or its order cannot be continued
  channel_opened open_channel(std::string_view name, const channel_settings& settings, std::string new_epoch,
                              std::int64_t now_us);

  /// The users for whom inboxes have something that was not acknowledged. Looks at all that there ever were, and calls
  /// `looked_at` at the end with how many. Throws std::runtime_error where the index cannot be read.
  std::vector<std::string> unacknowledged_inboxes(const std::function<void(std::size_t)>& looked_at = {}) const;

  /// What became of an append: `group` as `append` returned it. The log takes messages one after the other, so of a
  /// group that it refuses the first ones may be stored.
  struct outcome {
    std::uint64_t group = 0;
    std::uint64_t stored = 0;   ///< Offset of the last message that is stored; 0: none.
    std::optional<failure> why; ///< What follows that one is not.
  };

  /// Buffers a channel's messages and positions as one group. After a refusal all messages of the same run, and of
  /// earlier ones, are refused too. @returns its number, which rises
  std::uint64_t append(std::shared_ptr<const channel_entries> what, std::int64_t now_us);
  /// Writes what is buffered, and syncs it where `sync` is set.
  /// @returns what became of each group, in order. After a failed sync `is_dead()`: acknowledge nothing more and end.
  std::vector<outcome> commit(bool sync);
  /// Syncs what was written and not synced.
  bool sync();
  /// The last record of a clean stop, synced. @returns why it is not, unless `is_dead()`
  std::optional<failure> close(std::int64_t now_us);

  bool is_dead() const noexcept { return writer_->is_dead(); }
  /// What was accepted to be lost when it was opened; a record `log.damaged` says the same.
  const std::vector<log::accepted_loss>& losses() const noexcept { return writer_->found().losses; }
  bool has_unsynced() const noexcept { return writer_->synced() < writer_->written(); }
  /// Gives the index what it has not taken yet. @returns false where it does not take it: `index_fault` says why
  bool catch_up_index();
  const store::status& index_fault() const noexcept { return index_fault_; }
  /// Destroys the key of a user's payloads and records that, synced. Called between a `commit` and the next `append`;
  /// what fails may be tried again.
  std::optional<failure> forget_subject(std::string_view subject, std::int64_t now_us);
  /// Drops whole segments that are too old or too many.
  std::optional<failure> retain(std::int64_t age_us_max, std::uint64_t bytes_max, std::int64_t now_us);

  /// The oldest message of a channel that is kept has this offset now.
  struct dropped {
    std::string channel;
    std::string epoch;
    std::uint64_t first = 0;
  };
  /// Goes on erasing what the index has of dropped segments, a bounded number of entries. @returns what has changed
  std::vector<dropped> drop_some();

  /// Set while the index lacks something of what the log has: for readers, which would miss it.
  std::shared_ptr<const std::atomic<bool>> index_behind() const noexcept { return index_behind_; }
  const log::writer& writer() const noexcept { return *writer_; }
  const store::store& index() const noexcept { return *index_; }
  const std::shared_ptr<log::subject_keys>& keys() const noexcept { return keys_; }
  std::filesystem::path folder() const { return writer_->folder(); }

  /// Where a run of messages lies.
  struct run {
    std::uint64_t first = 0; ///< Offset of its first message.
    std::uint64_t last = 0;
    std::uint64_t segment = 0;
    std::uint64_t at = 0;      ///< Of its first frame in the segment.
    std::uint64_t index = 0;   ///< Of its first record in the log.
    std::uint64_t bytes = 0;   ///< Of its messages, about.
    std::uint64_t total = 0;   ///< Of all messages of the epoch up to its end.
    std::uint64_t time_ms = 0; ///< When its last message was accepted, since the Unix epoch.
  };
  static std::string run_key(std::string_view channel, std::string_view epoch, std::uint64_t first);
  static std::string run_prefix(std::string_view channel, std::string_view epoch);
  static std::optional<run> run_from(std::string_view key, std::string_view value);

private:
  /// Where a message lies that a resend is held against.
  struct spot {
    std::uint64_t offset = 0;
    std::uint64_t segment = 0;
    std::uint64_t at = 0;
    std::uint64_t index = 0;
  };
  struct group {
    std::uint64_t number = 0;
    std::shared_ptr<const channel_entries> what;
    std::vector<run> runs;
    std::vector<spot> unique;
    std::uint64_t positions_at = 0; ///< Index of the record of the first position,
    std::size_t positions = 0;      ///< and how many were appended.
    std::optional<failure> why;
  };
  struct refusal {
    std::uint64_t run = 0;
    failure why;
  };
  class catching_up;

  channel_log() = default;
  std::optional<failure> open_index(const setup& how);
  std::optional<failure> catch_up(const setup& how);
  std::optional<failure> pass_damage(log::cursor& at, bool accept_loss);
  std::optional<failure> note_loss(const setup& how);
  static failure advised(const log::fault& why);
  std::uint64_t unacknowledged(std::string_view inbox, std::string_view epoch) const;
  std::optional<failure> note_boot(const setup& how, log::file_ops& ops);
  std::optional<failure> begin_epoch(std::string_view name, const std::string& epoch, std::int64_t now_us);
  std::optional<failure> find_kept(std::string_view name, const channel_settings& settings, std::int64_t now_us,
                                   channel_opened& out) const;
  std::optional<failure> find_positions(std::string_view name, channel_opened& out) const;
  std::optional<failure> find_window(std::string_view name, std::size_t many, channel_opened& out) const;
  log::status read_at(const spot& where, std::optional<log::cursor>& at) const;
  std::optional<failure> find_newest(std::string_view name, const channel_settings& settings, std::int64_t now_us,
                                     channel_opened& out) const;
  std::optional<failure> carry_positions(std::int64_t now_us);
  void append_messages(group& g);
  void append_positions(group& g, std::int64_t now_us);
  outcome settle(group& g, std::uint64_t safe, const log::status& why);
  void note_run(store::batch& into, std::string_view channel, std::string_view epoch, run what);
  static void note_position(store::batch& into, std::string_view channel, std::string_view epoch,
                            const channel_home::durable_position& what);
  static void note_unique(store::batch& into, std::string_view channel, std::string_view epoch, const spot& where);
  store::outcome<std::optional<run>> run_before(std::string_view channel, std::string_view epoch,
                                                std::uint64_t offset) const;
  bool drop_some_of(char tag, store::batch& erased, std::vector<dropped>& out);
  bool is_current(std::string_view channel, std::string_view epoch) const;

  std::unique_ptr<log::writer> writer_;
  std::shared_ptr<log::subject_keys> keys_;
  std::unique_ptr<store::store> index_;
  std::string log_name_;                ///< Class in the store: the log's origin, so that another log is another class.
  bool unclean_ = false;                ///< What was written last and not synced may be lost.
  std::uint64_t started_ = 0;           ///< Index of the first record of this process.
  std::uint64_t order_lost_before_ = 0; ///< Orders that began before this record may lack their end.
  std::uint64_t last_group_ = 0;
  std::deque<group> groups_;
  std::unordered_map<std::string, refusal> refused_; ///< By channel: until it has heard of it, or opens anew.
  std::uint64_t first_segment_ = 0;                  ///< The oldest that is kept.
  std::optional<std::string> drop_from_;             ///< The key of the index to go on at.
  bool drop_again_ = false;
  store::batch changes_;      ///< What the index has not taken yet,
  store::status index_fault_; ///< and why it did not; nothing where it took all that it was given.
  std::size_t index_lag_bytes_ = 0;
  std::unordered_map<std::string, std::uint64_t> totals_; ///< `run::total` of the newest run, by `run_prefix`.
  std::shared_ptr<std::atomic<bool>> index_behind_ = std::make_shared<std::atomic<bool>>(false);
};

/// Reads what channels have stored, beside the writer; keeps its place between calls that go on where one ended.
class channel_log_reader {
public:
  /// Reads behind what `of` has written; of it only what outlives it here is used: its index has to.
  explicit channel_log_reader(const channel_log& of)
      : folder_(of.folder())
      , index_(of.index())
      , keys_(of.keys()) {}

  /// Messages in the order asked for, up to the bounds, and what is damaged before the last of them, or behind it.
  /// What is not kept any more is left out. Neither messages nor damage: there is nothing more.
  channel_found read(const channel_reading& what);

private:
  /// Where a read ended, for the one that goes on there.
  struct place {
    std::string of; ///< Channel and epoch.
    std::uint64_t next = 0;
    log::cursor at;
  };

  std::vector<channel_log::run> runs_of(const channel_reading& what, std::optional<failure>& why) const;
  bool read_runs(channel_reading& rest, const std::vector<channel_log::run>& runs, bool resumed, channel_found& out);
  std::optional<failure> read_run(const channel_reading& what, const channel_log::run& r, bool resumed,
                                  channel_found& to);
  log::status go_to(const channel_log::run& where);
  std::optional<failure> pass(const channel_reading& what, const channel_log::run& in, const log::fault& why,
                              std::uint64_t& next, channel_found& to);
  log::result<std::optional<std::uint64_t>> next_good(const channel_reading& what, const channel_log::run& in);

  std::filesystem::path folder_;
  const store::store& index_;
  std::shared_ptr<log::subject_keys> keys_;
  std::optional<log::cursor> cursor_;
  std::deque<place> places_;         ///< The newest last.
  std::uint64_t searched_bytes_ = 0; ///< Behind damage, by the read under way, at most.
};

/// Whether a record is a message of a channel or an inbox.
inline bool is_message(log::record_kind kind) noexcept {
  return kind == log::record_kind::channel_published || kind == log::record_kind::inbox_queued;
}

/// A message as a record of the log, and back.
log::record_view record_of(std::string_view channel, std::string_view epoch, const stored_message& m);
message_ptr message_from(const log::record_view& r);
/// The message of a record as it was published; null where its payload was forgotten.
log::result<message_ptr> opened_message(log::subject_keys& keys, const log::entry& e);

} // namespace troupe
