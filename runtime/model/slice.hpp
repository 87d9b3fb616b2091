#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace troupe {

/// A part of a shared buffer: whole frames, immutable. Copying it copies no bytes.
struct slice {
  std::shared_ptr<const std::string> owner;
  std::string_view bytes;
};

} // namespace troupe
