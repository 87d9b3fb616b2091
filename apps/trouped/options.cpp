#include "apps/trouped/options.hpp"

#include "runtime/model/edit_distance.hpp"

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

/// A flag without a value, and what it changes.
struct plain {
  std::string_view flag;
  void (*take)(options& into);
};

constexpr plain plain_flags[] = {
    {"--check-config", [](options& o) { o.what = options::command::check_config; }},
    {"--print-config", [](options& o) { o.what = options::command::print_config; }},
    {"--version", [](options& o) { o.what = options::command::version; }},
    {"--accept-loss", [](options& o) { o.accept_loss = true; }},
    {"--help", [](options& o) { o.what = options::command::help; }},
    {"-h", [](options& o) { o.what = options::command::help; }},
};

bool plain_flag(const std::string& flag, options& into) {
  for (const auto& one : plain_flags)
    if (one.flag == flag) {
      one.take(into);
      return true;
    }
  return false;
}

/// @param flag without its value, if one stands behind it
std::string unknown(const std::string& argument, std::string_view flag) {
  std::vector<std::string_view> known{"--format"};
  for (const auto& one : plain_flags)
    known.push_back(one.flag);
  for (const auto& one : valued_flags)
    known.push_back(one.flag);
  const auto near = nearest(flag, known);
  return fmt::format("{}: unknown argument{} (see --help)", argument,
                     near.empty() ? std::string{} : fmt::format("; is it {}?", near));
}

} // namespace

std::variant<options, std::string> parse_options(const std::vector<std::string>& arguments) {
  options out;
  std::vector<std::string> listen;
  bool has_format = false;
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
      return unknown(arguments[i], flag);
    if (!inline_value && ++i == arguments.size())
      return fmt::format("{}: needs a value", flag);
    if (!inline_value)
      value = arguments[i];
    if (flag == "--listen" && !parse_listen_address(value))
      return fmt::format(R"(--listen {}: must be a numeric address and a port, such as "127.0.0.1:8080")", value);
    if (known != nullptr)
      known->take(out, listen, value);
    else if (has_format = true; value == "toml" || value == "markdown")
      out.format = value == "toml" ? options::page::toml : options::page::markdown;
    else
      return fmt::format("--format {}: must be toml or markdown", value);
  }
  if (has_format && (out.what == options::command::serve || out.what == options::command::check_config))
    return "--format: goes with --print-config only";
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
