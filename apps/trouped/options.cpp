#include "apps/trouped/options.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace troupe::trouped {

namespace {

/// A flag that takes a value, and where the value goes.
struct valued {
  std::string_view flag;
  void (*take)(options& into, std::vector<std::string>& listen, const std::string& value);
};

constexpr valued valued_flags[] = {
    {"--config", [](options& o, auto&, const std::string& value) { o.sources.file = value; }},
    {"--set", [](options& o, auto&, const std::string& value) { o.sources.sets.push_back(value); }},
    {"--data", [](options& o, auto&, const std::string& value) { o.sources.sets.push_back("data=" + value); }},
    {"--listen", [](options&, auto& listen, const std::string& value) { listen.push_back(value); }},
};

bool plain_flag(const std::string& flag, options& into) {
  using command = options::command;
  if (flag == "--check-config")
    into.what = command::check_config;
  else if (flag == "--print-config")
    into.what = command::print_config;
  else if (flag == "--version")
    into.what = command::version;
  else if (flag == "--accept-loss")
    into.accept_loss = true;
  else if (flag == "--help" || flag == "-h")
    into.what = command::help;
  else
    return false;
  return true;
}

} // namespace

std::variant<options, std::string> parse_options(const std::vector<std::string>& arguments) {
  options out;
  std::vector<std::string> listen;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    auto flag = arguments[i];
    if (plain_flag(flag, out))
      continue;
    std::string value;
    const auto equals = flag.find('=');
    const bool inline_value = flag.substr(0, 2) == "--" && equals != std::string::npos;
    if (inline_value) {
      value = flag.substr(equals + 1);
      flag.resize(equals);
    }
    const valued* known = nullptr;
    for (const auto& v : valued_flags)
      if (v.flag == flag)
        known = &v;
    if (known == nullptr && flag != "--format")
      return fmt::format("{}: unknown argument (see --help)", arguments[i]);
    if (!inline_value && ++i == arguments.size())
      return fmt::format("{}: needs a value", flag);
    if (!inline_value)
      value = arguments[i];
    if (flag == "--listen" && !parse_listen_address(value))
      return fmt::format(R"(--listen {}: must be a numeric address and a port, such as "127.0.0.1:8080")", value);
    if (known != nullptr)
      known->take(out, listen, value);
    else if (value == "toml" || value == "markdown")
      out.format = value == "toml" ? options::page::toml : options::page::markdown;
    else
      return fmt::format("--format {}: must be toml or markdown", value);
  }
  if (!listen.empty())
    out.sources.sets.push_back(fmt::format("listen={}", fmt::join(listen, ",")));
  for (char** variable = environ; *variable != nullptr; ++variable)
    out.sources.environment.emplace_back(*variable);
  return out;
}

std::string usage() {
  return "usage: trouped [options]\n"
         "\n"
         "  --listen ADDR:PORT     listen there; may be given several times (default 127.0.0.1:8080)\n"
         "  --data DIR             folder for what outlives the process (default ./data)\n"
         "  --config FILE          settings in TOML\n"
         "  --set key=value        any setting, for example --set websocket.heartbeat=10s; may be given several times\n"
         "  --accept-loss          start although the log is damaged: go on without what cannot be read, keep it "
         "aside,\n"
         "                         and begin a new epoch in every channel (docs/event-log.md)\n"
         "  --check-config         check the settings, and the keys and certificates that they name, and exit\n"
         "  --print-config         print every setting with its value, default and meaning, and exit\n"
         "  --format toml|markdown of --print-config; markdown is docs/configuration.md\n"
         "  --version, --help\n"
         "\n"
         "Settings also come from variables such as TROUPE_WEBSOCKET_HEARTBEAT. Flags win over variables, variables\n"
         "over the file. SIGTERM drains and ends, a second one ends at once; SIGHUP reads the settings again.\n"
         "\n"
         "Exit status: 0 after a drain, 1 where it failed, 2 for settings or arguments that are wrong, 128 and the\n"
         "signal's number where a second SIGTERM (143) or SIGINT (130) ended it.\n";
}

} // namespace troupe::trouped
