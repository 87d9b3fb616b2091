#pragma once

#include "runtime/log/cursor.hpp"
#include "runtime/model/payload.hpp"
#include "runtime/model/value.hpp"

#include <optional>
#include <string>
#include <string_view>

/// Records in JSON: nothing of a record is lost, whatever its bytes are.
namespace troupe::cli {

/// A field of a record that holds a JSON or MessagePack value, as JSON on one line. Nothing where it is encrypted, or
/// no value of its format.
std::optional<std::string> json_of(const log::record_view& what, std::string_view log::record_view::*field);

/// Whether the field is a value (payload, headers, privacy) and no plain text.
bool is_value(std::string_view log::record_view::*field) noexcept;

/// `{"index":..,"time":..,"kind":..,` and each field by its name`}`: values as values, text as strings, other bytes as
/// base64 under NAME_base64. A payload that is encrypted says `"encrypted":true`, one whose key is gone
/// `"forgotten":true`.
/// @param log_name retention class, shown as "class"; empty: left out
value json_record(const log::entry& one, std::string_view log_name = {});

/// The record as an event of CloudEvents 1.0 in its JSON format.
/// @param origin the log's name in checkpoints; with the index it names the event once and for all
value cloud_event(const log::entry& one, std::string_view origin);

/// Replaces the line ends that JSON may have between its tokens.
std::string on_one_line(std::string text);

} // namespace troupe::cli
