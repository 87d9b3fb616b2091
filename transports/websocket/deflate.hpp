#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::websocket {

/// Answers the offers of a `Sec-WebSocket-Extensions` header (RFC 7692 section 7). Both directions go without
/// context takeover: a frame is then compressed once for all its receivers, and no connection holds a window.
/// @returns the extension to answer with, or nothing where no offer is acceptable
std::optional<std::string> accept_deflate(std::string_view offers);

/// Compresses one message for a frame with RSV1 and appends it (RFC 7692 section 7.2.1).
/// @returns false, with `out` unchanged, where zlib fails
bool deflate_message(std::string& out, std::string_view message);

/// A message after inflating, or why there is none.
struct inflated {
  enum class result : std::uint8_t { ok, too_large, invalid };
  result what = result::ok;
  std::string_view bytes; ///< In memory of this thread, valid until its next call.
};
using inflate_result = inflated::result;

/// Inflates one message (RFC 7692 section 7.2.2).
/// @param bytes_max stops as soon as the result would be larger
inflated inflate_message(std::string_view compressed, std::size_t bytes_max);

} // namespace troupe::websocket
