#pragma once

// The table of keys behind config.hpp, and values as text. For the sources of the configuration only.

#include "runtime/system/config.hpp"
#include "runtime/system/quoted.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace troupe::settings {

using strings = std::vector<std::string>;

/// Where a key's value lies in a `config`.
using field =
    std::variant<bool*, std::size_t*, milliseconds*, rate*, std::string*, strings*, capability_list*,
                 std::vector<room_pattern>*, std::vector<channel_pattern>*, overflow*, audit_level*, fsync_policy*>;

/// What a check says is wrong, or nothing.
using complaint = std::optional<std::string>;

enum class unit : std::uint8_t { none, bytes };

/// One key: the whole truth about it, but for its default, which the struct holds.
struct key {
  std::string_view name;
  field (*at)(config&);
  std::string_view meaning;
  bool reloads = false;
  unit measure = unit::none;
  std::int64_t low = 0; ///< Bounds of a count, of bytes, or of milliseconds.
  std::int64_t high = std::numeric_limits<std::int64_t>::max();
  complaint (*check)(std::string_view item) = nullptr; ///< Of a text, or of each item of a list.
};

/// Every key, by section.
std::span<const key> all_keys() noexcept;

/// The key with this name, or null.
const key* find_key(std::string_view name) noexcept;

/// What follows the section: "heartbeat".
std::string last_part(std::string_view name);

/// What a channel may do. A room may do all but the first: it has no log from which a member could catch up.
inline constexpr overflow overflows[] = {overflow::spill, overflow::disconnect, overflow::drop_oldest,
                                         overflow::drop_newest, overflow::conflate};

/// The names of `audit_level`, in its order.
inline constexpr std::string_view audit_levels[] = {"off", "metadata", "full"};

/// The names of `fsync_policy`, in its order.
inline constexpr std::string_view fsync_policies[] = {"always", "interval", "never"};

/// Values that are written as their names.
template <class T>
concept named_value = std::is_same_v<T, overflow> || std::is_same_v<T, audit_level> || std::is_same_v<T, fsync_policy>;

std::string_view name_of(overflow value) noexcept;
std::string_view name_of(audit_level value) noexcept;
std::string_view name_of(fsync_policy value) noexcept;
/// Nothing happens where nothing has this name: `key::check` has said so.
void set_named(overflow& place, std::string_view name) noexcept;
void set_named(audit_level& place, std::string_view name) noexcept;
void set_named(fsync_policy& place, std::string_view name) noexcept;

/// Overrides by name, of rooms or of channels.
template <class T>
concept name_pattern = std::is_same_v<T, room_pattern> || std::is_same_v<T, channel_pattern>;

/// A key that a pattern of its section may override: how it travels between the pattern and a `config`, whose key then
/// reads and prints it.
template <name_pattern Pattern>
struct override_key {
  std::string_view name; ///< Of the key, section included.
  void (*take)(Pattern&, const config&);
  bool (*give)(const Pattern&, config&); ///< Whether the pattern has it.
};

/// What a pattern may override; the names all begin with its section.
template <name_pattern Pattern>
std::span<const override_key<Pattern>> all_overrides() noexcept;
template <>
std::span<const override_key<room_pattern>> all_overrides<room_pattern>() noexcept;
template <>
std::span<const override_key<channel_pattern>> all_overrides<channel_pattern>() noexcept;

/// "25s" as milliseconds; nothing where the text is no duration.
std::optional<std::int64_t> parse_duration(std::string_view text);
std::string format_duration(std::int64_t ms);

/// "64KiB" as bytes; nothing where the text is no size.
std::optional<std::int64_t> parse_size(std::string_view text);
std::string format_size(std::int64_t bytes);

std::optional<rate> parse_rate(std::string_view text);
std::string format_rate(const rate& r);

/// The key's value in `from`, in TOML.
std::string print_value(const key& k, config& from);

} // namespace troupe::settings
