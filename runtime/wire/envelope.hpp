#pragma once

#include "runtime/model/errors.hpp"

#include <string_view>

namespace troupe::wire {

/// Why a frame is no valid envelope.
struct decode_failure {
  failure why;
  std::string_view id; ///< The message's id where it could be read, for the `error`; a view into the frame or scratch.
  bool not_utf8 = false; ///< The frame's text is not UTF-8: RFC 6455, section 8.1 wants 1007.
};

} // namespace troupe::wire
