#pragma once

#include "runtime/model/outgoing.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace troupe::wire {

/// The sender of a connection's messages, with what encoders splice ready in both formats.
std::shared_ptr<const sender> make_sender(std::string connection, std::optional<std::string> user, std::string node);

/// Makes a message of what a program wrote. The payload becomes JSON, unless it is nothing but a MessagePack
/// splice, which passes unchanged.
/// @param name the room, channel, user or connection; empty for target_kind::none
/// @param from null for messages of the node itself: receivers see neither `from` nor `node`
/// @param ts   0: receivers see no `ts`
message_ptr make_message(const outgoing& what, target_kind target = target_kind::none, std::string_view name = {},
                         std::shared_ptr<const sender> from = nullptr, wall_ms ts = 0);

/// The same for several users.
message_ptr make_message(const outgoing& what, std::span<const std::string> users,
                         std::shared_ptr<const sender> from = nullptr, wall_ms ts = 0);

} // namespace troupe::wire
