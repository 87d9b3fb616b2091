#pragma once

#include "runtime/model/value.hpp"

#include <optional>
#include <string>
#include <vector>

namespace troupe::cli {

/// One place where two values differ.
struct value_change {
  std::string path;            ///< JSON Pointer, RFC 6901.
  std::optional<value> before; ///< Nothing: it was added.
  std::optional<value> after;  ///< Nothing: it was removed.
};

/// How `after` differs from `before`: objects member by member, everything else as a whole.
std::vector<value_change> diff(const value& before, const value& after);

} // namespace troupe::cli
