#pragma once

#include "apps/troupe/command.hpp"

#include <vector>

/// The commands of `troupe log` (docs/cli.md).
namespace troupe::cli {

command log_cat();
command log_tail();
command log_export();
command log_head();
command log_verify();
command log_prove();
command log_check_proof();
command log_key();
command log_forget();

/// Flags of several groups as one list.
template <class... Groups>
std::vector<flag> flags_of(Groups... groups) {
  std::vector<flag> out;
  (out.insert(out.end(), groups.begin(), groups.end()), ...);
  return out;
}

} // namespace troupe::cli
