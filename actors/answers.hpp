#pragma once

// The texts of what the node itself says: payloads in JSON and the messages that carry them.

#include "runtime/model/errors.hpp"
#include "runtime/model/message.hpp"
#include "runtime/model/presence.hpp"
#include "runtime/model/value.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

/// A message that the node makes itself; without `ts`.
/// @param payload raw JSON
message_ptr plain_message(std::string_view type, std::string_view id, target_kind target, std::string_view name,
                          std::string_view payload, std::shared_ptr<const sender> from = nullptr);

/// A value as JSON.
std::string json_of(const value& v);

/// `{"seq":..,"epoch":".."}`.
std::string position_payload(std::uint64_t seq, std::string_view epoch);

/// `{"code":..,"message":..,"temporary":..,"retry_ms":..?}`.
std::string failure_payload(const failure& why);

/// Whether the message's `ttl_ms` is over.
bool expired(const message& m, wall_ms now) noexcept;
/// When its `ttl_ms` will be over, which has run since the message was accepted; 0: never.
mono_ms end_of_ttl(const message& m, wall_ms wall, mono_ms now) noexcept;

/// Appends `{"connection","user"?,"state","node","since"}`.
void append_member(std::string& out, const member& m);

} // namespace troupe
