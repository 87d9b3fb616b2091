#pragma once

#include "runtime/model/errors.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace troupe {

/// What one can be allowed to do with a room, channel or user; values combine with `|`.
enum class right : std::uint8_t {
  none = 0,
  read = 1,     ///< "r": join, subscribe, be sent.
  write = 2,    ///< "w": send to; of a user: `to`.
  presence = 4, ///< "p": see who is there, have a presence state.
  all = 7,
};

constexpr right operator|(right a, right b) noexcept {
  return static_cast<right>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
}
constexpr bool includes(right all, right wanted) noexcept {
  return (static_cast<std::uint8_t>(all) & static_cast<std::uint8_t>(wanted)) == static_cast<std::uint8_t>(wanted);
}

/// Rights from a letter each ("rwp"); `right::none` where a letter is unknown or there is none.
right rights_from(std::string_view letters) noexcept;

/// The `caps` of a token (docs/protocol.md, "Identity"): patterns over "kind:name" with rights. A pattern names
/// one thing, or with a `*` at its end all that begin so; a `*` elsewhere is a plain character. What several
/// matching patterns allow adds up: a right, once given, is not taken away by a more special pattern.
class caps {
public:
  /// How many patterns a token can have.
  static constexpr std::size_t patterns_max = 256;

  /// Allows nothing.
  caps() = default;

  /// Allows everything.
  static caps all();

  /// Builds caps from pairs of pattern and letters, or says in a sentence what is wrong: too many patterns, a kind
  /// other than room, channel, user and subject (a lone `*` stands for all), no name, an unknown letter.
  static std::variant<caps, failure> parse(std::span<const std::pair<std::string, std::string>> pairs);

  /// @param kind "room", "channel", "user" or "subject"
  /// @param wanted all of these rights are needed; several patterns may bring them together
  bool allows(std::string_view kind, std::string_view name, right wanted) const noexcept;

  /// All rights for one thing.
  right rights(std::string_view kind, std::string_view name) const noexcept;

private:
  struct rule {
    std::string text; ///< "kind:name", or what it begins with.
    bool prefix;
    right rights;
  };
  std::vector<rule> rules_;
};

} // namespace troupe
