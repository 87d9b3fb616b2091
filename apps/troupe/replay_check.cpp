#include "apps/troupe/replay_commands.hpp"

#include "apps/troupe/terminal.hpp"
#include "runtime/wire/parse.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

// troupe replay --check. The program itself knows its rooms, so it replays them: it is started with TROUPE_REPLAY_CHECK
// in its environment, and then reads its log instead of serving.

extern char** environ; // NOLINT: POSIX names it so

namespace troupe::cli {
namespace {

constexpr int hint_after_ms = 10'000;
constexpr std::size_t first_line_bytes_max = std::size_t{1} << 20;
constexpr int signal_status = 128; ///< As shells say that a signal ended a program.

/// A running program whose standard output is read here.
class child {
public:
  child(const std::vector<std::string>& command, const std::vector<std::string>& more_environment) {
    int ends[2];
    if (::pipe(ends) != 0)
      throw command_failed{exit_cannot, std::string{"cannot make a pipe: "} + std::strerror(errno)};
    out_ = ends[0];
    posix_spawn_file_actions_t files{};
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&files, ends[0]);
    posix_spawn_file_actions_addclose(&files, ends[1]);
    std::vector<char*> words;
    for (const auto& word : command)
      words.push_back(const_cast<char*>(word.c_str())); // NOLINT: as execve has it
    words.push_back(nullptr);
    std::vector<char*> variables;
    for (char** at = environ; *at != nullptr; ++at)
      if (const std::string_view one{*at}; !one.starts_with("TROUPE_REPLAY_") && !one.starts_with("TROUPE_TOKEN="))
        variables.push_back(*at);
    for (const auto& one : more_environment)
      variables.push_back(const_cast<char*>(one.c_str())); // NOLINT: as execve has it
    variables.push_back(nullptr);
    const int failed = ::posix_spawnp(&process_, words.front(), &files, nullptr, words.data(), variables.data());
    posix_spawn_file_actions_destroy(&files);
    ::close(ends[1]);
    if (failed == 0)
      return;
    process_ = -1;
    ::close(out_);
    throw command_failed{exit_cannot, "cannot start " + command.front() + ": " + std::strerror(failed)};
  }
  ~child() {
    ::close(out_);
    if (process_ > 0) {
      ::kill(process_, SIGTERM);
      wait();
    }
  }
  child(const child&) = delete;
  child& operator=(const child&) = delete;

  int out() const noexcept { return out_; }

  /// @returns the exit status; 128 and the signal where one ended it
  int wait() {
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : signal_status + WTERMSIG(status);
  }

private:
  pid_t process_ = -1;
  int out_ = -1;
};

bool is_replay_line(std::string_view line) {
  if (line.starts_with("replay: "))
    return true;
  const auto json = wire::parse({line, encoding::json});
  return json && json->contains("replay");
}

/// Waits for output. @returns false at its end
bool read_more(int from, std::string& into, const std::string& program, bool is_known) {
  pollfd ready{from, POLLIN, 0};
  bool hinted = is_known;
  while (::poll(&ready, 1, hinted ? -1 : hint_after_ms) <= 0) {
    if (interrupted())
      throw command_failed{exit_interrupted, "interrupted"};
    if (std::exchange(hinted, true) == false)
      std::fprintf(stderr, "troupe: %s has said nothing yet; if it is no program of Troupe, Ctrl-C ends it\n",
                   program.c_str());
  }
  char part[64 * 1024];
  const auto n = ::read(from, part, sizeof part);
  if (n > 0)
    into.append(part, static_cast<std::size_t>(n));
  return n > 0 || (n < 0 && errno == EINTR);
}

} // namespace

int replay_check(const arguments& given) {
  if (!given.has("--program"))
    throw command_failed{exit_usage, "replay --check needs --program PROGRAM: the one whose rooms were recorded"};
  std::error_code failed;
  const auto data = std::filesystem::absolute(given.get("--data", "data"), failed);
  if (failed || !std::filesystem::is_directory(data, failed))
    throw command_failed{exit_cannot, "there is no data folder " + data.string() + " (--data DIR names another)"};
  auto command = given.words();
  const auto program = given.get("--program");
  command.insert(command.begin(), program);
  std::vector<std::string> environment{"TROUPE_REPLAY_CHECK=" + data.string()};
  if (given.has("--json") || given.get("--format") == "json")
    environment.emplace_back("TROUPE_REPLAY_FORMAT=json");
  watch_for_interrupt();
  child running{command, environment};
  std::string seen;
  bool more = true;
  while (more && seen.find('\n') == std::string::npos && seen.size() < first_line_bytes_max)
    more = read_more(running.out(), seen, program, false);
  if (!is_replay_line(std::string_view{seen}.substr(0, seen.find('\n')))) {
    if (!more) // it has ended, or is about to
      if (const int status = running.wait(); status != 0 && seen.empty())
        throw command_failed{exit_cannot, program + " ended with status " + std::to_string(status) +
                                              " and said nothing of a replay"};
    throw command_failed{exit_cannot, program + " did not replay: it is no program of Troupe that keeps a log, or one "
                                                "that was built before it could (its first line must begin with "
                                                "\"replay: \")"};
  }
  while (more) {
    std::fwrite(seen.data(), 1, seen.size(), stdout);
    std::fflush(stdout);
    seen.clear();
    more = read_more(running.out(), seen, program, true);
  }
  return running.wait();
}

} // namespace troupe::cli
