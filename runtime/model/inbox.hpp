#pragma once

#include "runtime/model/message.hpp"
#include "runtime/model/resend_window.hpp"
#include "runtime/model/stored_message.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {

/// Why a message left an inbox before its user had it.
enum class inbox_drop : std::uint8_t {
  limit,          ///< The inbox was full: the oldest went.
  expired,        ///< Its time to live was over.
  forgotten,      ///< Whom it was about has been forgotten.
  unacknowledged, ///< Any of these, but it had been given to a connection, which has not acknowledged it.
  retention,      ///< The log has dropped it.
  damaged         ///< Nobody can read it in the log any more.
};

/// As `gap` and the counter say it: "offline_limit", "offline_ttl", "forgotten", "unacknowledged", "retention",
/// "damaged".
std::string_view to_string(inbox_drop why) noexcept;
inline constexpr std::size_t inbox_drop_kinds = 6;

/// The bounds of an inbox.
struct inbox_limits {
  std::size_t messages_max = 1000;
  std::size_t bytes_max = std::size_t{16} * 1024 * 1024;
  std::int64_t ttl_ms = 300'000; ///< Of messages without a shorter one of their own.
  std::int64_t redeliver_after_ms = 30'000;
};

/// What waits for a user, in the order in which it came: what was sent while the user was away, and what was sent with
/// qos >= 1 and is not acknowledged. Connections of the user read it, each at its own pace and piece by piece; one
/// connection's acknowledgement counts for all.
///
/// Where something is dropped that nobody has been given, a gap stands in its place, for `ttl_ms` while nobody reads:
/// who never comes leaves nothing behind. Messages with qos >= 1 have offsets and are given to nobody until the log has
/// them: `take_appends`, then `stored` or `not_stored`.
class inbox {
public:
  using reader_key = std::uint64_t; ///< A connection, for as long as it is attached.
  using asker = std::uint64_t;      ///< Who waits for an answer, in the caller's numbers.

  /// What the log has of an inbox.
  struct kept {
    std::uint64_t first = 1;             ///< The oldest offset that it keeps.
    std::uint64_t last = 0;              ///< The newest one.
    std::uint64_t acknowledged = 0;      ///< Everything up to here is settled.
    std::vector<stored_message> newest;  ///< Ascending, acknowledged or not: what it may still have to give, and what a
                                         ///< resend is held against. What is missing after `acknowledged` is a gap.
    std::vector<offset_range> damaged{}; ///< Ascending: where what is missing cannot be read.
    std::uint64_t lost = 0;              ///< Messages of an earlier order that cannot be given: a gap before all.
  };

  /// What became of a message that was offered.
  enum class verdict : std::uint8_t {
    taken,    ///< With qos >= 1 its asker is among those of `stored` or `not_stored` later.
    repeated, ///< It is here already, or was.
    waiting,  ///< As `repeated`, but the original is not stored yet: as `taken`.
    conflict, ///< Another message has its id.
    full,     ///< Everything here is on its way to the log: nothing can make way.
  };

  /// A message for a reader, or a gap.
  struct item {
    message_ptr what; ///< Null: a gap.
    std::uint64_t offset = 0;
    inbox_drop why = inbox_drop::limit; ///< Of the first message of the gap.
    std::size_t count = 0;              ///< Messages in the gap.
    std::uint64_t from = 0;             ///< The lowest offset in the gap; 0: they had none.
    std::uint64_t to = 0;
  };

  /// What a reader is given at a time. `drained` asks for more.
  struct piece {
    std::uint64_t ticket = 0;
    std::vector<item> items;
    /// Set where it ends what had waited for the user: how many messages of it were given, how many dropped.
    std::optional<std::pair<std::size_t, std::size_t>> flushed;
  };

  /// @param dedupe_max how many messages of qos 2 are remembered
  explicit inbox(inbox_limits bounds, std::size_t dedupe_max = 1024)
      : bounds_(bounds)
      , dedupe_max_(dedupe_max)
      , resends_(dedupe_max) {}

  /// Called at most once, before the first message with qos >= 1.
  void restore(const kept& what, wall_ms now);

  /// @param except a reader that is not given it
  verdict take(const message_ptr& m, reader_key except, asker who, wall_ms now);

  /// Lets go of what is about this user, as far as it is stored.
  void forget(std::string_view subject, wall_ms now);

  // Towards the log.

  std::vector<stored_message> take_appends() { return std::exchange(appends_, {}); }
  /// Everything up to this offset is stored. @returns who is to hear that it was accepted
  std::vector<asker> stored(std::uint64_t upto);
  /// Nothing of what is not stored will be: its offsets are given again. @returns who is to hear that
  std::vector<asker> not_stored();
  /// Up to where nothing is of interest any more, where that has changed since the last call.
  std::optional<std::uint64_t> take_position();

  // Readers.

  /// The connection is given what is here, and what comes.
  void attach(reader_key who);
  void detach(reader_key who);
  bool has_reader(reader_key who) const { return readers_.contains(who); }
  std::size_t readers() const noexcept { return readers_.size(); }
  /// The next piece for a reader that has sent the one before; nothing where there is nothing.
  std::optional<piece> next_piece(reader_key who, wall_ms now, mono_ms mono);
  void drained(reader_key who, std::uint64_t ticket);
  /// The user has everything up to this offset, as far as it was given.
  void acknowledge(std::uint64_t offset, mono_ms mono);

  /// Drops what is too old, and has readers given again what was not acknowledged in time.
  void pass_time(wall_ms now, mono_ms mono);
  /// In how many ms `pass_time` will have something to do.
  std::optional<std::int64_t> next_time(wall_ms now, mono_ms mono) const noexcept;

  /// Every reader has been given everything: what is given to them now is not out of order.
  bool caught_up() const noexcept;
  /// Nothing is kept.
  bool empty() const noexcept { return entries_.empty(); }
  std::size_t messages() const noexcept { return messages_; }
  /// Bytes that it occupies, itself and what the heap needs beside included, about.
  std::size_t bytes() const noexcept;
  /// Whether it has messages with qos >= 1.
  bool has_reliable() const noexcept;
  /// Whether the log has all that has an offset, and nobody reads: after `forget_volatile` it can be restored.
  bool can_sleep() const noexcept { return readers_.empty() && stored_ == given_out_; }
  /// Drops what the log does not have, and gaps where nothing else is left.
  void forget_volatile();
  std::uint64_t given_out() const noexcept { return given_out_; }
  /// Messages dropped since the last call, by `inbox_drop`.
  std::array<std::size_t, inbox_drop_kinds> take_drops() noexcept { return std::exchange(drops_, {}); }

private:
  struct entry {
    std::uint64_t number = 0; ///< Rises.
    item what;
    wall_ms expires = 0;
    reader_key except = 0;
    bool stored = true;
    bool given = false; ///< To a reader at least.
    std::vector<asker> askers;

    bool is_gap() const noexcept { return what.what == nullptr; }
    bool is_reliable() const noexcept { return what.offset != 0; }
  };
  using entries = std::deque<entry>;

  struct reader {
    std::uint64_t next = 0; ///< The number that it is to be given next.
    std::uint64_t seen = 0; ///< The highest that it was given: up to here it is given again what it has to acknowledge.
    std::uint64_t ticket = 0;
    bool draining = false;
    std::uint64_t flush_upto = 0; ///< The end of what had waited when it came; 0: it has been told.
    std::size_t delivered = 0;    ///< Of that.
    std::size_t dropped = 0;
  };

  wall_ms expiry_of(const message& m) const noexcept;
  void expect_expiry(wall_ms when) noexcept;
  entry& add(message_ptr m, wall_ms expires);
  void add_gap(std::uint64_t from, std::uint64_t to, inbox_drop why, wall_ms now);
  void add_missing(const kept& what, std::uint64_t from, std::uint64_t to, inbox_drop why, wall_ms now);
  void remember(const message& m, std::uint64_t offset);
  bool make_room(std::size_t bytes, wall_ms now);
  entries::iterator drop(entries::iterator at, inbox_drop why, wall_ms now);
  entries::iterator merge_gap(entries::iterator at);
  void expire(wall_ms now);
  void forget_given();
  void give(entry& e, reader_key who, reader& r, piece& into, mono_ms mono);

  inbox_limits bounds_;
  std::size_t dedupe_max_;
  resend_window resends_;
  std::size_t remembered_ = 0;       ///< Messages in `resends_`,
  std::size_t remembered_bytes_ = 0; ///< and what they occupy there.
  entries entries_;
  std::map<reader_key, reader> readers_;
  std::vector<stored_message> appends_;
  std::size_t messages_ = 0;
  std::size_t bytes_ = 0;
  std::uint64_t last_number_ = 0;
  std::uint64_t last_ticket_ = 0;
  std::uint64_t given_out_ = 0; ///< The last offset given to a message.
  std::uint64_t stored_ = 0;    ///< The last that is stored.
  std::uint64_t shown_ = 0;     ///< The last that a reader was given.
  std::uint64_t position_ = 0;  ///< As `take_position` said last.
  mono_ms owed_since_ = 0;      ///< Since when something is to be acknowledged; 0: nothing is.
  wall_ms next_expiry_ = 0;     ///< Nothing expires before it, a gap not while somebody reads; 0: nothing does.
  std::array<std::size_t, inbox_drop_kinds> drops_{};
};

} // namespace troupe
