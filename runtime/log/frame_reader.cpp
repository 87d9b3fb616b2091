#include "runtime/log/frame_reader.hpp"

#include "runtime/log/files.hpp"

#include <algorithm>

namespace troupe::log {

frame frame_reader::next() {
  for (;;) {
    auto result = parse_frame(std::string_view{piece_}.substr(at_), offset_, seed_);
    if (result.state == frame_state::good || result.state == frame_state::footer) {
      at_ += result.bytes;
      offset_ += result.bytes;
      return result;
    }
    const auto have = piece_.size() - at_;
    if (result.state == frame_state::incomplete) {
      piece_.erase(0, at_);
      at_ = 0;
      failed_ = read_some(fd_, offset_ + have, std::max<std::size_t>(piece_bytes, result.bytes - have), piece_);
      if (!failed_ && piece_.size() > have)
        continue;
    }
    // A writer may be at these bytes just now: what was read of them is not kept.
    seek(offset_);
    result.body = {};
    return result;
  }
}

void frame_reader::seek(std::uint64_t offset) noexcept {
  offset_ = offset;
  piece_.clear();
  at_ = 0;
}

} // namespace troupe::log
