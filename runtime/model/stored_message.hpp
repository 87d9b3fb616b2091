#pragma once

#include "runtime/model/message.hpp"

#include <cstddef>
#include <cstdint>

namespace troupe {

/// A message in its place in a channel or an inbox.
struct stored_message {
  std::uint64_t offset = 0;
  message_ptr what; ///< Null in what is read: its payload was forgotten.

  std::size_t bytes() const noexcept { return what == nullptr ? 0 : what->size(); }
};

} // namespace troupe
