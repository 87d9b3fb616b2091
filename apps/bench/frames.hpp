#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::bench {

// The least of RFC 6455 that a measuring client needs.

/// The opening handshake's request.
std::string upgrade_request(std::string_view host, std::uint16_t port, std::string_view path);

/// A frame as it came.
struct frame {
  unsigned opcode = 0;
  std::string_view payload;
};

/// The next whole frame of a server in `in` from `used` on, which it moves past the frame; nothing where it is cut off.
std::optional<frame> take_frame(std::string_view in, std::size_t& used);

/// Appends a client's frame. The masking key is zero, which leaves the text as it is. At most 65,535 bytes.
void append_frame(std::string& out, unsigned opcode, std::string_view payload);

} // namespace troupe::bench
