#include "runtime/log/fault.hpp"

#include <array>
#include <cerrno>
#include <system_error>

namespace troupe::log {

std::string_view to_string(fault_kind kind) noexcept {
  constexpr std::array<std::string_view, 7> names{"no_space", "io",     "sync_failed", "damaged",
                                                  "lost",     "in_use", "refused"};
  return names.at(static_cast<std::size_t>(kind));
}

std::string fault::text() const {
  auto result = message;
  if (where)
    result += " (" + where->file + ", record " + std::to_string(where->index) + ", byte " +
              std::to_string(where->offset) + ")";
  if (number != 0)
    result += ": " + std::generic_category().message(number);
  return result;
}

fault system_fault(int number, std::string message) {
  auto full = number == ENOSPC || number == EDQUOT;
  return {full ? fault_kind::no_space : fault_kind::io, number, std::move(message)};
}

} // namespace troupe::log
