#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace troupe::store {

/// Why a store did not do what it was asked to, so that a program can choose what to do next.
enum class fault : std::uint8_t {
  invalid,   ///< The call itself is wrong: `applied` would go back, for example. Nothing changed.
  closed,    ///< The store was closed.
  locked,    ///< Another process, or another store of this one, has the folder open.
  corrupted, ///< What is stored is damaged, or is no store: throw it away and rebuild it from the log.
  full,      ///< The disk has no room. Temporary: the same call works again once there is room.
  io,        ///< The folder cannot be made, read or written for another reason.
};

/// The fault as a log line says it, for example "corrupted".
std::string_view to_string(fault kind) noexcept;

/// A refusal as a value.
struct store_failure {
  fault kind = fault::io;
  std::string message; ///< One sentence for a person.
};

/// What a call without a result answers: nothing when it worked.
using status = std::optional<store_failure>;

/// What a call with a result answers: the result, or why there is none.
template <class T>
class [[nodiscard]] outcome {
public:
  outcome(T value)
      : held_{std::in_place_index<0>, std::move(value)} {}
  outcome(store_failure why)
      : held_{std::in_place_index<1>, std::move(why)} {}

  bool ok() const noexcept { return held_.index() == 0; }
  /// The result. Only after ok().
  T& value() noexcept { return *std::get_if<0>(&held_); }
  const T& value() const noexcept { return *std::get_if<0>(&held_); }
  /// Why there is no result. Only after !ok().
  const store_failure& why() const noexcept { return *std::get_if<1>(&held_); }

private:
  std::variant<T, store_failure> held_;
};

} // namespace troupe::store
