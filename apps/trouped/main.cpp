// The server: settings, data folder, kernel, signals. The only list of transports.

#include "actors/kernel.hpp"
#include "actors/signals.hpp"
#include "apps/trouped/data_folder.hpp"
#include "apps/trouped/options.hpp"
#include "runtime/system/config.hpp"
#include "runtime/system/identity.hpp"
#include "runtime/system/logger.hpp"
#include "runtime/system/loop.hpp"
#include "runtime/system/watchdog.hpp"
#include "transports/tls.hpp"
#include "transports/websocket.hpp"

#include <csignal>
#include <cstdio>
#include <ctime>
#include <exception>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <utility>
#include <variant>
#include <vector>

#ifndef TROUPE_VERSION
#error "TROUPE_VERSION must come from the build"
#endif

namespace troupe::trouped {

namespace {

constexpr int exit_failed = 1;
constexpr int exit_bad_config = 2;

void complain(const std::string& line) { std::fprintf(stderr, "trouped: %s\n", line.c_str()); }

bool is_loopback(const std::string& host) { return host.rfind("127.", 0) == 0 || host == "::1"; }

/// Without a key anybody would be anybody: that is for one's own machine only.
void refuse_open_door(const config& settings) {
  if (!settings.auth.keys.empty())
    return;
  for (const auto& text : settings.listen)
    if (const auto address = parse_listen_address(text); address && !is_loopback(address->host))
      throw std::runtime_error{fmt::format(
          "refuses to listen on {} without auth.keys: anybody could connect as anybody (set a key, or use 127.0.0.1)",
          text)};
}

/// What the settings alone do not tell: who may come in, and whether the files that they name can be used. A start
/// looks before it opens anything, `--check-config` only looks. Throws std::runtime_error with one clear line.
void check_what_is_named(const config& settings) {
  refuse_open_door(settings);
  const authenticator keys{settings.auth};
  if (!settings.tls.certificate.empty())
    const tls_credentials certificate{settings.tls.certificate, settings.tls.key};
}

void apply_log_settings(const config& settings) {
  process_log().level(log_level_from(settings.log.level).value_or(log_level::info));
  process_log().format(log_format_from(settings.log.format).value_or(log_format::text));
}

/// As many descriptors as the system allows, and no death by a peer that closed.
void prepare_process() {
  std::signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

/// sd_notify(3) wants the time at which a reload began, so that it can order the answers.
void notify_reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const auto usec = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
  notify_service(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", usec));
}

std::string listed(const std::vector<std::string>& keys) {
  return keys.empty() ? "none" : fmt::format("{}", fmt::join(keys, ","));
}

/// Which of the files that SIGHUP reads again there are.
std::vector<std::string> files_of(const config& settings) {
  std::vector<std::string> out;
  if (!settings.auth.keys.empty())
    out.emplace_back("keys");
  if (!settings.tls.certificate.empty())
    out.emplace_back("certificates");
  return out;
}

/// Reads all sources again and applies what can be applied; says what was and what was not.
void reload(kernel& on, const config_sources& sources, config& current) {
  auto& log = process_log();
  notify_reloading();
  const auto loaded = load_config(sources);
  if (const auto* errors = std::get_if<config_errors>(&loaded)) {
    for (const auto& line : *errors)
      log.error("reload_refused", "why={}", line);
  } else {
    const auto& wanted = std::get<config>(loaded);
    const auto changes = compare_config(current, wanted);
    const auto merged = merge_reload(current, wanted);
    try {
      refuse_open_door(merged);
      on.reload(merged);
      current = merged;
      apply_log_settings(current);
      log.info("reloaded", "applied={} files={}", listed(changes.reloadable), listed(files_of(current)));
      if (!changes.restart.empty())
        log.warn("restart_needed", "keys={}", listed(changes.restart));
    } catch (const std::exception& e) {
      log.error("reload_refused", "why={}", e.what());
    }
  }
  notify_service("READY=1");
}

std::vector<watchdog::post_function> loops_of(kernel& of) {
  std::vector<watchdog::post_function> out;
  for (std::size_t i = 0; i < of.loop_count(); ++i)
    out.emplace_back([&of, i](std::function<void()> f) { of.loop_at(i).post(std::move(f)); });
  return out;
}

void say_if_keyless(const config& settings) {
  if (settings.auth.keys.empty())
    process_log().warn("keyless", "meaning={}",
                       "no auth.keys: clients on this machine are accepted without a token; not for the network");
}

/// Whoever starts the server by hand wants to know, however little is logged.
void say_where_the_page_is(const std::string& url) {
  if (process_log().enabled(log_level::info))
    process_log().info("demo_page", "url={}", url);
  else
    std::fprintf(stderr, "demo_page url=%s\n", url.c_str());
}

int serve(const options& from, config settings) {
  prepare_process();
  apply_log_settings(settings);
  check_what_is_named(settings);
  const data_folder data{settings.data};
  const auto admin_secret = data.admin_token();

  kernel node{settings};
  node.accept_admin_token(admin_secret);
  node.keep_log(settings.data, from.accept_loss);
  websocket_options websocket;
  websocket.demo_page = true;
  websocket.on_demo_page = say_where_the_page_is;
  node.add(websocket_transport{std::move(websocket)});

  int code = 0;
  {
    const auto drain = [&] {
      process_log().info("draining", "within_ms={}", settings.shutdown.drain.count());
      notify_service("STOPPING=1");
      node.drain();
    };
    signal_watch signals{{.drain = drain, .reload = [&] { reload(node, from.sources, settings); }}};
    node.start();
    process_log().info("started", "version={} data={}", TROUPE_VERSION,
                       std::filesystem::absolute(settings.data).string());
    say_if_keyless(settings);
    std::unique_ptr<watchdog> pet;
    if (const auto interval = watchdog_interval(); interval.count() > 0)
      pet = std::make_unique<watchdog>(interval, loops_of(node));
    signals.begin();
    notify_service("READY=1");
    code = node.wait();
  }
  process_log().info("stopped", "code={}", code);
  return code;
}

int check(const config& settings) {
  try {
    check_what_is_named(settings);
  } catch (const std::exception& e) {
    complain(e.what());
    return exit_bad_config;
  }
  return std::puts("the settings are good") < 0 ? exit_failed : 0;
}

int run(const std::vector<std::string>& arguments) {
  const auto parsed = parse_options(arguments);
  if (const auto* wrong = std::get_if<std::string>(&parsed)) {
    complain(*wrong);
    return exit_bad_config;
  }
  const auto& chosen = std::get<options>(parsed);
  using command = options::command;
  if (chosen.what == command::help)
    return std::fputs(usage().c_str(), stdout) < 0 ? exit_failed : 0;
  if (chosen.what == command::version)
    return std::puts("trouped " TROUPE_VERSION) < 0 ? exit_failed : 0;
  const auto loaded = load_config(chosen.sources);
  if (const auto* errors = std::get_if<config_errors>(&loaded)) {
    for (const auto& line : *errors)
      complain(line);
    return exit_bad_config;
  }
  const auto& settings = std::get<config>(loaded);
  if (chosen.what == command::check_config)
    return check(settings);
  if (chosen.what == command::print_config) {
    const bool markdown = chosen.format == options::page::markdown;
    const auto text = markdown ? print_config_markdown() : print_config_toml(settings);
    return std::fputs(text.c_str(), stdout) < 0 ? exit_failed : 0;
  }
  return serve(chosen, settings);
}

} // namespace

} // namespace troupe::trouped

int main(int argc, char** argv) {
  try {
    return troupe::trouped::run({argv + 1, argv + argc});
  } catch (const std::exception& e) {
    troupe::trouped::complain(e.what());
    return troupe::trouped::exit_failed;
  }
}
