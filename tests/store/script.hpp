#pragma once

#include "tests/contract/store_contract.hpp"

namespace troupe::testing {

/// The changes that a made-up log leads to, record by record: the same in every process for the same seed.
class store_script {
public:
  explicit store_script(std::uint64_t seed)
      : seed_{seed} {}

  /// Fills `b` with the batch of the next record and moves on.
  void next(store::batch& b);
  /// Moves on until `end` records are made.
  void advance_to(std::uint64_t end);
  std::uint64_t end() const noexcept { return end_; }
  /// What a store holds that was given the batches so far.
  const store_model& model() const noexcept { return model_; }

  static constexpr const char* log_class = "channels";

private:
  std::uint64_t seed_;
  std::uint64_t end_ = 0;
  store_model model_;
};

} // namespace troupe::testing
