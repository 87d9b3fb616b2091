#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

/// Every code that an `error` message can carry (docs/protocol.md, "Errors and close codes").
enum class error_code : std::uint8_t {
  bad_message,
  unknown_target,
  no_handler,
  not_a_member,
  unauthorized,
  forbidden,
  rate_limited,
  too_large,
  slow_consumer,
  not_home,
  unavailable,
  expired,
  conflict,
  internal,
};

/// The code as it stands on the wire, for example "not_a_member".
std::string_view to_string(error_code code) noexcept;

/// The code with this wire name, if there is one.
std::optional<error_code> error_code_from(std::string_view name) noexcept;

/// Whether trying the same again later can help; the `temporary` field of an `error`.
bool is_temporary(error_code code) noexcept;

/// A refusal as a value: what an `error` message says.
struct failure {
  error_code code = error_code::internal;
  std::string message;                       ///< One sentence for a person; never holds secrets.
  std::optional<std::int64_t> retry_ms = {}; ///< When to try again, milliseconds.
};

/// Every code that Troupe closes a connection with. 1000-1015 are RFC 6455's; 30xx mean "come back", 35xx "do not".
enum class close_code : std::uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  unsupported_data = 1003,
  no_status = 1005, ///< Never sent: the peer's close frame had no code.
  abnormal = 1006,  ///< Never sent: the connection ended without a close frame.
  invalid_payload = 1007,
  too_large = 1009,
  internal_error = 1011,
  restart = 1012,
  try_again_later = 1013,
  token_expired = 3005,
  slow_consumer = 3008,
  heartbeat_missed = 3009,
  lost_place = 3010,
  rate_limited = 3029,
  unauthorized = 3500,
  forbidden = 3501,
  replaced = 3502,
  too_many_bad_messages = 3503,
};

/// What to do, in a few words: the default reason of a close frame (at most 123 bytes).
std::string_view default_reason(close_code code) noexcept;

} // namespace troupe
