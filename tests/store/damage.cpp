#include "runtime/store/rocks_store.hpp"
#include "tests/store/folder.hpp"
#include "tests/store/script.hpp"

#include <fstream>
#include <iterator>

namespace troupe::testing {
namespace {

namespace fs = std::filesystem;
using files = std::map<std::string, std::string>;

files files_of(const std::string& folder) {
  files found;
  for (const auto& entry : fs::directory_iterator{folder}) {
    std::ifstream in{entry.path(), std::ios::binary};
    found[entry.path().filename()] = {std::istreambuf_iterator<char>{in}, {}};
  }
  return found;
}

void write_files(const std::string& folder, const files& all) {
  fs::remove_all(folder);
  fs::create_directories(folder);
  for (const auto& [name, bytes] : all)
    std::ofstream{folder + "/" + name, std::ios::binary} << bytes;
}

/// What a closed store of 300 batches consists of.
files sound_store(const std::string& folder, std::uint64_t seed) {
  auto opened = store::open_rocks_store(folder, {.memtable_bytes = 64 * 1024});
  BOOST_TEST_REQUIRE(opened.ok());
  store_script script{seed};
  store::batch b;
  while (script.end() < 300) {
    script.next(b);
    BOOST_TEST_REQUIRE(!opened.value()->apply(b).has_value());
  }
  BOOST_TEST_REQUIRE(!opened.value()->close().has_value());
  return files_of(folder);
}

/// Opens and reads all. Damage is either named, or does not matter: then the state is that of some batch.
/// @returns whether it was named
bool is_named(const std::string& folder, std::uint64_t seed) {
  const auto named = [](const store::store_failure& why) {
    BOOST_TEST((why.kind == store::fault::corrupted), why.message);
    return true;
  };
  auto opened = store::open_rocks_store(folder);
  if (!opened.ok())
    return named(opened.why());
  store_model::entries found;
  const auto given = opened.value()->scan({}, [&](std::string_view key, std::string_view value) {
    found.emplace(key, value);
    return true;
  });
  if (!given.ok())
    return named(given.why());
  const auto applied = opened.value()->applied(store_script::log_class);
  BOOST_TEST_REQUIRE(applied.ok());
  store_script script{seed};
  script.advance_to(applied.value());
  BOOST_TEST((found == script.model().held));
  return false;
}

// Files that RocksDB writes for people, or does not read.
bool is_for_people(const std::string& name) {
  return name.starts_with("LOG") || name.starts_with("OPTIONS") || name == "LOCK" || name == "IDENTITY";
}

template <class F>
void damage_one_file(F&& damage) {
  const temporary_folder folder;
  const auto at = folder.below("store");
  auto sound = sound_store(at, 7);
  std::erase_if(sound, [](const auto& file) { return is_for_people(file.first); });
  std::uint64_t tables = 0;
  std::uint64_t named = 0;
  for_seeds(60, [&](dice& random) {
    auto all = sound;
    const auto hit = std::next(all.begin(), static_cast<std::ptrdiff_t>(random.below(all.size())));
    if (hit->second.empty())
      return;
    damage(random, hit->second);
    write_files(at, all);
    BOOST_TEST_CONTEXT(hit->first) {
      const auto found = is_named(at, 7);
      tables += hit->first.ends_with(".sst") ? 1 : 0;
      named += hit->first.ends_with(".sst") && found ? 1 : 0;
    }
    BOOST_TEST(!store::remove_rocks_store(at).has_value());
    if (random.once_in(10)) // A new store costs some syncs.
      BOOST_TEST(store::open_rocks_store(at).ok());
  });
  BOOST_TEST_MESSAGE("tables damaged: " << tables << ", named: " << named);
  BOOST_TEST(2 * named >= tables);
}

} // namespace

BOOST_AUTO_TEST_SUITE(damage_suite)

BOOST_AUTO_TEST_CASE(a_flipped_bit_is_named_or_changes_nothing) {
  damage_one_file([](dice& random, std::string& bytes) {
    auto& byte = bytes[random.below(bytes.size())];
    byte = static_cast<char>(byte ^ 1 << random.below(8));
  });
}

BOOST_AUTO_TEST_CASE(a_cut_file_is_named_or_changes_nothing) {
  damage_one_file([](dice& random, std::string& bytes) { bytes.resize(random.below(bytes.size())); });
}

BOOST_AUTO_TEST_CASE(a_missing_file_is_named) {
  const temporary_folder folder;
  const auto at = folder.below("store");
  const auto sound = sound_store(at, 7);
  std::size_t tried = 0;
  for (const auto& [name, bytes] : sound) {
    if (!name.ends_with(".sst") && !name.starts_with("MANIFEST"))
      continue;
    ++tried;
    auto all = sound;
    all.erase(name);
    write_files(at, all);
    BOOST_TEST_CONTEXT(name) { BOOST_TEST(is_named(at, 7)); }
  }
  BOOST_TEST(tried >= 2u);
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_made_is_named) {
  const temporary_folder folder;
  std::ofstream{folder.below("file")} << "a file";
  for (const auto& path : {folder.below("file"), folder.below("file/store"), std::string{"/proc/store"}}) {
    const auto opened = store::open_rocks_store(path);
    BOOST_TEST_REQUIRE(!opened.ok());
    BOOST_TEST((opened.why().kind == store::fault::io), opened.why().message);
    BOOST_TEST(opened.why().message.find(path) != std::string::npos);
  }
  BOOST_TEST(!store::remove_rocks_store(folder.below("nowhere")).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace troupe::testing
