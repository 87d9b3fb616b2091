#pragma once

#include "runtime/model/hex.hpp"

#include <string>
#include <string_view>

namespace troupe {

/// The text as a string of JSON (RFC 8259, section 7), which is one of TOML too. Bytes past ASCII pass as they are.
inline std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (byte < 0x20 || byte == 0x7f)
      (out += "\\u00") += to_hex({&byte, 1});
    else
      out += c;
  }
  return out += '"';
}

} // namespace troupe
