#pragma once

#include "actors/room_home.hpp"
#include "actors/room_logic.hpp"
#include "runtime/model/value.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::testing {

/// A table of apps/examples/turns.hpp without an actor: inputs go in one by one, time is a number, and everything that
/// the room says is kept as text, so that two runs can be compared byte for byte.
class turns_table {
public:
  explicit turns_table(std::uint64_t seed);

  // Inputs, each processed at once. Members are numbers; the connection is "c" and the number.

  void join(member_key who, std::optional<std::string> user = {});
  void leave(member_key who);
  /// Requests have numbers as their ids. @returns the number
  int move(member_key who, std::int64_t cell, std::uint64_t turn);
  int send(member_key who, std::string type, const value& payload = {});
  /// Time passes; timers that become due fire.
  void pass(std::chrono::milliseconds time);
  /// The logic ends and starts anew from its snapshot, its members stay; timers end with it.
  /// @param saved whether the snapshot is of this moment; else it is the one before
  void restart(bool saved = true);

  /// Everything said so far: an envelope a line, with the receiver in front where there is only one.
  const std::vector<std::string>& said() const noexcept { return said_; }
  /// The payload of the last `game:state`.
  const value& state() const noexcept { return state_; }
  /// "ack", or the code of the `error`, that answered a request; empty where nothing did.
  std::string answer_to(int request) const;
  std::uint64_t turn() const { return state_["turn"].as_uint().value_or(0); }
  /// Whose turn it is, as the connection or user; nothing where no game is on.
  std::optional<std::string> next_player() const;

private:
  struct due {
    std::int64_t at;
    std::uint64_t token;
  };

  room_op op(room_verb verb, member_key who);
  void listen();
  void hear(std::string_view envelopes, std::string_view to);

  room_type type_;
  room_home home_;
  room_logic logic_;
  std::int64_t now_ = 1'000'000;
  int requests_ = 0;
  std::vector<due> timers_;
  std::vector<std::string> said_;
  std::vector<std::pair<int, std::string>> answers_;
  value state_;
};

} // namespace troupe::testing
