#pragma once

// What travels between channels and the journal. Everything is shared and immutable once sent.

#include "actors/channel_home.hpp"
#include "runtime/model/inbox.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace troupe {

/// A channel asks what the log has of it.
struct channel_opening {
  std::string name;
  std::uint64_t run = 0;                      ///< Of the asking actor: see `channel_entries::run`.
  std::optional<channel_settings> settings{}; ///< Nothing: those that the configuration has for the name.
};

/// The journal's answer to `channel_opening`.
struct channel_opened {
  std::string name;
  std::string epoch;
  std::uint64_t first = 1;
  std::uint64_t last = 0;
  /// The oldest first. Of a channel: of qos 2, what a resend is held against. Of an inbox: the newest messages.
  std::vector<stored_message> window;
  std::map<std::string, std::uint64_t> positions;
  std::set<std::string> outdated;                ///< Durable subscriptions whose position is of an earlier epoch.
  std::uint64_t bytes_before = 0;                ///< Of all messages of the epoch before `first`.
  std::vector<channel_home::history_mark> marks; ///< Ascending, up to `last`.
  std::vector<std::string> damaged;              ///< Records that the window lacks since nobody can read them.
  std::vector<offset_range> damaged_offsets;     ///< Of an inbox: where they lie, ascending.
  std::uint64_t lost = 0;                        ///< Of an inbox that begins anew after a loss: what was waiting.
  std::optional<failure> why;                    ///< The log cannot serve it now.
};

/// What a channel has to say to the log in a turn.
struct channel_entries {
  std::string name;
  std::string epoch;
  /// Rises each time that the log has refused something of this channel: what was sent before the channel knew of the
  /// refusal is not to be stored, since the channel has refused it as well.
  std::uint64_t run = 0;
  fsync_policy fsync = fsync_policy::always;
  std::vector<stored_message> messages;
  std::vector<channel_home::durable_position> positions;
};

/// What became of entries.
struct channel_outcome {
  std::uint64_t run = 0;
  std::uint64_t from = 0;     ///< The first offset that this is about.
  std::uint64_t upto = 0;     ///< The last.
  std::optional<failure> why; ///< They are not stored, and nothing of this run after them will be.
};

/// The log has dropped what was older: of this epoch it keeps nothing before `first`.
struct channel_cut {
  std::string epoch;
  std::uint64_t first = 0;
};

/// A channel needs a piece of what it has stored.
struct channel_reading {
  std::string name;
  std::string epoch;
  channel_home::read what;
};

/// The answer to `channel_reading`, in the order asked for.
struct channel_found {
  std::uint64_t ticket = 0;
  stored_messages messages;
  offset_ranges damaged;                ///< Between and behind them: what nobody can read any more. No two touch.
  std::vector<std::string> damaged_why; ///< The reason for each, with its place in the log.
  std::optional<failure> why;

  bool nothing() const noexcept { return messages.empty() && damaged.empty(); }
  /// The last offset of a forward read; 0: nothing.
  std::uint64_t last() const noexcept {
    return std::max(messages.empty() ? 0 : messages.back().offset, damaged.empty() ? 0 : damaged.back().last);
  }
};

/// For a log line: which messages cannot be read, and why.
inline std::string damage_text(const offset_range& where, const std::string& why) {
  return "offsets " + std::to_string(where.first) + " to " + std::to_string(where.last) + ": " + why;
}

} // namespace troupe
