#pragma once

#include "runtime/model/payload.hpp"

#include <string>
#include <string_view>

namespace troupe::wire {

// Between JSON and MessagePack. Numbers keep their value exactly: what fits neither an integer of 64 bits nor
// a double that reads back as the same decimal is an ext type 1 with its digits. Binary data is
// `{"$binary": base64}` in JSON, both ways. A lone surrogate escape of JSON cannot be said in MessagePack and
// becomes U+FFFD. All functions append. Precondition: the text is one valid value.

/// Appends the value as JSON, byte for byte where it is JSON already.
void to_json_text(std::string& out, raw_payload from);

/// Appends the value as MessagePack, byte for byte where it is MessagePack already.
void to_msgpack_text(std::string& out, raw_payload from);

/// Appends base64 with padding (RFC 4648, section 4).
void append_base64(std::string& out, std::string_view bytes);

/// Appends what base64 says.
/// @returns false where it is not canonical: a wrong character, length or padding, or bits left over
bool append_from_base64(std::string& out, std::string_view text);

} // namespace troupe::wire
