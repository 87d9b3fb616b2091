#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace troupe::store {

/// A number as eight bytes, big-endian, so that bytes order as numbers do.
std::string u64_bytes(std::uint64_t number);
/// The number of `u64_bytes`; nothing where there are not exactly eight bytes.
std::optional<std::uint64_t> u64_from(std::string_view bytes) noexcept;

/// Puts a key together from parts so that keys order as their lists of parts do, and so that the key of some parts is
/// a prefix of another key only where its parts are the first parts of that one: scanning "c", "room" never meets
/// "c", "rooms". Which parts a key has, in which order, is the same for all keys behind one tag.
///
/// A text is written with each 00 as 00 FF, and 00 01 at its end: no text's bytes begin another's.
class key {
public:
  /// Begins with a tag: one byte that says what kind of key this is.
  explicit key(char tag)
      : bytes_(1, tag) {}

  key& text(std::string_view part) &;
  key& number(std::uint64_t part) &;
  key&& text(std::string_view part) && { return std::move(text(part)); }
  key&& number(std::uint64_t part) && { return std::move(number(part)); }

  const std::string& bytes() const& noexcept { return bytes_; }
  std::string bytes() && noexcept { return std::move(bytes_); }
  operator std::string_view() const noexcept { return bytes_; }

private:
  std::string bytes_;
};

/// Takes a key apart, part by part in the order in which it was put together. A part that is not there as asked for
/// gives nothing, and so does every part after it.
class key_reader {
public:
  explicit key_reader(std::string_view bytes) noexcept
      : rest_{bytes} {}

  std::optional<char> tag() noexcept;
  std::optional<std::string> text();
  std::optional<std::uint64_t> number() noexcept;
  /// Whether all parts were taken and each was there.
  bool at_end() const noexcept { return !failed_ && rest_.empty(); }

private:
  std::nullopt_t fail() noexcept;

  std::string_view rest_;
  bool failed_ = false;
};

} // namespace troupe::store
