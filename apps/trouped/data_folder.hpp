#pragma once

#include <string>

namespace troupe::trouped {

/// The folder for what outlives the process, held by a lock as long as this lives.
class data_folder {
public:
  /// Makes the folder with mode 0700 where it is missing, and makes sure that it can be read and written and that no
  /// other process holds it. Throws std::runtime_error with one clear line.
  explicit data_folder(std::string path);
  ~data_folder();
  data_folder(const data_folder&) = delete;
  data_folder& operator=(const data_folder&) = delete;

  /// The secret in `admin.token`, which the first start makes: 256 random bits in hexadecimal, mode 0600.
  /// Throws std::runtime_error where it cannot be read or others may read it.
  std::string admin_token() const;

private:
  std::string path_;
  int lock_ = -1;
};

} // namespace troupe::trouped
