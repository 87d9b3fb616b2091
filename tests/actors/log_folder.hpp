#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace troupe::testing {

/// A folder for the log of a node, gone with this.
class log_folder {
public:
  log_folder() {
    auto name = (std::filesystem::temp_directory_path() / "troupe-actors-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      throw std::runtime_error{"no temporary folder"};
    path_ = name;
  }
  ~log_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  log_folder(const log_folder&) = delete;
  log_folder& operator=(const log_folder&) = delete;

  const std::string& path() const noexcept { return path_; }

private:
  std::string path_;
};

} // namespace troupe::testing
