#pragma once

#include "apps/troupe/command.hpp"

namespace troupe::cli {

/// `troupe backup`: a copy of a node's logs, taken beside the running node (docs/backup.md).
command backup();

} // namespace troupe::cli
