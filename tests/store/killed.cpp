#include "runtime/store/rebuild.hpp"
#include "runtime/store/rocks_store.hpp"
#include "tests/store/folder.hpp"
#include "tests/store/script.hpp"

#include <cstdio>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::testing {
namespace {

/// A process that writes to a store until it is killed.
class writer_process {
public:
  writer_process(const std::string& folder, std::uint64_t seed) {
    int ends[2] = {-1, -1};
    BOOST_TEST_REQUIRE(::pipe(ends) == 0);
    const auto number = std::to_string(seed);
    pid_ = ::fork();
    BOOST_TEST_REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::close(ends[0]);
      ::close(ends[1]);
      ::execl(STORE_WRITER, STORE_WRITER, folder.c_str(), number.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    output_ = ::fdopen(ends[0], "r");
  }
  ~writer_process() {
    kill();
    std::fclose(output_);
  }
  writer_process(const writer_process&) = delete;
  writer_process& operator=(const writer_process&) = delete;

  /// Reads one more line; false when the process has ended and all was read.
  bool read() {
    char line[64];
    if (std::fgets(line, sizeof line, output_) == nullptr)
      return false;
    if (line[0] == 'a')
      applied = std::stoull(line + 2);
    if (line[0] == 'f')
      flushed = std::stoull(line + 2);
    return true;
  }
  void kill() {
    if (pid_ <= 0)
      return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  std::uint64_t applied = 0;
  std::uint64_t flushed = 0;

private:
  pid_t pid_ = -1;
  std::FILE* output_ = nullptr;
};

} // namespace

BOOST_AUTO_TEST_SUITE(killed_suite)

BOOST_AUTO_TEST_CASE(what_a_killed_process_left_is_what_applied_says) {
  std::uint64_t ahead_of_flush = 0;
  for_seeds(3, [&](dice& random) {
    const temporary_folder folder;
    const auto seed = random.below(1'000'000);
    store_script script{seed};
    for (int round = 0; round < 8; ++round) {
      writer_process writer{folder.path(), seed};
      BOOST_TEST_REQUIRE(writer.read());
      for (auto lines = random.below(600); lines > 0; --lines)
        BOOST_TEST_REQUIRE(writer.read());
      writer.kill();
      while (writer.read()) {
      }
      auto opened = store::open_rocks_store(folder.path());
      BOOST_TEST_REQUIRE(opened.ok());
      const auto plan = store::needs_catch_up(*opened.value(), store_script::log_class, {0, ~0ULL});
      BOOST_TEST_REQUIRE(plan.ok());
      const auto applied = plan.value().records.begin;
      // Never less than what was flushed, nor than before; at most the batch whose line was not written any more.
      BOOST_TEST(applied >= writer.flushed);
      BOOST_TEST_REQUIRE(applied >= script.end());
      BOOST_TEST(applied <= std::max(writer.applied, script.end()) + 1);
      ahead_of_flush += applied > std::max(writer.flushed, script.end()) ? 1 : 0;
      script.advance_to(applied);
      BOOST_TEST((all_of(*opened.value()) == script.model().held));
    }
  });
  // Memtables reached the disk by themselves too, not by flushes alone.
  BOOST_TEST(ahead_of_flush > 0u);
}

BOOST_AUTO_TEST_CASE(a_folder_that_another_process_has_open_is_locked) {
  const temporary_folder folder;
  writer_process writer{folder.path(), 1};
  BOOST_TEST_REQUIRE(writer.read());
  auto opened = store::open_rocks_store(folder.path());
  BOOST_TEST_REQUIRE(!opened.ok());
  BOOST_TEST((opened.why().kind == store::fault::locked), opened.why().message);
  const auto removed = store::remove_rocks_store(folder.path());
  BOOST_TEST_REQUIRE(removed.has_value());
  BOOST_TEST((removed->kind == store::fault::locked), removed->message);
  writer.kill();
  BOOST_TEST(store::open_rocks_store(folder.path()).ok());
}

BOOST_AUTO_TEST_CASE(a_folder_that_this_process_has_open_is_locked) {
  const temporary_folder folder;
  auto first = store::open_rocks_store(folder.path());
  BOOST_TEST_REQUIRE(first.ok());
  auto second = store::open_rocks_store(folder.path());
  BOOST_TEST_REQUIRE(!second.ok());
  BOOST_TEST((second.why().kind == store::fault::locked), second.why().message);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace troupe::testing
