#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::mesh {

/// How long the nodes of a mesh wait for each other, in milliseconds; the same at all nodes.
struct mesh_timing {
  std::int64_t heartbeat_ms = 250;   ///< Between two heartbeats, and two ticks.
  std::int64_t lost_ms = 2'000;      ///< Silence after which a node counts as lost.
  std::int64_t settle_ms = 500;      ///< How long a node is heard before it counts.
  std::int64_t steady_ms = 200;      ///< How long the wish for another view lasts before one is issued.
  std::int64_t alone_ms = 1'500;     ///< How long a node that starts looks for others before it acts alone.
  std::int64_t left_out_ms = 1'000;  ///< How long others may do without a node before it gives up its view.
  std::int64_t flush_ms = 1'000;     ///< How long a room that moves takes what was sent to it before.
  std::int64_t hand_over_ms = 3'500; ///< How long a new home waits for the old one's room.
  std::int64_t ask_again_ms = 1'000; ///< After which a fan-out asks a silent home again.
  std::int64_t hold_ms = 5'000;      ///< How long a publisher's message waits for a home.
  std::int64_t grace_ms = 5'000;     ///< How long who was on a lost node stays in the roster.
  std::int64_t compare_ms = 1'000;   ///< Between two comparisons of claims with a peer.

  /// A home that has agreed to a new view has sealed, or has given up its view, before the new home stops waiting:
  /// whatever it does within `lost_ms` it does on time, and after a longer pause it gives up first.
  constexpr bool sound() const noexcept { return flush_ms + lost_ms + heartbeat_ms <= hand_over_ms; }
};

/// What a node holds at most for the mesh.
struct mesh_limits {
  std::size_t nodes_max = 64;
  std::size_t held_messages_max = 4'096;             ///< Of the publishers here, while their rooms move.
  std::size_t held_bytes_max = std::size_t{8} << 20; ///< Of these.
  std::size_t early_requests_max = 4'096;            ///< For rooms that are on their way here.
  std::size_t rooms_max = 100'000;                   ///< With their home here.
  std::size_t snapshots_max = 10'000;                ///< Of rooms with their home elsewhere.
  std::size_t claims_max = 1'000'000;
  std::size_t page_entries_max = 256;      ///< Claims or roster entries in one message.
  std::size_t page_bytes_max = 256 * 1024; ///< Of roster entries in one message that has more than one.
};

} // namespace troupe::mesh
