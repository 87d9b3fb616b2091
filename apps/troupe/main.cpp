// The command line: asks a running node how it is, and reads the event log in a data folder. Exit statuses: 0 good, 1
// not ready, damaged or not proven, 2 bad usage, 3 something cannot be opened, read or written.

#include "apps/troupe/backup.hpp"
#include "apps/troupe/command.hpp"
#include "apps/troupe/http_get.hpp"
#include "apps/troupe/log_commands.hpp"
#include "apps/troupe/replay_commands.hpp"
#include "apps/troupe/server_commands.hpp"
#include "runtime/model/edit_distance.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#ifndef TROUPE_VERSION
#error "TROUPE_VERSION must come from the build"
#endif

namespace troupe::cli {
namespace {

/// The lines of /metrics that belong to the node itself, comments left out.
void print_numbers(std::string_view metrics) {
  while (!metrics.empty()) {
    const auto end = metrics.find('\n');
    const auto line = metrics.substr(0, end);
    if (line.starts_with("troupe_"))
      std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
    metrics.remove_prefix(end == std::string_view::npos ? metrics.size() : end + 1);
  }
}

int status(const arguments& given) {
  const auto url = given.get("--server", given.get("--url", server_default));
  const auto where = parse_address(url);
  const auto ca = given.get("--ca");
  const auto ready = http_get(where, "/readyz", ca);
  if (given.has("--json")) {
    std::printf("%s\n", ready.body.c_str());
  } else {
    std::printf("%s: %s\n%s\n", url.c_str(), ready.status == 200 ? "ready" : "not ready", ready.body.c_str());
    print_numbers(http_get(where, "/metrics", ca).body);
  }
  return ready.status == 200 ? exit_good : exit_false;
}

command status_command() {
  return {.name = "status",
          .takes = "",
          .summary = "Says whether a running node is ready, and its numbers",
          .flags = {server_flag(),
                    ca_flag(),
                    {"--url", "URL", "the same as --server, as it was called before"},
                    {"--json", "", "says it in JSON"}},
          .run = &status,
          .notes = "Exit status: 0 ready, 1 not ready or not to be reached.\n",
          .examples = "  troupe status\n"
                      "  troupe status --server http://10.0.0.7:8080 --json\n"};
}

std::vector<command> all_commands() {
  return {status_command(),  publish(),    subscribe(),  history(),    log_cat(),
          log_tail(),        log_export(), log_head(),   log_verify(), log_prove(),
          log_check_proof(), log_key(),    log_forget(), replay(),     backup()};
}

/// The list of commands; of those that begin so, where `group` is one.
std::string overview(const std::vector<command>& commands, std::string_view group) {
  std::string out = "usage: troupe " + std::string{group.empty() ? "COMMAND" : group} + " [flags]\n\n";
  for (const auto& one : commands) {
    if (!group.empty() && !one.name.starts_with(std::string{group} + " "))
      continue;
    auto line = "  " + std::string{one.name} + (one.takes.empty() ? "" : " " + std::string{one.takes});
    line.resize(std::max<std::size_t>(line.size() + 2, 26), ' ');
    out += line + std::string{one.summary} + "\n";
  }
  return out + "\ntroupe COMMAND --help tells its flags; troupe --version tells the version.\n";
}

int print(const std::string& text) { return std::fputs(text.c_str(), stdout) < 0 ? exit_cannot : exit_good; }

[[noreturn]] void unknown_command(const std::vector<command>& commands, const std::string& said) {
  std::vector<std::string_view> names;
  names.reserve(commands.size());
  for (const auto& one : commands)
    names.push_back(one.name);
  const auto near = nearest(said, names);
  throw command_failed{exit_usage, "there is no command \"" + said + "\"" +
                                       (near.empty() ? "" : "; is it " + std::string{near} + "?") +
                                       " (see troupe --help)"};
}

bool is_help(const std::string& one) { return one == "--help" || one == "-h"; }

int run(std::vector<std::string> given) {
  const auto commands = all_commands();
  if (given.empty()) {
    std::fputs(overview(commands, {}).c_str(), stderr);
    return exit_usage;
  }
  if (given.front() == "--version")
    return print("troupe " TROUPE_VERSION "\n");
  if (given.front() == "help") { // troupe help log cat
    given.erase(given.begin());
    given.emplace_back("--help");
  }
  if (is_help(given.front()))
    return print(overview(commands, {}));
  // A command has one word or two.
  std::size_t words = 1;
  auto name = given.front();
  if (name == "log") {
    if (given.size() == 1) {
      std::fputs(overview(commands, name).c_str(), stderr);
      return exit_usage;
    }
    if (is_help(given[1]))
      return print(overview(commands, name));
    name += " " + given[1];
    words = 2;
  }
  const auto one = std::find_if(commands.begin(), commands.end(), [&](const command& c) { return c.name == name; });
  if (one == commands.end())
    unknown_command(commands, name);
  given.erase(given.begin(), given.begin() + static_cast<std::ptrdiff_t>(words));
  const auto end = std::find(given.begin(), given.end(), "--");
  if (std::any_of(given.begin(), end, is_help))
    return print(help_of(*one));
  const int result = one->run(arguments{*one, given});
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    throw command_failed{exit_cannot, "cannot write the output"};
  return result;
}

} // namespace
} // namespace troupe::cli

int main(int argc, char** argv) {
  // Who reads the output may stop reading (troupe log cat | head): then the program ends, also where it was started by
  // something that ignores the signal.
  std::signal(SIGPIPE, SIG_DFL);
  try {
    return troupe::cli::run({argv + 1, argv + argc});
  } catch (const troupe::cli::command_failed& e) {
    std::fprintf(stderr, "troupe: %s\n", e.what());
    return e.status();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "troupe: %s\n", e.what());
    return troupe::cli::exit_false;
  }
}
