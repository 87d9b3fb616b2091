#pragma once

#include "runtime/log/segment.hpp"

#include <cstdint>
#include <string>

namespace troupe::log {

/// Reads the frames of one segment in order, a large piece of the file at a time.
class frame_reader {
public:
  static constexpr std::size_t piece_bytes = std::size_t{64} << 10; ///< Fits into the processor's cache.
  static constexpr std::size_t first_piece_bytes = std::size_t{16} << 10;

  frame_reader() = default;
  /// @param fd not closed
  frame_reader(int fd, const placed_header& header) noexcept
      : fd_{fd}
      , seed_{header.seed}
      , offset_{header.bytes} {}

  /// The next frame; its body is valid until the next call. At `incomplete` and `bad` it stays where it is, and looks
  /// at the file afresh when called again.
  frame next();
  /// Of the frame that `next` gives, in the file.
  std::uint64_t offset() const noexcept { return offset_; }
  /// Goes on at another frame.
  void seek(std::uint64_t offset) noexcept;
  /// A read that failed; `next` then says `incomplete`.
  const status& failed() const noexcept { return failed_; }

private:
  bool read_more(std::size_t needed);

  int fd_ = -1;
  std::uint32_t seed_ = 0;
  std::uint64_t offset_ = 0;
  std::string piece_;
  std::size_t next_piece_ = piece_bytes;
  std::size_t at_ = 0;  ///< Of the next frame in piece_,
  std::size_t end_ = 0; ///< and of what was read.
  status failed_;
};

} // namespace troupe::log
