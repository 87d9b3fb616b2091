#pragma once

#include "runtime/wire/encoder.hpp"

#include <cstddef>

namespace troupe::websocket {

/// Whole unmasked WebSocket frames with an envelope each: text with JSON.
const wire::encoder& json_frames();
/// Binary with MessagePack.
const wire::encoder& msgpack_frames();
/// As above for connections that agreed on permessage-deflate: compressed once, shared by all of them.
const wire::encoder& deflated_json_frames();
const wire::encoder& deflated_msgpack_frames();

/// Envelopes below this size are sent as they are. For the whole process, as the frames are shared. 512 at first.
void set_deflate_min_bytes(std::size_t bytes) noexcept;

} // namespace troupe::websocket
