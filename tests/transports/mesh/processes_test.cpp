#include "tests/transports/mesh/mesh_files.hpp"
#include "tests/transports/mesh/mesh_node.hpp"

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include <csignal>
#include <cstdio>
#include <sys/wait.h>
#include <unistd.h>

using namespace mesh_testing;

namespace {

/// A node in a process of its own: tests/transports/mesh/echo_node.cpp.
class echo_process {
public:
  echo_process(const std::string& incarnation, const std::string& port_to_call = "") {
    int in[2];
    int out[2];
    BOOST_TEST_REQUIRE((::pipe(in) == 0 && ::pipe(out) == 0));
    const auto secret = by_secret().secret_file;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      for (const int fd : {in[0], in[1], out[0], out[1]})
        ::close(fd);
      ::execl(TROUPE_MESH_ECHO_NODE, "mesh_echo_node", "echo", incarnation.c_str(), secret.c_str(),
              port_to_call.empty() ? nullptr : port_to_call.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    input_ = in[1];
    auto* said = ::fdopen(out[0], "r");
    unsigned port = 0;
    BOOST_TEST_REQUIRE(std::fscanf(said, "port %u", &port) == 1);
    std::fclose(said);
    port_ = static_cast<std::uint16_t>(port);
  }
  ~echo_process() { kill(); }
  echo_process(const echo_process&) = delete;
  echo_process& operator=(const echo_process&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  void signal(int which) const { ::kill(pid_, which); }
  void kill() {
    if (pid_ <= 0)
      return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::close(input_);
    pid_ = 0;
  }
  /// @returns its exit status, after it was told to end
  int end() {
    ::close(input_);
    int status = -1;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

private:
  pid_t pid_ = 0;
  int input_ = -1;
  std::uint16_t port_ = 0;
};

node_options here() {
  node_options options;
  options.name = "here";
  options.gate.proof = by_secret();
  options.gate.redial = {20, 200, troupe::jitter::equal};
  options.heartbeats = {std::chrono::milliseconds{100}, std::chrono::milliseconds{500}};
  return options;
}

} // namespace

BOOST_AUTO_TEST_SUITE(mesh_processes_suite)

BOOST_AUTO_TEST_CASE(a_round_trip_between_two_processes_in_both_directions_of_calling) {
  mesh_node node{here()};
  for (const bool calls : {true, false}) {
    const std::string incarnation = calls ? "1" : "2";
    echo_process other{incarnation, calls ? std::to_string(node.port()) : ""};
    if (!calls)
      node.dial(other.port());
    const std::size_t before = node.batches("echo").size();
    BOOST_TEST_REQUIRE(node.wait_up("echo", calls ? 1 : 2));
    BOOST_TEST(node.offer("echo", "hello"));
    BOOST_TEST(node.wait_batches("echo", before + 1));
    BOOST_TEST(node.batches("echo").back() == "echo of hello");
    BOOST_TEST(other.end() == 0);
    BOOST_TEST(node.wait_down("echo", calls ? 1 : 2));
  }
}

BOOST_AUTO_TEST_CASE(a_process_that_is_killed_is_down_and_back_when_it_begins_anew) {
  mesh_node node{here()};
  echo_process first{"1", std::to_string(node.port())};
  BOOST_TEST_REQUIRE(node.wait_up("echo"));
  first.kill();
  BOOST_TEST(node.wait_down("echo"));
  BOOST_TEST(node.offer("echo", "for the one that is dead"));
  const echo_process second{"2", std::to_string(node.port())};
  BOOST_TEST(node.wait_lost("echo"));
  BOOST_TEST(node.wait_up("echo", 2));
  BOOST_TEST(node.offer("echo", "for the new one"));
  BOOST_TEST(node.wait_batches("echo", 1));
  BOOST_TEST(node.batches("echo") == std::vector<std::string>{"echo of for the new one"});
}

BOOST_AUTO_TEST_CASE(a_process_that_is_frozen_is_down_and_loses_nothing_when_it_goes_on) {
  mesh_node node{here()};
  const echo_process other{"1", std::to_string(node.port())};
  BOOST_TEST_REQUIRE(node.wait_up("echo"));
  other.signal(SIGSTOP);
  BOOST_TEST(node.wait_down("echo")); // nothing but heartbeats says so
  BOOST_TEST(node.offer("echo", "while it was frozen"));
  other.signal(SIGCONT);
  BOOST_TEST(node.wait_up("echo", 2));
  BOOST_TEST(node.wait_batches("echo", 1));
  BOOST_TEST(node.times("lost", "echo") == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
