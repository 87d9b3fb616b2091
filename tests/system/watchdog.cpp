#undef BOOST_TEST_MODULE
#include "runtime/system/watchdog.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

/// A service manager: a socket that NOTIFY_SOCKET names.
struct manager {
  manager() {
    char name[] = "/tmp/troupe-notify-XXXXXX";
    BOOST_REQUIRE(mkdtemp(name) != nullptr);
    folder = name;
    path = folder + "/socket";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    BOOST_REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~manager() {
    unsetenv("NOTIFY_SOCKET");
    close(fd);
    unlink(path.c_str());
    rmdir(folder.c_str());
  }
  manager(const manager&) = delete;
  manager& operator=(const manager&) = delete;

  /// What comes next, or empty where nothing comes in time.
  std::string next(int ms_max) const {
    pollfd waiting{fd, POLLIN, 0};
    char text[256];
    const auto n = poll(&waiting, 1, ms_max) == 1 ? recv(fd, text, sizeof text, 0) : 0;
    return {text, static_cast<std::size_t>(n > 0 ? n : 0)};
  }

  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  std::string folder;
  std::string path;
};

/// A loop that runs what it was given only when told to.
struct held_loop {
  std::mutex lock;
  std::vector<std::function<void()>> queue;

  void post(std::function<void()> f) {
    const std::lock_guard guard{lock};
    queue.push_back(std::move(f));
  }
  std::size_t run() {
    const std::lock_guard guard{lock};
    for (const auto& f : queue)
      f();
    const auto n = queue.size();
    queue.clear();
    return n;
  }
};

constexpr int patience_ms = 60'000;

} // namespace

BOOST_AUTO_TEST_SUITE(watchdog_suite)

BOOST_AUTO_TEST_CASE(states_reach_the_manager) {
  const manager m;
  notify_service("READY=1");
  BOOST_TEST(m.next(patience_ms) == "READY=1");
}

BOOST_AUTO_TEST_CASE(loops_that_answer_keep_it_content) {
  const manager m;
  const watchdog w{2ms, {[](const auto& f) { f(); }, [](const auto& f) { f(); }}};
  for (int i = 0; i < 3; ++i)
    BOOST_TEST(m.next(patience_ms) == "WATCHDOG=1");
}

BOOST_AUTO_TEST_CASE(one_stuck_loop_silences_it_until_it_answers) {
  const manager m;
  held_loop stuck;
  const watchdog w{2ms, {[](const auto& f) { f(); }, [&](const auto& f) { stuck.post(f); }}};
  BOOST_TEST(m.next(50) == "");
  // However long it was stuck, one question waits for it.
  BOOST_TEST(stuck.run() == 1u);
  BOOST_TEST(m.next(patience_ms) == "WATCHDOG=1");
}

BOOST_AUTO_TEST_SUITE_END()
