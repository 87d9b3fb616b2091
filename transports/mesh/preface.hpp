#pragma once

#include "actors/mesh/door.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::mesh {

/// The version of what nodes say to each other. Nodes of one major version understand each other; a minor version adds
/// what older nodes may ignore.
struct protocol_version {
  std::uint8_t major = 1;
  std::uint8_t minor = 0;
};

/// What each side says first inside TLS, before any frame of CAF: "TRPM", major, minor, the length of the rest in two
/// bytes, the highest first; then incarnation (eight bytes), node id (`node_id_bytes`), the name with its length in a
/// byte, and whatever a newer minor version adds.
struct preface {
  static constexpr std::size_t bytes_max = 1024;
  static constexpr std::size_t name_bytes_max = 64;

  protocol_version version;
  node_identity who;

  std::string encode() const;
};

/// What became of the bytes that came so far.
struct preface_outcome {
  enum class state : std::uint8_t { more, done, refused } what = state::more;
  preface said;              ///< Where it is done; its version also where that is refused.
  std::size_t bytes = 0;     ///< How many it took, where it is done.
  std::string_view reason{}; ///< Where it is refused: "preface" or "version".
  std::string detail;
};

/// Reads a preface from the beginning of what came.
preface_outcome read_preface(std::string_view bytes, protocol_version own);

/// Letters, digits, '-', '_' and '.', one to `preface::name_bytes_max` of them.
bool is_node_name(std::string_view name) noexcept;

} // namespace troupe::mesh
