#pragma once

#include "actors/news_writer.hpp"
#include "runtime/model/history.hpp"
#include "runtime/model/presence.hpp"
#include "runtime/model/resend_window.hpp"
#include "runtime/system/config.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace troupe {

class room_audit;

/// What a room is, without the actor: members, presence, numbering, the ring for returning members, the
/// window against resends. Operations go in one after the other; `seal` gives what the members are to be
/// told, encoded once for each wire format that members read.
class room_home {
public:
  struct setup {
    std::uint32_t id = 0;
    std::string name;
    std::string epoch; ///< Unique to this activation; ASCII letters and digits.
    room_settings settings;
    std::size_t dedupe_messages_max = 1024;
    std::uint64_t seq = 0; ///< After which it numbers.
  };

  explicit room_home(setup what);

  /// Records from here on what happens; `into` outlives the home.
  void record_in(room_audit* into) noexcept { audit_ = into; }

  /// The time of day for what follows: when a message's `ttl_ms` is over.
  void now_is(wall_ms wall) noexcept { now_wall_ = wall; }
  /// The answers that follow are for this incarnation of whoever they are for.
  void speak_to(std::uint32_t incarnation) noexcept { out_.speak_to(incarnation); }

  // Operations of connections, in order.

  /// Numbers the message and gives it to the members; acknowledges it where it has an `id`.
  void publish(const room_op& op, mono_ms now);
  /// Whether the op is a resend of what was numbered already; if so it has been answered.
  bool answered_before(const room_op& op);
  /// The op was accepted as this number: a resend of it is answered so.
  void remember(const room_op& op, std::uint64_t seq);
  void join(const room_op& op, mono_ms now);
  /// `join`, `rebind` or `restore`, as the op says.
  void let_in(const room_op& op, mono_ms now);
  /// The answer to a join that the room's logic refused.
  void keep_out(const room_op& op, const failure& why);
  void leave(const room_op& op, mono_ms now);
  /// @param why for the audit log
  void vanish(member_key who, mono_ms now, std::string_view why = "closed");
  void update(const room_op& op, mono_ms now);
  void list(const room_op& op);
  void rebind(const room_op& op, mono_ms now);
  void restore(const room_op& op, mono_ms now);

  // What a room's own logic says.

  /// Gives a message to all members but `except` (0: all), numbered. @returns its number
  std::uint64_t say(message_ptr m, member_key except, mono_ms now);
  /// Gives a message to one member, outside of the room's numbering.
  void say_to(member_key who, const message& m);
  /// The `ack` of an op, with a payload of raw JSON.
  void acknowledge(const room_op& op, std::string_view payload);
  void refuse(const room_op& op, const failure& why);

  /// Lets go of the messages about a user: nobody who returns is given them.
  void forget(std::string_view subject);

  /// Tells what presence has gathered, where its time has come.
  void pass_time(mono_ms now);
  /// When `pass_time` will have something to do.
  std::optional<mono_ms> next_time() const noexcept;

  /// What there is to tell since the last call; null where nothing.
  /// @param credit whether somebody waits for credit that was given back
  room_news_ptr seal(bool credit) { return out_.seal(credit); }

  std::uint32_t id() const noexcept { return what_.id; }
  const std::string& name() const noexcept { return what_.name; }
  const room_settings& settings() const noexcept { return what_.settings; }
  const std::string& epoch() const noexcept { return ring_.epoch(); }
  std::uint64_t seq() const noexcept { return ring_.last_seq(); }
  std::size_t ring_size() const noexcept { return ring_.size(); }
  std::size_t members() const noexcept { return members_.size(); }
  const std::unordered_map<member_key, std::shared_ptr<const member_info>>& all() const noexcept { return members_; }
  const member_info* find(member_key who) const noexcept;
  bool contains(std::string_view connection) const { return presence_.find(connection) != nullptr; }

private:
  bool outdated(const member_info& info) const noexcept;
  void frame(message_ptr m, std::uint64_t seq, member_key except, bool presence, mono_ms now);
  void own_single(member_key to, std::uint8_t encoder, std::string_view type, std::string_view id,
                  std::string_view payload);
  void own_frame(std::string_view type, std::string_view payload, const std::shared_ptr<const sender>& from,
                 member_key except, mono_ms now);
  void enter(std::shared_ptr<const member_info> info);
  void remove(member_key who, mono_ms now, std::string_view why);
  void announce(const presence::outcome& change, const std::shared_ptr<const sender>& who, member_key key, mono_ms now);
  void acknowledge_join(const room_op& op, mono_ms now);
  void replay(const room_op& to, mono_ms now);
  std::string state_payload(std::size_t entries_max) const;

  setup what_;
  room_audit* audit_ = nullptr; ///< Null: nothing is recorded.
  news_writer out_;
  history<message_ptr> ring_;
  presence presence_;
  std::unordered_map<member_key, std::shared_ptr<const member_info>> members_;
  std::size_t told_ = 0; ///< Members that are told of others.
  resend_window resends_;
  wall_ms now_wall_ = 0;
  std::optional<mono_ms> settled_at_; ///< When a reborn room shows its members anew.
};

} // namespace troupe
