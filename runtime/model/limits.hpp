#pragma once

#include <cstddef>
#include <cstdint>

/// Every fixed bound of the protocol and the runtime, units last. Bounds that an operator may
/// change are defaults of the configuration (runtime/system/config.hpp) and start from here.
namespace troupe::limits {

// The envelope (docs/protocol.md).
inline constexpr std::size_t type_bytes_max = 128;
inline constexpr std::size_t id_bytes_max = 128;
inline constexpr std::size_t name_bytes_max = 256; ///< Of a room or channel.
inline constexpr std::size_t payload_depth_max = 128;
inline constexpr std::size_t users_per_message_max = 100;
inline constexpr std::size_t audience_max = 100;
inline constexpr std::size_t headers_max = 64;
inline constexpr std::size_t headers_bytes_max = 8 * 1024;
inline constexpr std::size_t traceparent_bytes_max = 128;
inline constexpr std::size_t message_bytes_max = 64 * 1024;
inline constexpr std::int64_t ttl_ms_max = std::int64_t{1} << 53;

// Frames (RFC 6455).
inline constexpr std::size_t close_reason_bytes_max = 123;
inline constexpr std::size_t fragments_per_message_max = 64;
inline constexpr std::int64_t message_assembly_ms_max = 30'000;

// Parking at a connection (docs/guarantees.md, "Flow").
inline constexpr std::size_t park_messages_max = 16;
inline constexpr std::size_t park_bytes_max = 256 * 1024;
inline constexpr std::int64_t park_wait_ms_max = 5'000;

// A room's ring for returning members.
inline constexpr std::size_t ring_messages_max = 256;
inline constexpr std::size_t ring_bytes_max = 256 * 1024;
inline constexpr std::int64_t ring_age_ms_max = 30'000;

// Misbehaviour.
inline constexpr std::size_t bad_messages_per_minute_max = 10;
inline constexpr std::size_t rate_limited_seconds_max = 10;
inline constexpr std::int64_t linger_ms_max = 5'000;

} // namespace troupe::limits
