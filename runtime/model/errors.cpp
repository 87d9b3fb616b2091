#include "runtime/model/errors.hpp"

#include <array>
#include <cstddef>

namespace troupe {

namespace {

constexpr std::array<std::string_view, 14> code_names{
    "bad_message", "unknown_target", "no_handler", "not_a_member", "unauthorized", "forbidden", "rate_limited",
    "too_large",   "slow_consumer",  "not_home",   "unavailable",  "expired",      "conflict",  "internal",
};
static_assert(code_names.size() == static_cast<std::size_t>(error_code::internal) + 1);

} // namespace

std::string_view to_string(error_code code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  return index < code_names.size() ? code_names[index] : "internal";
}

std::optional<error_code> error_code_from(std::string_view name) noexcept {
  for (std::size_t i = 0; i < code_names.size(); ++i)
    if (code_names[i] == name)
      return static_cast<error_code>(i);
  return std::nullopt;
}

bool is_temporary(error_code code) noexcept {
  switch (code) {
  case error_code::rate_limited:
  case error_code::slow_consumer:
  case error_code::not_home:
  case error_code::unavailable:
  case error_code::internal:
    return true;
  case error_code::bad_message:
  case error_code::unknown_target:
  case error_code::no_handler:
  case error_code::not_a_member:
  case error_code::unauthorized:
  case error_code::forbidden:
  case error_code::too_large:
  case error_code::expired:
  case error_code::conflict:
    return false;
  }
  return false;
}

std::string_view default_reason(close_code code) noexcept {
  switch (code) {
  case close_code::normal:
    return "done";
  case close_code::going_away:
    return "the server is going away: reconnect after a random delay";
  case close_code::protocol_error:
    return "the frame breaks RFC 6455: fix the client";
  case close_code::unsupported_data:
    return "this kind of frame is not accepted here";
  case close_code::no_status:
  case close_code::abnormal:
    return "";
  case close_code::invalid_payload:
    return "the text is not UTF-8: fix the client";
  case close_code::too_large:
    return "the message is too large: send less at once";
  case close_code::internal_error:
    return "the server failed: reconnect after a random delay";
  case close_code::restart:
    return "the server restarts: reconnect after a random delay";
  case close_code::try_again_later:
    return "the server cannot take you now: try again later";
  case close_code::token_expired:
    return "the token expired: come back with a new one";
  case close_code::slow_consumer:
    return "you read too slowly: come back and resume";
  case close_code::heartbeat_missed:
    return "no answer to heartbeats: come back and resume";
  case close_code::lost_place:
    return "your place in the stream is lost: come back and resume";
  case close_code::rate_limited:
    return "too many messages: come back and send fewer";
  case close_code::unauthorized:
    return "no valid credential: do not come back without one";
  case close_code::forbidden:
    return "not allowed here: do not come back";
  case close_code::replaced:
    return "another connection took this session: do not come back";
  case close_code::too_many_bad_messages:
    return "too many bad messages: fix the client";
  }
  return "";
}

} // namespace troupe
