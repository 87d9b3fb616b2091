#pragma once

#include "runtime/store/store.hpp"

#include <memory>

namespace troupe::store {

/// A store that lives in memory and ends with the process: the reference that the contract suite runs first, and what
/// tests and nodes without a data folder use. A reader holds up the writer while it scans.
std::unique_ptr<store> make_memory_store();

} // namespace troupe::store
