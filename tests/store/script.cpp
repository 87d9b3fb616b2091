#include "tests/store/script.hpp"

namespace troupe::testing {

void store_script::next(store::batch& b) {
  b.clear();
  dice random{seed_ * 1'000'003 + end_};
  model_.add_changes(random, b);
  // Bulk, so that memtables fill up and reach the disk by themselves.
  model_.put(b, "bulk" + std::to_string(random.below(50)), std::string(1000 + random.below(1000), 'x'));
  model_.reach(b, log_class, ++end_);
}

void store_script::advance_to(std::uint64_t end) {
  store::batch b;
  while (end_ < end)
    next(b);
}

} // namespace troupe::testing
