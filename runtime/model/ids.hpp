#pragma once

#include <cstdint>
#include <string>

namespace troupe {

/// Milliseconds since the Unix epoch: the `ts` of a message.
using wall_ms = std::int64_t;

/// Milliseconds of a clock that never goes back; its zero means nothing.
using mono_ms = std::int64_t;

/// A place in an order: `seq` is only comparable within one `epoch`.
struct position {
  std::string epoch;
  std::uint64_t seq = 0;

  friend bool operator==(const position&, const position&) = default;
};

} // namespace troupe
