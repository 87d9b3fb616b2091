#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::mesh {

/// The bounds of a connection between nodes.
struct pump_limits {
  std::size_t batch_bytes_max = (1u << 20u) + 64; ///< As `basp_rules`.
  std::uint64_t bytes_per_second_max = 1u << 30u; ///< From the peer; 0: no limit. Past it, reading pauses.
  std::int64_t handshake_ms_max = 5'000;          ///< Until CAF's handshake is through.
  std::int64_t stall_ms_max = 10'000;             ///< A peer that takes nothing for so long is cut off.
};

} // namespace troupe::mesh
