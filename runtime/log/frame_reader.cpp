#include "runtime/log/frame_reader.hpp"

#include "runtime/log/files.hpp"

#include <algorithm>
#include <utility>

namespace troupe::log {

frame frame_reader::next() {
  for (;;) {
    auto result = parse_frame({piece_.data() + at_, end_ - at_}, offset_, seed_);
    if (result.state == frame_state::good || result.state == frame_state::footer) {
      at_ += result.bytes;
      offset_ += result.bytes;
      return result;
    }
    const auto have = end_ - at_;
    if (result.state == frame_state::incomplete && read_more(result.bytes - have))
      continue;
    // A writer may be at these bytes just now: what was read of them is not kept.
    seek(offset_);
    result.body = {};
    return result;
  }
}

/// Moves what is left to the front, and reads behind it. Who jumped reads little at first: it may jump again.
/// @returns whether there was more
bool frame_reader::read_more(std::size_t needed) {
  const auto have = end_ - at_;
  const auto more = std::max(std::exchange(next_piece_, piece_bytes), needed);
  if (piece_.size() < have + more)
    piece_.resize(have + more); // once: what is read lies over it
  std::copy(piece_.begin() + static_cast<std::ptrdiff_t>(at_), piece_.begin() + static_cast<std::ptrdiff_t>(end_),
            piece_.begin());
  at_ = 0;
  end_ = have;
  const auto got = read_into(fd_, offset_ + have, piece_.data() + have, more);
  failed_ = got ? status{} : got.error();
  end_ += got ? *got : 0;
  return end_ > have;
}

void frame_reader::seek(std::uint64_t offset) noexcept {
  offset_ = offset;
  next_piece_ = first_piece_bytes;
  end_ = 0;
  at_ = 0;
}

} // namespace troupe::log
