#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace troupe::log {

/// What went wrong, by what is to be done about it.
enum class fault_kind : std::uint8_t {
  no_space,    ///< ENOSPC or EDQUOT. Nothing was changed; the same may be tried again later.
  io,          ///< Another failed system call. Nothing was changed.
  sync_failed, ///< A sync failed: what the disk holds is unknown. Never try again; end the process.
  damaged,     ///< Bytes that were synced are not what was written.
  lost,        ///< The log is shorter than what was synced or signed before.
  in_use,      ///< Another process writes to this folder.
  refused,     ///< The argument cannot be taken: too large, malformed, out of range.
};

std::string_view to_string(fault_kind kind) noexcept;

/// Where in a log something is: "00000000000000000000.seg", record 17, byte 2211 of that file.
struct place {
  std::string file; ///< Without its folder.
  std::uint64_t index = 0;
  std::uint64_t offset = 0;
};

/// A failure as a value.
struct fault {
  fault_kind kind = fault_kind::io;
  int number = 0;      ///< The errno of the call that failed; 0: none did.
  std::string message; ///< One sentence for a person.
  std::optional<place> where = {};

  /// The message with the place and the meaning of the errno.
  std::string text() const;
};

/// The fault of a system call that returned `number` as errno.
fault system_fault(int number, std::string message);

/// A value or the reason why there is none.
template <class T>
class [[nodiscard]] result {
public:
  result(T value)
      : state_{std::move(value)} {}
  result(fault why)
      : state_{std::move(why)} {}

  explicit operator bool() const noexcept { return state_.index() == 0; }
  /// @pre *this
  T& operator*() noexcept { return *std::get_if<0>(&state_); }
  const T& operator*() const noexcept { return *std::get_if<0>(&state_); }
  T* operator->() noexcept { return std::get_if<0>(&state_); }
  const T* operator->() const noexcept { return std::get_if<0>(&state_); }
  /// @pre !*this
  const fault& error() const noexcept { return *std::get_if<1>(&state_); }

private:
  std::variant<T, fault> state_;
};

/// Nothing, or what went wrong.
using status = std::optional<fault>;

} // namespace troupe::log
