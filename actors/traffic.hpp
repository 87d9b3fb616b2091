#pragma once

// What travels between connections, fan-outs and rooms of a node: operations towards a room's home, news
// back. Both are shared and immutable once sent, so that no hop copies a message.

#include "actors/subscription.hpp"
#include "runtime/model/errors.hpp"
#include "runtime/model/ids.hpp"
#include "runtime/model/message.hpp"
#include "runtime/wire/encoder.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

/// A client's identity on this node, as a number: one for each connection, kept when its session resumes.
using member_key = std::uint64_t;

/// The source, in an outbox, of messages to users and connections: no room has this number, nor has control.
inline constexpr std::uint32_t direct_source = 0xFFFF'FFFF;

/// A member as a room knows it.
struct member_info {
  member_key key = 0;
  std::uint32_t incarnation = 0; ///< Rises with each resume: of two registrations the higher one is current.
  std::shared_ptr<const sender> who;
  std::string state = "null"; ///< Presence state: raw JSON.
  bool presence = true;       ///< Whether it is told of the others.
  std::uint8_t encoder = 0;   ///< Index of the wire format that it reads.
  wall_ms since = 0;
  std::shared_ptr<const subscription> wants; ///< Null: everything.
};

/// What a connection, or the node, wants of a room.
enum class room_verb : std::uint8_t {
  publish, ///< Number the message and give it to the members.
  join,
  leave,
  vanish,  ///< As leave, for a session that ended: nobody is answered.
  update,  ///< New presence state.
  list,    ///< presence:get.
  rebind,  ///< A resumed session: the same member through another connection.
  restore, ///< Re-registration at a new home: silent.
  detach,  ///< The loop has no member left.

  // Of channels only.
  history,     ///< channel:history.
  acknowledge, ///< The client has what it was given, up to and including `offset`.
  spilled,     ///< The member's outbox is full: it was given nothing from `offset` on, and is paused.
  drained,     ///< The paused member's outbox is empty again: more may come.
};

/// The rarer operations carry this beside the key.
struct room_request {
  /// join, rebind, restore; spilled, drained: the one they are about; history: who asks.
  std::shared_ptr<const member_info> member;
  std::string state;             ///< update: raw JSON.
  std::optional<position> since; ///< join, rebind, history.

  // Of channels only.
  bool earliest = false;    ///< join: from the oldest message that is kept.
  bool reverse = false;     ///< history: backwards from `since`, or from the end.
  bool forget = false;      ///< leave: the position of the durable subscription goes as well.
  std::uint32_t limit = 0;  ///< history: messages at most.
  std::uint64_t offset = 0; ///< acknowledge, spilled; restore: what the member was given last, 0 where unknown.
  std::string durable;      ///< join, rebind, restore: the name of the user's durable subscription; empty: none.
};

/// One operation, in the order of its sender.
struct room_op {
  room_verb verb = room_verb::publish;
  bool answer = false;           ///< The sender waits for an `ack` or `error`, with `id` or without.
  bool echo = false;             ///< publish: to the sender as well.
  bool members_only = false;     ///< Refused where the sender is no member when its turn comes.
  std::uint8_t encoder = 0;      ///< Wire format of the sender, for the answer.
  std::uint32_t incarnation = 0; ///< Of the sender's connection: the answer is for no later one.
  std::uint32_t loop = 0;        ///< Where the sender is.
  member_key who = 0;            ///< 0: the node itself.
  message_ptr message;           ///< publish.
  std::string id;                ///< Of the request; a publish has it in its message. vanish: why, for the audit log.
  std::unique_ptr<room_request> more;

  /// What it takes of the room's credit: its size, and some of what the answer to it may take.
  std::size_t bytes() const noexcept {
    if (message != nullptr)
      return message->size();
    if (verb == room_verb::list || verb == room_verb::history || (more != nullptr && more->since))
      return 16 * 1024;
    return 64 + (more == nullptr ? 0 : more->state.size() + (more->member == nullptr ? 0 : more->member->state.size()));
  }
};

/// Answers what a room was asked and did not live to do. Safe from any thread.
class dead_letters {
public:
  virtual ~dead_letters() = default;
  virtual void answer(const std::vector<room_op>& ops) const noexcept = 0;
};

/// What one loop's connections want of one room, gathered in a turn. Whoever deals with an operation takes `answer`
/// from it: what still wants one when this ends, a room's mailbox has let go.
struct room_ops {
  room_ops() = default;
  room_ops(const room_ops&) = delete;
  room_ops& operator=(const room_ops&) = delete;
  ~room_ops() {
    if (letters != nullptr && !ops.empty())
      letters->answer(ops);
  }

  std::vector<room_op> ops;
  std::shared_ptr<const dead_letters> letters; ///< Of the room in whose mailbox they are; null before.
};
using room_ops_ptr = std::shared_ptr<room_ops>;

/// One frame of a batch. It is for every member but `except`, for those who asked for presence, or for the audience of
/// its message.
struct batch_frame {
  message_ptr message;
  std::uint64_t seq = 0;
  member_key except = 0;
  bool presence = false;
  mono_ms expires = 0;            ///< 0: never.
  std::uint64_t conflate_key = 0; ///< Where the room's policy is `conflate`.
};

/// A frame for one member only, in the member's own wire format. It comes before `frames[before]`.
struct single_frame {
  member_key to = 0;
  std::uint32_t incarnation = 0; ///< Of the connection that it is for: what a resumed one gets is replayed to it.
  std::uint32_t before = 0;
  std::shared_ptr<const std::string> bytes;
  bool stored = false; ///< Part of a catch-up: the member says `drained` when its outbox has sent it.
};

/// What a room says in a turn: encoded once for each wire format in use, in one buffer for all frames.
struct room_batch {
  struct encoded {
    std::uint8_t encoder = 0;
    std::string bytes;
    std::vector<std::uint32_t> ends; ///< Of each frame in `bytes`.
  };

  std::vector<batch_frame> frames;
  std::vector<single_frame> singles;
  std::vector<encoded> formats; ///< One for each wire format that members read: nearly always a single one.
  std::uint64_t seq_first = 0;
  std::uint64_t seq_last = 0;
  bool any_presence = false; ///< Some frame is for presence listeners only.
  bool any_except = false;
  bool any_audience = false;
  bool any_expires = false;

  /// The frames in a wire format; null where no member reads it.
  const encoded* in(std::uint8_t encoder) const noexcept {
    for (const auto& format : formats)
      if (format.encoder == encoder)
        return &format;
    return nullptr;
  }
};

/// A step of a room's stream, in order.
struct room_event {
  enum class kind : std::uint8_t {
    frames,  ///< A batch for the members that there are now.
    added,   ///< `who` is a member from here on.
    removed, ///< `who` is none from here on.
    rebound, ///< As added, for a resumed session; what it missed is in the next batch's singles.
    refused, ///< `who` did not become a member; the error is in the singles before.
    paused,  ///< `who` is given singles only, no frames: it catches up (channels). `recovered`: in answer to `spilled`;
             ///< what was stored or live and said to it before that answer was not for it.
    live,    ///< `who` has caught up: from here on it is given frames again.
  };
  kind what = kind::frames;
  bool recovered = false;
  member_key who = 0;
  std::shared_ptr<const room_batch> batch;
  std::uint32_t incarnation = 0; ///< Of the connection that asked.
};

/// What a room tells every loop that has members of it.
struct room_news {
  std::uint32_t room = 0;
  bool credit = false; ///< The window has opened again: parked messages may be tried.
  std::vector<room_event> events;
};
using room_news_ptr = std::shared_ptr<const room_news>;

} // namespace troupe
