#include "runtime/store/memory_store.hpp"
#include "runtime/store/rocks_store.hpp"
#include "tests/contract/store_contract.hpp"
#include "tests/store/folder.hpp"

namespace troupe::testing {
namespace {

class memory_world final : public store_world {
public:
  store::store& open() override { return *store_; }
  void reopen() override {}

private:
  std::unique_ptr<store::store> store_ = store::make_memory_store();
};

class rocks_world final : public store_world {
public:
  rocks_world() { open_again(); }
  store::store& open() override { return *store_; }
  void reopen() override {
    const auto failed = store_->close();
    BOOST_TEST_REQUIRE(!failed.has_value());
    open_again();
  }

private:
  void open_again() {
    // As small as RocksDB goes, so that what is tested lies in files as well.
    auto opened =
        store::open_rocks_store(folder_.below("a/store"), {.memtable_bytes = 64 * 1024, .cache_bytes = 64 * 1024});
    BOOST_TEST_REQUIRE(opened.ok());
    store_ = std::move(opened.value());
  }

  temporary_folder folder_;
  std::unique_ptr<store::store> store_;
};

} // namespace

TROUPE_STORE_CONTRACT(memory, memory_world)
TROUPE_STORE_CONTRACT(rocks, rocks_world)

} // namespace troupe::testing
