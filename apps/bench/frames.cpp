#include "apps/bench/frames.hpp"

#include <fmt/format.h>

namespace troupe::bench {

std::string upgrade_request(std::string_view host, std::uint16_t port, std::string_view path) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: {}:{}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dHJvdXBlLWJlbmNoLTEyMw==\r\n"
                     "Sec-WebSocket-Protocol: troupe.v1.json\r\n\r\n",
                     path, host, port);
}

std::optional<frame> take_frame(std::string_view in, std::size_t& used) {
  const auto rest = in.substr(used);
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
  if (rest.size() < 2)
    return {};
  std::size_t size = byte(1) & 127, header = 2;
  if (size > 125) {
    const std::size_t width = size == 126 ? 2 : 8;
    header += width;
    if (rest.size() < header)
      return {};
    size = 0;
    for (std::size_t i = 2; i < header; ++i)
      size = size << 8 | byte(i);
  }
  if (rest.size() - header < size)
    return {};
  used += header + size;
  return frame{byte(0) & 15u, rest.substr(header, size)};
}

void append_frame(std::string& out, unsigned opcode, std::string_view payload) {
  out += static_cast<char>(0x80 | opcode);
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else {
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size());
  }
  out.append(4, '\0');
  out += payload;
}

} // namespace troupe::bench
