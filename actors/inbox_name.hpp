#pragma once

// Inboxes lie in the log beside channels, under names that no client can give a channel (runtime/wire: `is_name`).

#include <optional>
#include <string>
#include <string_view>

namespace troupe {

inline constexpr std::string_view inbox_prefix = "\x01inbox/";
inline constexpr std::string_view inbox_durable = "inbox"; ///< Under which its acknowledged position is kept.

inline std::string inbox_name(std::string_view user) { return std::string{inbox_prefix}.append(user); }

/// Whose inbox has this name; nothing where it is a channel's.
inline std::optional<std::string_view> inbox_user(std::string_view name) noexcept {
  return name.starts_with(inbox_prefix) ? std::optional{name.substr(inbox_prefix.size())} : std::nullopt;
}

/// Whether the name is a channel's: no inbox, nor anything else that is the node's own.
inline bool is_channel_name(std::string_view name) noexcept { return !name.starts_with('\x01'); }

} // namespace troupe
