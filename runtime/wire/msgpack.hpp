#pragma once

#include "runtime/model/message.hpp"
#include "runtime/wire/envelope.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace troupe::wire {

/// Reads one envelope in MessagePack; the rules are those of `decode_json`. Keys are strings, numbers finite;
/// an ext type 1 holds the digits of a number that fits no other type, other ext types are refused.
/// @param out views into `frame`; unspecified after a failure
std::optional<decode_failure> decode_msgpack(std::string_view frame, message_fields& out);

/// As `decode_json_privacy`, in MessagePack.
bool decode_msgpack_privacy(std::string_view object, message_fields& out);

/// As `encode_json`, in MessagePack.
void encode_msgpack(std::string& out, const message& m, const stamp& at = {});

} // namespace troupe::wire
