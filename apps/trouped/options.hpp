#pragma once

#include "runtime/system/config.hpp"

#include <string>
#include <variant>
#include <vector>

namespace troupe::trouped {

/// What the command line asks for.
struct options {
  enum class command { serve, check_config, print_config, version, help };
  enum class page { toml, markdown };

  command what = command::serve;
  page format = page::toml;
  config_sources sources;
  bool accept_loss = false; ///< Starts on a damaged log.
};

/// Reads the command line, without the program's name, and takes over the environment.
/// @returns one line that says what is wrong with it
std::variant<options, std::string> parse_options(const std::vector<std::string>& arguments);

/// What `--help` prints.
std::string usage();

} // namespace troupe::trouped
