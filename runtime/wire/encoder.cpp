#include "runtime/wire/encoder.hpp"

#include <stdexcept>

namespace troupe::wire {

namespace {

// Constant-initialised, so that encoders can be objects of static lifetime in any translation unit.
constinit std::array<std::atomic<const encoder*>, encoders_max> registered{};
constinit std::atomic<std::size_t> registered_count{0};

} // namespace

encoder::encoder()
    : index_{registered_count.fetch_add(1, std::memory_order_relaxed)} {
  if (index_ >= encoders_max) {
    registered_count.store(encoders_max, std::memory_order_relaxed);
    throw std::length_error{"too many wire formats in one process"};
  }
  registered[index_].store(this, std::memory_order_release);
}

const encoder& encoder_at(std::size_t index) noexcept { return *registered[index].load(std::memory_order_acquire); }

} // namespace troupe::wire
