#pragma once

#include "runtime/model/errors.hpp"
#include "runtime/model/message.hpp"
#include "runtime/model/value.hpp"

#include <utility>
#include <variant>

namespace troupe {

/// A payload that was read: a value, or why it cannot be one.
class parsed_payload {
public:
  parsed_payload(value v) noexcept
      : what_(std::move(v)) {}
  parsed_payload(failure why) noexcept
      : what_(std::move(why)) {}

  explicit operator bool() const noexcept { return std::holds_alternative<value>(what_); }
  // Precondition: there is a value.
  const value& operator*() const { return std::get<value>(what_); }
  const value* operator->() const { return &**this; }
  /// `bad_message`, as `reject` takes it. Precondition: there is no value.
  const failure& error() const { return std::get<failure>(what_); }

private:
  std::variant<value, failure> what_;
};

/// Reads a message's payload, whichever format it came in. A valid message's payload is unreadable in one case: a
/// string in it has a lone surrogate, which no string of a program can hold.
parsed_payload parse_payload(const message& m);

} // namespace troupe
