#pragma once

#include "actors/traffic.hpp"

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// Writes what a room or channel says in a turn: events in their order, messages encoded once for each wire format that
/// somebody reads.
class news_writer {
public:
  /// @param id of the room or channel
  /// @param name its name, and `kind` what it is: the target of what it says itself
  news_writer(std::uint32_t id, target_kind kind, std::string name);

  /// What follows is for this incarnation of whoever it is for.
  void speak_to(std::uint32_t incarnation) noexcept { incarnation_ = incarnation; }
  std::uint32_t spoken_to() const noexcept { return incarnation_; }

  /// From here on a member more, or less, reads this wire format.
  void reader_came(std::uint8_t encoder);
  void reader_went(std::uint8_t encoder);
  bool has_readers() const noexcept { return !active_.empty(); }

  /// A frame for the members that there are now; `f.message` is set.
  void frame(batch_frame f, const stamp& at);
  /// A message for one member; `to` 0: for nobody.
  void single(member_key to, std::uint8_t encoder, const message& m, const stamp& at);
  /// Frames for one member, encoded already, as one piece of its outbox.
  void single(member_key to, std::string bytes, bool stored);
  /// An answer to one member about this room or channel, with a payload of raw JSON.
  void answer(member_key to, std::uint8_t encoder, std::string_view type, std::string_view id, std::string_view payload,
              const stamp& at);
  /// A step of the stream: what was said before it goes before it.
  void tell(room_event::kind what, member_key who, bool recovered = false);
  /// Begins a new batch: what was said so far was for the members so far.
  void close_batch();

  /// Everything since the last call; null where there is nothing.
  /// @param credit whether somebody waits for credit that was given back
  room_news_ptr seal(bool credit);

private:
  room_batch& open_batch();

  std::uint32_t id_;
  target_kind kind_;
  std::string name_;
  std::array<std::uint32_t, wire::encoders_max> readers_{}; ///< Members by wire format.
  std::vector<std::uint8_t> active_;                        ///< Formats that have readers.
  std::shared_ptr<room_batch> building_;
  std::shared_ptr<room_news> news_;
  std::uint32_t incarnation_ = 0;
  std::size_t last_batch_bytes_ = 0;
};

} // namespace troupe
