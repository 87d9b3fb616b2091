#pragma once

// The fields of the envelope and what their texts may be (docs/protocol.md, "Envelope"). Private to runtime/wire.

#include <cstdint>
#include <cstring>
#include <string_view>

namespace troupe::wire {

/// What a value is, as far as the envelope asks.
enum class node_kind : std::uint8_t { string, number, object, array, other };

/// The fields that a sender sets; all others are ignored.
enum class field : std::uint8_t {
  unknown,
  type,
  id,
  room,
  channel,
  to,
  payload,
  qos,
  ttl_ms,
  offline,
  privacy,
  headers,
  traceparent,
};

/// The field of this name.
inline field field_of(std::string_view key) noexcept {
  const auto is = [key](const char* name) { return std::memcmp(key.data(), name, key.size()) == 0; };
  switch (key.size()) {
  case 2:
    return is("id") ? field::id : is("to") ? field::to : field::unknown;
  case 3:
    return is("qos") ? field::qos : field::unknown;
  case 4:
    return is("type") ? field::type : is("room") ? field::room : field::unknown;
  case 6:
    return is("ttl_ms") ? field::ttl_ms : field::unknown;
  case 7:
    return is("payload")   ? field::payload
           : is("channel") ? field::channel
           : is("headers") ? field::headers
           : is("offline") ? field::offline
           : is("privacy") ? field::privacy
                           : field::unknown;
  case 11:
    return is("traceparent") ? field::traceparent : field::unknown;
  default:
    return field::unknown;
  }
}

/// Whether this is a type: 1..128 of `A-Za-z0-9_.:/-`.
bool is_type(std::string_view text) noexcept;

/// Whether this is the name of a room, channel, user or connection: 1..256 bytes of UTF-8 without control
/// characters (C0, DEL, C1). Precondition: it is UTF-8.
bool is_name(std::string_view text) noexcept;

} // namespace troupe::wire
