#pragma once

#include "actors/news_writer.hpp"
#include "runtime/model/history.hpp"
#include "runtime/model/resend_window.hpp"
#include "runtime/model/stored_message.hpp"
#include "runtime/system/config.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace troupe {

class channel_audit;

/// What a channel is, without the actor, the log and the disk: offsets, subscribers, the window against resends. What
/// is published is first given out by `take_appends`; once the log has it, `stored` says so, and only then is it
/// acknowledged and delivered. What a subscriber missed comes from the ring in memory or, through `take_reads` and
/// `read_done`, from the log, piece by piece as its outbox drains; it goes live in the turn in which it has caught up.
class channel_home {
public:
  /// A message whose record is sure to fit into the log (log::record_bytes_max), names and encryption included.
  static constexpr std::size_t message_bytes_max = (std::size_t{16} << 20) - (std::size_t{64} << 10);

  /// A place in the stored history.
  struct history_mark {
    std::uint64_t last = 0;  ///< Offset.
    std::uint64_t bytes = 0; ///< Of all messages of the epoch up to it.
    std::int64_t age_ms = 0; ///< Of that message.
  };

  struct setup {
    std::uint32_t id = 0;
    std::string name;
    std::string epoch;       ///< Of its offsets; ASCII letters and digits.
    std::uint64_t first = 1; ///< The oldest offset of the epoch that is kept.
    std::uint64_t last = 0;  ///< The newest one that is stored; 0: none.
    channel_settings settings{};
    std::vector<stored_message> window{};             ///< The newest stored messages, for resends of qos 2.
    std::map<std::string, std::uint64_t> positions{}; ///< Acknowledged offsets by durable subscription, `durable_key`.
    std::set<std::string> outdated{};                 ///< Durable subscriptions of an earlier epoch: they begin anew.
    std::uint64_t bytes_before = 0;                   ///< Of all messages before `first`.
    std::vector<history_mark> marks{};                ///< From `first` to `last`.
    mono_ms now = 0;                                  ///< When the ages of the marks were right.
  };

  /// A piece of the log that a subscriber or a `channel:history` needs. Offsets are inclusive.
  struct read {
    std::uint64_t ticket = 0;
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    bool reverse = false; ///< The newest come first; the bounds apply from there.
    std::size_t messages_max = 0;
    std::size_t bytes_max = 0;
  };

  /// A durable subscription has been acknowledged up to and including an offset; without one it is forgotten.
  struct durable_position {
    std::string key;
    std::optional<std::uint64_t> offset;
  };

  explicit channel_home(setup what);

  /// The name under which a durable subscription of a user is kept.
  static std::string durable_key(std::string_view user, std::string_view name);

  /// Records from here on who subscribes, reads and goes; `into` outlives the home.
  void record_in(channel_audit* into) noexcept { audit_ = into; }
  /// The time of day for what follows: whether a message's `ttl_ms` is over.
  void now_is(wall_ms wall) noexcept { now_wall_ = wall; }

  // Operations of connections, in order.

  void publish(const room_op& op, mono_ms now);
  void join(const room_op& op, mono_ms now);
  void leave(const room_op& op);
  void vanish(member_key who, std::string_view why = "closed"); // as the audit log says it
  void rebind(const room_op& op, mono_ms now);
  /// At a new home: live from here on; where it was catching up a `gap` says so.
  void restore(const room_op& op, mono_ms now);
  void history(const room_op& op, mono_ms now);
  void acknowledge(const room_op& op, mono_ms now);
  void spilled(const room_op& op, mono_ms now);
  void drained(const room_op& op, mono_ms now);
  void refuse(const room_op& op, const failure& why);

  // Towards the log.
  /// What was published since the last call, in order.
  std::vector<stored_message> take_appends() { return std::exchange(appends_, {}); }
  /// Everything up to this offset is as durable as the channel asks for.
  void stored(std::uint64_t upto, mono_ms now);
  /// What was published from this offset on will never be stored, and nothing of it is on its way to the log any more:
  /// its offsets are given again.
  void not_stored(std::uint64_t from, const failure& why);
  std::vector<read> take_reads() { return std::exchange(reads_, {}); }
  /// @param found in the order asked for, up to the bounds; nothing, and nothing damaged: there is no more of it
  /// @param damaged what nobody can read, in the same order; what else is missing before the last of both is lost too
  /// @param why set where the log could not be read: who waits is told
  void read_done(std::uint64_t ticket, stored_messages found, const failure* why, mono_ms now,
                 const offset_ranges& damaged = {});
  std::vector<durable_position> take_positions() { return std::exchange(moved_positions_, {}); }
  /// The log keeps nothing before this offset any more.
  void dropped_before(std::uint64_t first, mono_ms now);
  /// Lets go of what is over the bounds of the channel's history.
  void trim(mono_ms now);
  /// Lets go of the messages about a user: from here on they are missed as `forgotten`.
  void forget(std::string_view subject);

  /// Redelivers what was not acknowledged in time.
  void pass_time(mono_ms now);
  /// When `pass_time` will have something to do.
  std::optional<mono_ms> next_time() const noexcept;

  /// The operations that wait for the log; whoever takes them answers them.
  std::vector<room_op> take_waiting();
  /// Which bounds were hit since the last call, by the reason under which they are counted.
  std::vector<std::string_view> take_pressure() { return std::exchange(pressure_, {}); }

  /// What there is to tell since the last call; null where nothing.
  room_news_ptr seal(bool credit) { return out_.seal(credit); }

  std::uint32_t id() const noexcept { return what_.id; }
  const std::string& name() const noexcept { return what_.name; }
  const std::string& epoch() const noexcept { return what_.epoch; }
  const channel_settings& settings() const noexcept { return what_.settings; }
  /// The oldest offset that is kept; `last() + 1` where there is none.
  std::uint64_t first() const noexcept { return first_; }
  std::uint64_t last() const noexcept { return stored_; }
  std::size_t subscribers() const noexcept { return subscribers_.size(); }
  /// The newest offset that was given to a message, stored or not.
  std::uint64_t given_out() const noexcept { return given_out_; }
  /// Whether something was published that is not stored yet.
  bool pending() const noexcept { return !unstored_.empty(); }

private:
  struct subscriber {
    std::shared_ptr<const member_info> info; ///< The object itself stands for this membership.
    std::string durable;                     ///< Its key; empty: none.
    std::uint64_t next = 0;                  ///< The offset that it is to be given next, unless live.
    std::uint64_t given = 0;                 ///< The newest that it has been given, unless live.
    std::vector<std::uint64_t> owed;         ///< Given with qos >= 1 and not acknowledged; ascending.
    mono_ms owed_since = 0;                  ///< When the oldest of them was given, or one was acknowledged or sent.
    std::uint64_t ticket = 0;                ///< Of the read that it waits for; 0: none.
    std::uint64_t read_upto = 0;             ///< The last offset of that read.
    std::string preface;                     ///< What its next piece begins with: a gap, in its wire format.
    bool live = false;
    bool draining = false; ///< Something is on its way: `drained` follows.
  };
  using subscribers_map = std::unordered_map<member_key, subscriber>;

  /// Published, on its way to the log.
  struct unstored {
    std::uint64_t offset;
    message_ptr what;
    std::vector<room_op> waiting; ///< Who gets an answer: the publisher, and those who sent it again meanwhile.
  };
  /// Neighbours that leave the history together.
  struct stretch {
    std::uint64_t first;
    std::uint64_t last;
    std::uint64_t bytes_before; ///< All that was stored up to its begin,
    std::uint64_t bytes;        ///< and up to its end.
    mono_ms begun;              ///< When its first message was stored,
    mono_ms ended;              ///< and its last.
  };
  struct asked_history {
    member_key who = 0;
    std::uint32_t incarnation = 0;
    std::uint8_t encoder = 0;
    std::string id;
    std::shared_ptr<const sender> asker; ///< Null: who is in no audience.
    std::size_t left = 0;                ///< Messages that it may still have.
    read rest;                           ///< Where they are.
    std::string messages;                ///< Those so far, in JSON.
    std::string gaps;                    ///< What is missing between them, in JSON.
  };

  qos quality(const message& m) const noexcept;
  bool reliable(const message& m) const noexcept { return quality(m) != qos::at_most_once; }
  bool unique(const message& m) const noexcept { return quality(m) == qos::once && !m.id().empty(); }
  void answer_again(const room_op& op, const resend_window::original& original);
  void extend_history(std::size_t bytes, mono_ms now);
  void frame(const stored_message& m, mono_ms now);

  static bool wants(const subscriber& s, const message& m) {
    return (s.info->wants == nullptr || s.info->wants->passes(m.type())) && m.is_for(*s.info->who);
  }
  /// Everything up to here it has been given at least once.
  std::uint64_t given(const subscriber& s) const noexcept { return s.live ? stored_ : s.given; }
  bool full(const subscriber& s) const noexcept { return s.owed.size() >= what_.settings.window; }
  bool hold(const room_op& op, subscriber& s, const std::string& name);
  void enter(member_key who, subscriber s, room_event::kind how, bool recovered);
  void remove(subscribers_map::iterator at, std::string_view why = {});
  subscriber* concerned(const room_op& op);
  void pause(member_key who, subscriber& s, std::uint64_t next);
  void go_live(member_key who, subscriber& s);
  void stop_reading(subscriber& s);
  void advance(member_key who, subscriber& s, mono_ms now);
  void give(member_key who, subscriber& s, const stored_messages& found, const offset_ranges& damaged, mono_ms now);
  void owe(subscriber& s, std::uint64_t offset, mono_ms now);
  void leave_out_forgotten(std::uint64_t ticket, std::vector<stored_message>& found);
  void append_gap(std::string& out, const subscriber& s, std::string_view reason, std::uint64_t next) const;
  void skip_to(std::string& out, subscriber& s, std::string_view reason, std::uint64_t next) const;
  void move_position(const std::string& key, std::uint64_t offset);
  std::optional<failure> no_room_for(const std::string& key, const std::string& user);
  void read_on(asked_history h);
  void history_found(asked_history h, const stored_messages& found, const offset_ranges& damaged, const failure* why);
  void answer_history(const asked_history& asked);
  std::vector<stored_message> from_ring(std::uint64_t from);

  std::string place(std::uint64_t offset) const;
  void answer(const room_op& op, std::string_view type, std::string_view payload);
  void tell(member_key who, const subscriber& s, room_event::kind what, bool recovered = false);
  void acknowledge_publish(const room_op& op, std::uint64_t offset);

  setup what_;
  channel_audit* audit_ = nullptr; ///< Null: nothing is recorded.
  news_writer out_;
  troupe::history<message_ptr> ring_;
  resend_window resends_;
  std::uint64_t first_;
  std::uint64_t stored_;
  std::uint64_t given_out_; ///< The last offset given.
  subscribers_map subscribers_;
  std::unordered_map<std::string, member_key> durables_; ///< Who holds a durable subscription, by key.
  std::deque<unstored> unstored_;
  std::vector<stored_message> appends_;
  std::vector<read> reads_;
  std::vector<durable_position> moved_positions_;
  std::vector<std::string_view> pressure_;
  std::unordered_map<std::uint64_t, member_key> readers_;      ///< By ticket.
  std::unordered_map<std::uint64_t, asked_history> histories_; ///< By ticket.
  std::uint64_t last_ticket_ = 0;
  std::vector<std::pair<std::string, std::uint64_t>> forgotten_; ///< While they were read: whom, the last ticket then.
  wall_ms now_wall_ = 0;
  mono_ms redeliver_at_ = 0; ///< Not before it is somebody late; 0: nobody owes anything.
  std::deque<stretch> stretches_;
  std::uint64_t bytes_ = 0; ///< Of all that was stored in the epoch.
};

} // namespace troupe
