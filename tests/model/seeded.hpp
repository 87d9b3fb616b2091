#pragma once

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

/// Random numbers that are the same on every machine for the same seed.
class dice {
public:
  explicit dice(std::uint64_t seed)
      : engine_{seed} {}
  /// A number in [0, bound).
  std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  bool once_in(std::uint64_t n) { return below(n) == 0; }

private:
  std::mt19937_64 engine_;
};

/// Runs a generated case for seeds 1 to `count`, or for the one in TROUPE_TEST_SEED alone. A failure prints its seed.
template <class F>
void for_seeds(std::uint64_t count, F&& run) {
  std::uint64_t first = 1;
  auto last = count;
  if (const auto* only = std::getenv("TROUPE_TEST_SEED"))
    first = last = std::stoull(only);
  for (auto seed = first; seed <= last; ++seed) {
    BOOST_TEST_CONTEXT("TROUPE_TEST_SEED=" << seed) {
      dice random{seed};
      run(random);
    }
  }
}
