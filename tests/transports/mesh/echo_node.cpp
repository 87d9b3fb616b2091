// A node in a process of its own, for tests: echoes every batch to the peer that it came from.
//
//     mesh_echo_node NAME INCARNATION SECRET_FILE [PORT_TO_CALL]
//
// Says "port N" when it listens, and ends with its standard input.

#include "tests/transports/mesh/mesh_node.hpp"

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <mutex>
#include <thread>
#include <utility>

int main(int count, char** words) {
  if (count < 4)
    return 2;
  mesh_testing::node_options options;
  options.name = words[1];
  options.incarnation = std::strtoull(words[2], nullptr, 10);
  options.gate.proof.secret_file = words[3];
  options.gate.redial = {20, 200, troupe::jitter::equal};
  options.heartbeats = {std::chrono::milliseconds{100}, std::chrono::milliseconds{500}};
  mesh_testing::mesh_node node{options};
  std::mutex lock;
  std::condition_variable changed;
  std::deque<std::pair<std::string, std::string>> to_echo;
  bool over = false;
  node.on_batch = [&](const std::string& peer, std::string_view batch) {
    std::lock_guard guard{lock};
    to_echo.emplace_back(peer, batch);
    changed.notify_all();
  };
  std::thread echoes{[&] {
    std::unique_lock guard{lock};
    for (;;) {
      changed.wait(guard, [&] { return over || !to_echo.empty(); });
      if (over)
        return;
      auto [peer, batch] = std::move(to_echo.front());
      to_echo.pop_front();
      guard.unlock();
      node.offer(peer, "echo of " + batch);
      guard.lock();
    }
  }};
  if (count > 4)
    node.dial(static_cast<std::uint16_t>(std::atoi(words[4])));
  std::printf("port %u\n", node.port());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
  }
  {
    std::lock_guard guard{lock};
    over = true;
    changed.notify_all();
  }
  echoes.join();
}
