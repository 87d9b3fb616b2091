#pragma once

#include "runtime/model/message.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace troupe {

/// A message in its place in a channel or an inbox.
struct stored_message {
  std::uint64_t offset = 0;
  message_ptr what; ///< Null in what is read: its payload was forgotten.

  std::size_t bytes() const noexcept { return what == nullptr ? 0 : what->size(); }
};

/// Offsets from the first to the last, both included.
struct offset_range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

using stored_messages = std::vector<stored_message>;
using offset_ranges = std::vector<offset_range>;

} // namespace troupe
