#pragma once

#include <cstdint>
#include <string_view>

namespace troupe {

/// How the bytes of a payload are written.
enum class encoding : std::uint8_t { json, msgpack };

/// The raw text of one valid value, as a view: what a message carries and a `value` can splice.
struct raw_payload {
  std::string_view text;
  encoding format = encoding::json;
};

} // namespace troupe
