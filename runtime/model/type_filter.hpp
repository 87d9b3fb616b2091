#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// Whether a type belongs to the protocol (docs/protocol.md, "Reserved types"): from a client only the requests that
/// the protocol names pass.
bool is_reserved_type(std::string_view type) noexcept;

/// Which types a connection is sent (`subscribe`, `unsubscribe`). Without entries: all. The first subscription
/// narrows, later ones add, taking the last away restores all. Reserved types and `signal:*` always pass:
/// the filter concerns application messages only.
class type_filter {
public:
  /// How many entries a connection can have.
  static constexpr std::size_t entries_max = 64;

  /// Adds types; one that ends with `*` stands for all that begin so.
  /// @returns false where one is empty or too long, or where there would be too many; then nothing changed
  bool subscribe(std::span<const std::string_view> types);

  /// Takes types away, as they were subscribed. Those that are not there are passed over.
  void unsubscribe(std::span<const std::string_view> types);

  bool passes(std::string_view type) const noexcept { return entries_.empty() || passes_slowly(type); }

  /// Whether everything passes.
  bool open() const noexcept { return entries_.empty(); }
  const std::vector<std::string>& entries() const noexcept { return entries_; }

private:
  bool passes_slowly(std::string_view type) const noexcept;

  std::vector<std::string> entries_;
};

} // namespace troupe
