#pragma once

#include "runtime/model/mesh/hearing.hpp"
#include "runtime/model/mesh/view.hpp"
#include "runtime/model/presence.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

/// What nodes say to each other. A link delivers in order; a heartbeat may overtake the rest, nothing else may.
namespace troupe::mesh {

/// What rooms and clients say, encoded by them: opaque here, shared by all who wait to be sent it.
using cargo = std::shared_ptr<const std::string>;

// -- views

/// Comes every `heartbeat_ms`, and at once when a view is installed. Carries the view itself, so that whoever missed
/// its issue learns of it from anybody.
struct heartbeat {
  std::vector<hearing_row> rows; ///< The sender's first.
  view installed;                ///< Of the sender; without members where it has given that view up.
};

/// The sender agrees to a view. In order behind all that it sent by the views before: what a room that moves is still
/// to take is complete once all members have said so.
struct agreed {
  view_id id;
  view_id before; ///< The view that was active at the sender, if any.
};

/// The sender has handed over whatever it held of the rooms that moved with the view.
struct settled {
  view_id id;
};

/// The sender ends, and has nothing left.
struct goodbye {};

// -- rooms

/// A message or a batch of them, with the number that the home gave it.
struct numbered {
  std::uint64_t seq = 0;
  cargo what;
};

/// What a fan-out has seen of a room.
struct place_in_room {
  epoch_id epoch;
  std::uint64_t seq = 0;
};

/// The sender's fan-out wants a room's messages from here on, and those that it missed.
struct attach {
  std::string room;
  view_id view;             ///< By which it takes the receiver for the room's home.
  std::uint64_t ticket = 0; ///< Of this request; the answer has it too.
  std::optional<place_in_room> seen;
};

/// The answer to `attach`; the room's frames follow it.
struct attached {
  std::string room;
  std::uint64_t ticket = 0;
  epoch_id epoch;
  std::uint64_t seq = 0;        ///< After `missed`.
  bool recovered = false;       ///< `missed` is all that came after what the fan-out had seen.
  std::vector<numbered> missed; ///< Out of the room's ring.
};

/// The sender's fan-out has nobody left for the room.
struct detach {
  std::string room;
};

/// The room's next message, for a node whose fan-out is attached.
struct frames {
  std::string room;
  epoch_id epoch;
  numbered what;
};

/// The room goes on in another epoch; its numbers begin anew.
struct renewed {
  std::string room;
  epoch_id epoch;
};

/// A message for the room's home.
struct publish {
  std::string room;
  view_id view;         ///< By which the sender takes the receiver for the room's home.
  std::uint64_t id = 0; ///< Of the sender.
  cargo what;
};

/// The room did not take the message: `unavailable`.
struct refused {
  std::string room;
  std::uint64_t id = 0;
};

/// A room on its way: all that a home needs to go on with it.
struct room_state {
  epoch_id epoch;
  std::uint64_t seq = 0;
  std::string bytes; ///< Of a room handed over: ring, dedupe window, snapshot. Of a snapshot: what it says.
};

/// The sender has sealed the room; nobody else has this epoch of it. Sent once, never again.
struct hand_over {
  std::string room;
  view_id view;
  room_state state;
};

/// For the room's successor, should its home crash.
struct snapshot {
  std::string room;
  room_state state;
};

// -- claims

/// Where a channel or an inbox has its log.
struct claim {
  std::string name;
  std::string owner; ///< A node's name: its log outlives its lives.
  std::uint64_t term = 0;
  std::string epoch; ///< Of the log's stream.

  friend bool operator==(const claim&, const claim&) = default;
};

inline constexpr std::size_t claim_buckets = 64;

/// What the sender knows, a hash a bucket of names.
struct claims_digest {
  std::array<std::uint64_t, claim_buckets> hashes{};
};

/// Claims to be merged: new ones, or a page of a bucket in which two nodes differ.
struct claims_page {
  std::vector<claim> claims;          ///< By name, where it is of a bucket.
  std::optional<std::uint8_t> bucket; ///< Nothing: news.
  bool more = false;                  ///< Ask on after the last one.
};

/// Asks for the next page of a bucket.
struct claims_request {
  std::uint8_t bucket = 0;
  std::string after;
};

// -- presence

/// What changed in the sender's own part of the roster since a version, or a page of all of it.
struct roster_page {
  std::uint64_t number = 0; ///< Of this page; the receipt has it too.
  std::uint64_t from = 0;   ///< The version that the receiver has to have; of a full list 0.
  std::uint64_t to = 0;     ///< The version that it has then; in a full list, with the last page.
  bool full = false;
  bool more = false;           ///< Of a full list: other pages follow.
  std::string after;           ///< Of a full list: the last connection of the page before; empty: this is the first.
  std::vector<member> entries; ///< Those that are `gone` are to be removed.
};

/// What the sender has of the receiver's part: the answer to a page, and unasked in a new view.
struct roster_receipt {
  std::uint64_t page = 0;    ///< Which one it answers; 0: none, whatever is under way does not count any more.
  std::uint64_t version = 0; ///< 0: nothing.
  std::string after;         ///< In the middle of a full list: as far as it has come.
};

using message =
    std::variant<heartbeat, agreed, settled, goodbye, attach, attached, detach, frames, renewed, publish, refused,
                 hand_over, snapshot, claims_digest, claims_page, claims_request, roster_page, roster_receipt>;

} // namespace troupe::mesh
