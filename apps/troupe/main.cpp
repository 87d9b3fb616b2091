// The command line: asks a running node how it is. Exit codes: 0 ready, 1 not ready or not there, 2 bad usage.

#include "apps/troupe/http_get.hpp"

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

constexpr int exit_not_ready = 1;
constexpr int exit_usage = 2;

constexpr const char* usage =
    "usage: troupe status [--url http://ADDR:PORT] [--json]   whether a node is ready, and its numbers\n"
    "       troupe --version | --help\n";

struct options {
  std::string command;
  std::string url = "http://127.0.0.1:8080";
  bool json = false;
};

int wrong(const std::string& why) {
  std::fprintf(stderr, "troupe: %s\n%s", why.c_str(), usage);
  return exit_usage;
}

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

int status(const options& chosen) {
  const auto ready = http_get(chosen.url, "/readyz");
  if (chosen.json) {
    std::printf("%s\n", ready.body.c_str());
  } else {
    std::printf("%s: %s\n%s\n", chosen.url.c_str(), ready.status == 200 ? "ready" : "not ready", ready.body.c_str());
    print_numbers(http_get(chosen.url, "/metrics").body);
  }
  return ready.status == 200 ? 0 : exit_not_ready;
}

int run(const std::vector<std::string>& arguments) {
  options chosen;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& a = arguments[i];
    if (a == "--help")
      return std::fputs(usage, stdout) < 0 ? exit_not_ready : 0;
    if (a == "--version")
      return std::puts("troupe " TROUPE_VERSION) < 0 ? exit_not_ready : 0;
    if (a == "--json")
      chosen.json = true;
    else if (a == "--url" && i + 1 < arguments.size())
      chosen.url = arguments[++i];
    else if (!a.starts_with("-") && chosen.command.empty())
      chosen.command = a;
    else
      return wrong("does not know \"" + a + "\"");
  }
  if (chosen.command != "status")
    return wrong(chosen.command.empty() ? "needs a command" : "does not know the command \"" + chosen.command + "\"");
  return status(chosen);
}

} // namespace
} // namespace troupe::cli

int main(int argc, char** argv) {
  try {
    return troupe::cli::run({argv + 1, argv + argc});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "troupe: %s\n", e.what());
    return troupe::cli::exit_not_ready;
  }
}
