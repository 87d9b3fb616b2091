#pragma once

#include "runtime/model/message.hpp"
#include "runtime/model/value.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace troupe::wire {

/// Reads a payload. Whole numbers of 64 bits become integers, all others keep their text; binary data of
/// MessagePack becomes `{"$binary": base64}`.
/// @param why one sentence where nothing is returned: the text is invalid, too deep, or has a string with a
///            lone surrogate, which no string of a program can hold
std::optional<value> parse(raw_payload payload, std::string* why = nullptr);

/// The header of this name, the last one where there are several (as ECMAScript's JSON.parse). Scans the raw
/// headers; cheap where a message has none.
std::optional<std::string> header(const message& m, std::string_view name);

/// Appends a value as JSON, MessagePack splices transcoded.
void write_json(std::string& out, const value& v);

/// Appends a value as MessagePack, JSON splices transcoded.
void write_msgpack(std::string& out, const value& v);

} // namespace troupe::wire
