#pragma once

#include "runtime/store/batch.hpp"
#include "runtime/store/outcome.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace troupe::store {

/// How far each log class is in a store.
using progress_map = std::map<std::string, std::uint64_t, std::less<>>;

/// Makes the changes of a batch to a copy of the numbers that a store holds; a refusal where one would go back.
status advance(progress_map& numbers, const batch& changes);

} // namespace troupe::store
