#pragma once

// What every store does, as one suite over a factory. A store is held to it by a line:
// TROUPE_STORE_CONTRACT(memory, memory_world).

#include "runtime/store/store.hpp"
#include "tests/model/seeded.hpp"

#include <map>
#include <string>
#include <vector>

namespace troupe::testing {

/// An open store, empty at first.
class store_world {
public:
  virtual ~store_world() = default;
  virtual store::store& open() = 0;
  /// Closes the store and opens it again, where what it holds outlives that.
  virtual void reopen() = 0;
};

/// What a store should hold, kept the plain way: each change is made to a map one by one.
struct store_model {
  using entries = std::map<std::string, std::string>;

  entries held;
  std::map<std::string, std::uint64_t> applied;

  void put(store::batch& b, const std::string& key, const std::string& value);
  void erase(store::batch& b, const std::string& key);
  void erase_range(store::batch& b, const std::string& from, const std::string& to);
  void erase_prefix(store::batch& b, const std::string& prefix);
  void reach(store::batch& b, const std::string& log_class, std::uint64_t end);

  /// Adds one to eight changes to a batch and makes them here too; short keys of few different bytes, 00 and FF among
  /// them, so that they meet often.
  void add_changes(dice& random, store::batch& b);
};

std::string generated_key(dice& random);
/// Everything that a store holds. A failure fails the test.
store_model::entries all_of(const store::store& s);

namespace contract {

void starts_empty(store_world& world);
void holds_any_bytes(store_world& world);
void later_changes_count(store_world& world);
void erases_prefixes_and_ranges(store_world& world);
void scans_in_order(store_world& world);
void progress_comes_with_the_batch(store_world& world);
void progress_goes_not_back(store_world& world);
void readers_see_whole_batches(store_world& world);
void does_what_a_map_does(store_world& world);
void closed_is_closed(store_world& world);

} // namespace contract
} // namespace troupe::testing

#define TROUPE_STORE_CONTRACT_CASE(world, name)                                                                        \
  BOOST_AUTO_TEST_CASE(name) {                                                                                         \
    world w;                                                                                                           \
    troupe::testing::contract::name(w);                                                                                \
  }

#define TROUPE_STORE_CONTRACT(suite, world)                                                                            \
  BOOST_AUTO_TEST_SUITE(suite##_keeps_the_store_contract)                                                              \
  TROUPE_STORE_CONTRACT_CASE(world, starts_empty)                                                                      \
  TROUPE_STORE_CONTRACT_CASE(world, holds_any_bytes)                                                                   \
  TROUPE_STORE_CONTRACT_CASE(world, later_changes_count)                                                               \
  TROUPE_STORE_CONTRACT_CASE(world, erases_prefixes_and_ranges)                                                        \
  TROUPE_STORE_CONTRACT_CASE(world, scans_in_order)                                                                    \
  TROUPE_STORE_CONTRACT_CASE(world, progress_comes_with_the_batch)                                                     \
  TROUPE_STORE_CONTRACT_CASE(world, progress_goes_not_back)                                                            \
  TROUPE_STORE_CONTRACT_CASE(world, readers_see_whole_batches)                                                         \
  TROUPE_STORE_CONTRACT_CASE(world, does_what_a_map_does)                                                              \
  TROUPE_STORE_CONTRACT_CASE(world, closed_is_closed)                                                                  \
  BOOST_AUTO_TEST_SUITE_END()
