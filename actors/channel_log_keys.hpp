#pragma once

// Keys and values of the index of a channel_log.

#include "runtime/store/keys.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace troupe {

/// What the index holds, by the first byte of the key.
namespace index_tag {
inline constexpr char epoch = 'e';    ///< Channel: its epoch, and the index of the record with which that began.
inline constexpr char format = 'f';   ///< Nothing more: the version of all this.
inline constexpr char loss = 'l';     ///< Nothing more: index of the newest record `log.damaged`.
inline constexpr char position = 'p'; ///< Channel, durable subscription: what was acknowledged.
inline constexpr char run = 'r';      ///< Channel, epoch, first offset: `channel_log::run`.
inline constexpr char unique = 'u';   ///< Channel, epoch, offset of a message of qos 2: where it lies.
} // namespace index_tag

inline constexpr std::string_view index_format = "2";

inline std::string epoch_key(std::string_view channel) { return store::key(index_tag::epoch).text(channel).bytes(); }

inline std::string epoch_value(std::string_view epoch, std::uint64_t born) {
  return std::string{epoch} + '\n' + std::to_string(born);
}

inline std::string position_key(std::string_view channel, std::string_view durable) {
  return store::key(index_tag::position).text(channel).text(durable).bytes();
}

/// An offset says nothing without its epoch.
inline std::string position_value(std::uint64_t offset, std::string_view epoch) {
  return store::u64_bytes(offset).append(epoch);
}

inline std::pair<std::uint64_t, std::string_view> position_from(std::string_view value) {
  return {store::u64_from(value.substr(0, 8)).value_or(0), value.substr(std::min<std::size_t>(8, value.size()))};
}

inline std::string unique_prefix(std::string_view channel, std::string_view epoch) {
  return store::key(index_tag::unique).text(channel).text(epoch).bytes();
}

} // namespace troupe
