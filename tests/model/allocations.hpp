#pragma once

#include <cstddef>

/// How often the calling thread has called `operator new` so far. The test program replaces it to count.
std::size_t allocations() noexcept;
/// How many bytes it has asked for.
std::size_t allocated_bytes() noexcept;
