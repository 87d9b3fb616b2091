#pragma once

#include <filesystem>
#include <string>
#include <unistd.h>

namespace troupe::testing {

/// A folder for files of this process, which goes with it.
struct own_folder {
  explicit own_folder(const std::string& name)
      : path{std::filesystem::temp_directory_path() / ("troupe-" + name + "-" + std::to_string(::getpid()))} {
    std::filesystem::create_directories(path);
  }
  ~own_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  own_folder(const own_folder&) = delete;
  own_folder& operator=(const own_folder&) = delete;

  std::filesystem::path path;
};

} // namespace troupe::testing
