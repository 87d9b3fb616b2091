#pragma once

#include "runtime/log/cursor.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace troupe::cli {

/// A new SQLite database with the tables `records`, one row for each record, and `logs`, one for each log. What fails
/// is thrown as command_failed (exit_cannot).
class sqlite_file {
public:
  /// @param path of no file that is there
  explicit sqlite_file(const std::string& path);

  /// @param log_name retention class of the log that it is of
  void add(const log::entry& one, std::string_view log_name);
  /// Makes the indexes; afterwards the file is complete, and for the caller to sync.
  /// @param origins names in checkpoints, by class
  void finish(const std::map<std::string, std::string>& origins);

private:
  struct closer {
    void operator()(sqlite3* database) const noexcept;
    void operator()(sqlite3_stmt* statement) const noexcept;
  };

  void run(const std::string& sql);
  void check(int result, const char* what);

  std::string path_;
  std::unique_ptr<sqlite3, closer> database_;
  std::unique_ptr<sqlite3_stmt, closer> insert_;
};

} // namespace troupe::cli
