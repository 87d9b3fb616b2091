#pragma once

#include "runtime/model/message.hpp"
#include "runtime/model/slice.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>

namespace troupe::wire {

/// Turns messages into the bytes of one wire format, framing included, so that the result can be
/// shared by every connection that speaks the format. Implementations are stateless and are called
/// from any thread.
class encoder {
public:
  virtual ~encoder() = default;

  /// A small number that is unique in the process, less than `encoders_max`; given by the registry.
  std::size_t index() const noexcept { return index_; }

  /// Appends one frame.
  /// @param stamp its place in a room; `{}` for a message outside of rooms
  virtual void append(std::string& out, const message& m, const stamp& stamp) const = 0;

protected:
  encoder(); ///< Registers itself; throws std::length_error past `encoders_max`.
  encoder(const encoder&) = delete;
  encoder& operator=(const encoder&) = delete;

private:
  std::size_t index_;
};

/// How many wire formats a process can have.
inline constexpr std::size_t encoders_max = 16;

/// The encoder with this index. Precondition: it has been registered.
const encoder& encoder_at(std::size_t index) noexcept;

using troupe::slice;

} // namespace troupe::wire
