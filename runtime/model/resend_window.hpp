#pragma once

#include "runtime/model/message.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

namespace troupe {

/// Which messages of qos 2 a room or channel has taken, so that a resend is known: by user (for anonymous clients
/// connection) and `id`. Remembers the newest ones up to a bound.
class resend_window {
public:
  /// What a message with the same key was.
  struct original {
    std::uint64_t number = 0;  ///< Its `seq` or `offset`.
    bool same_content = false; ///< Else the `id` is used for something else: a conflict.
  };

  /// @param messages_max how many are remembered; 0: none
  explicit resend_window(std::size_t messages_max)
      : messages_max_(messages_max) {}

  std::optional<original> find(const message& m) const;

  /// The message was given this number; it is known until `forget`, or until it is settled and enough others are.
  void expect(const message& m, std::uint64_t number);
  /// The message has its number for good: from here on it counts, and the oldest goes past the bound.
  void settle(const message& m, std::uint64_t number);
  /// An expected message will not be.
  void forget(const message& m);

private:
  struct entry {
    std::size_t hash;
    std::uint64_t number;
  };

  std::size_t messages_max_;
  std::unordered_map<std::string, entry> known_;
  std::deque<std::string> settled_; ///< Keys, the oldest first.
};

} // namespace troupe
