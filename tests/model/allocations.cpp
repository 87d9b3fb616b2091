#include "tests/model/allocations.hpp"

#include <cstdlib>
#include <new>

namespace {
thread_local std::size_t count = 0;
thread_local std::size_t bytes_asked = 0;
} // namespace

std::size_t allocations() noexcept { return count; }
std::size_t allocated_bytes() noexcept { return bytes_asked; }

void* operator new(std::size_t bytes) {
  ++count;
  bytes_asked += bytes;
  if (auto* result = std::malloc(bytes == 0 ? 1 : bytes))
    return result;
  throw std::bad_alloc{};
}

void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
