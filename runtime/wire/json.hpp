#pragma once

#include "runtime/model/message.hpp"
#include "runtime/wire/envelope.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace troupe::wire {

/// Reads one envelope in JSON (docs/protocol.md, "Envelope"; RFC 8259). Everything is validated, fields that
/// are ignored as well; a field given twice is a `bad_message`, as nobody could say which one was meant.
/// @param out     views into `frame` and `scratch`; unspecified after a failure
/// @param scratch keeps strings that had escapes; used again from frame to frame it allocates nothing
/// @returns the failure; nothing where all is well
std::optional<decode_failure> decode_json(std::string_view frame, message_fields& out, std::string& scratch);

/// Reads an envelope's privacy object into `out.log`, `out.subject` and `out.audience`, as `decode_json` does.
/// @returns false where it is none; then nothing of `out` counts
bool decode_json_privacy(std::string_view object, message_fields& out, std::string& scratch);

/// Appends the envelope that a receiver gets. The payload passes byte for byte, or is transcoded where it is
/// MessagePack.
/// @param at its place in an order: `seq` of a room, `offset` of a channel or inbox; none where `at.seq` is 0
void encode_json(std::string& out, const message& m, const stamp& at = {});

} // namespace troupe::wire
