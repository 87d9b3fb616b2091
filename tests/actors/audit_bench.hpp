#pragma once

#include "runtime/log/record.hpp"
#include "tests/actors/kernel_world.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe::testing {

/// A data folder that goes away with the test.
class data_scratch {
public:
  data_scratch();
  ~data_scratch();
  data_scratch(const data_scratch&) = delete;
  data_scratch& operator=(const data_scratch&) = delete;
  std::string path() const { return path_.string(); }
  std::filesystem::path audit() const { return path_ / "log" / "audit"; }

private:
  std::filesystem::path path_;
};

/// The defaults of a world, with this level of rooms.
config audited(audit_level level = audit_level::metadata);
/// A node that keeps its log in a folder.
std::unique_ptr<world> start(const data_scratch& where, config settings, const std::function<void(kernel&)>& more = {});
/// The log holds together, and has been signed.
void check_intact(const data_scratch& where);

/// All records of the audit log; fails the test where it cannot be read to its end.
std::vector<log::record> audit_of(const data_scratch& where);

/// A record as a short line: its kind, then what it has of seq, type, user, code, payload and detail, in this order.
std::string line_of(const log::record& what);
/// The lines of a room; of what belongs to no room where it is empty.
std::vector<std::string> lines_of(const std::vector<log::record>& all, const std::string& room);

} // namespace troupe::testing
