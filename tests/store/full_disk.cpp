#include "runtime/store/rocks_store.hpp"
#include "tests/contract/store_contract.hpp"
#include "tests/store/folder.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sys/mount.h>
#include <thread>

namespace troupe::testing {
namespace {

/// A small disk of its own below a folder, where the process may mount one.
class small_disk {
public:
  explicit small_disk(const std::string& at)
      : at_{at} {
    std::filesystem::create_directories(at);
    mounted_ = ::mount("tmpfs", at.c_str(), "tmpfs", 0, "size=8m") == 0;
    error_ = errno;
  }
  ~small_disk() {
    if (mounted_)
      ::umount2(at_.c_str(), MNT_DETACH);
  }
  small_disk(const small_disk&) = delete;
  small_disk& operator=(const small_disk&) = delete;
  bool mounted() const noexcept { return mounted_; }
  bool forbidden() const noexcept { return !mounted_ && error_ == EPERM; }

private:
  std::string at_;
  bool mounted_ = false;
  int error_ = 0;
};

std::string noise(dice& random) {
  std::string bytes(4096, '\0');
  for (auto& byte : bytes)
    byte = static_cast<char>(random.below(256));
  return bytes;
}

} // namespace

BOOST_AUTO_TEST_SUITE(full_disk_suite)

BOOST_AUTO_TEST_CASE(a_full_disk_is_named_and_writing_resumes_when_there_is_room) {
  const temporary_folder folder;
  const small_disk disk{folder.below("disk")};
  if (disk.forbidden()) {
    BOOST_TEST_MESSAGE("not run: this process may not mount a small disk");
    return;
  }
  BOOST_TEST_REQUIRE(disk.mounted());
  const auto ballast = folder.below("disk/ballast");
  std::ofstream{ballast} << std::string(6 * 1024 * 1024, 'x');
  const store::rocks_options options{.memtable_bytes = 64 * 1024};
  auto opened = store::open_rocks_store(folder.below("disk/store"), options);
  BOOST_TEST_REQUIRE(opened.ok());
  auto& s = *opened.value();
  dice random{1};
  store_model model;
  store::batch b;
  store::status failed;
  while (!failed && model.applied["channels"] < 4096) {
    b.clear();
    const auto before = model;
    model.put(b, "k" + std::to_string(model.applied["channels"]), noise(random));
    model.reach(b, "channels", model.applied["channels"] + 1);
    failed = s.apply(b);
    if (failed)
      model = before;
  }
  BOOST_TEST_REQUIRE(failed.has_value());
  BOOST_TEST((failed->kind == store::fault::full), failed->message);
  // What was refused is not there; what was there is served.
  BOOST_TEST((all_of(s) == model.held));
  BOOST_TEST(s.applied("channels").value() == model.applied["channels"]);
  // A compaction that gave up may have given back what a flush needs.
  if (const auto refused = s.flush())
    BOOST_TEST((refused->kind == store::fault::full), refused->message);

  std::filesystem::remove(ballast);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  while ((failed = s.apply(b)) && std::chrono::steady_clock::now() < give_up)
    std::this_thread::yield();
  BOOST_TEST_REQUIRE(!failed.has_value(), (failed ? failed->message : std::string{}));
  BOOST_TEST(!s.flush().has_value());
  const auto held = all_of(s);
  BOOST_TEST(held.size() == model.held.size() + 1);
  BOOST_TEST(!s.close().has_value());
  opened = store::open_rocks_store(folder.below("disk/store"), options);
  BOOST_TEST_REQUIRE(opened.ok());
  BOOST_TEST((all_of(*opened.value()) == held));
  BOOST_TEST(opened.value()->applied("channels").value() == model.applied["channels"] + 1);
  BOOST_TEST(!opened.value()->close().has_value());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace troupe::testing
