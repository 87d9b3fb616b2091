#pragma once

#include <span>
#include <string_view>

namespace troupe::http {

/// A file of apps/console, put into the program when it was built (transports/http/embed.cmake).
struct embedded_file {
  std::string_view name; ///< For example "index.html".
  std::string_view bytes;
};

std::span<const embedded_file> console_files() noexcept;

} // namespace troupe::http
