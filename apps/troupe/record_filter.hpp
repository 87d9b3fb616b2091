#pragma once

#include "apps/troupe/command.hpp"
#include "apps/troupe/moment.hpp"
#include "runtime/log/cursor.hpp"
#include "runtime/log/record.hpp"
#include "runtime/model/patterns.hpp"

#include <string>
#include <utility>
#include <vector>

namespace troupe::cli {

/// The flags --kind, --room, --channel, --user, --connection, --type, --from and --to.
std::vector<flag> filter_flags();

/// Which records a person wants to see.
class record_filter {
public:
  /// Everything.
  record_filter() = default;
  /// Throws command_failed where a kind or a moment cannot be understood.
  explicit record_filter(const arguments& given);

  bool wants(const log::entry& one) const;
  const moment& from() const noexcept { return from_; }
  const moment& to() const noexcept { return to_; }

private:
  using names = pattern_table<bool>;
  names kinds_;
  std::vector<std::pair<std::string_view log::record_view::*, names>> texts_;
  moment from_;
  moment to_;
};

} // namespace troupe::cli
