#pragma once

#include <filesystem>
#include <stdlib.h>
#include <string>

namespace troupe::testing {

/// A new folder below the temporary one, gone with its end.
class temporary_folder {
public:
  temporary_folder() {
    path_ = (std::filesystem::temp_directory_path() / "troupe-store-XXXXXX").string();
    if (::mkdtemp(path_.data()) == nullptr)
      path_.clear();
  }
  ~temporary_folder() {
    std::error_code ignored;
    if (!path_.empty())
      std::filesystem::remove_all(path_, ignored);
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::string below(const std::string& name) const { return path_ + "/" + name; }

private:
  std::string path_;
};

} // namespace troupe::testing
