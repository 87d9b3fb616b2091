#pragma once

#include "runtime/model/mesh/reliable_link.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

namespace link_testing {

using troupe::mono_ms;
using troupe::mesh::link_limits;
using troupe::mesh::reliable_link;

/// Two sides of a link, 0 and 1, with a connection between them that carries frames in order until it is cut. Each side
/// offers batches that begin with its own count, and checks what it receives: in order, nothing twice, and nothing
/// missing but what the sender has said is lost.
class link_world {
public:
  explicit link_world(const link_limits& limits);

  /// @param late what was under way still arrives, before all else
  void connect(bool late = false);
  /// One side has a new connection, and the other has noticed nothing.
  void connect_alone(int side);
  void cut();
  /// The process of a side ends and begins again.
  void restart(int side);

  /// @returns whether it was taken
  bool offer(int side, std::size_t bytes = 8);
  /// A side writes at most so many frames. @returns how many it wrote
  std::size_t write(int side, std::size_t frames_max = 1000);
  /// A side receives at most so many frames, and consumes each batch at once where it is told to.
  std::size_t deliver(int side, std::size_t frames_max = 1000, bool consume = true);
  void consume(int side);
  void check(int side);

  /// Writes, delivers and lets time pass until nothing more happens.
  void settle();

  /// What was offered by `side` arrived, or was said to be lost.
  bool all_arrived(int side) const { return sides[side].arrived == sides[side].offered; }

  struct end {
    std::unique_ptr<reliable_link> link;
    std::deque<std::string> coming; ///< Frames to this side.
    struct unread {
      std::uint64_t stream;
      std::size_t bytes;
    };
    std::deque<unread> unread_batches;
    std::uint64_t offered = 0;   ///< By this side, ever.
    std::uint64_t arrived = 0;   ///< The last of this side's at the other, or lost.
    std::uint64_t lost_upto = 0; ///< Of this side's: at most these may be missing.
    std::size_t losses = 0;      ///< Times that this side has said so.
    std::string broken;          ///< Why the other side's frame was refused.
  };
  std::array<end, 2> sides;
  mono_ms now = 1000;
  bool connected = false;

private:
  void make(int side);
  void lose(int side);
  void take(int side, const reliable_link::received& got);

  link_limits limits_;
  std::uint64_t sessions_ = 0;
};

} // namespace link_testing
