#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// A 64-bit hash of text that is the same in every build and on every machine: FNV-1a (offset basis
/// 0xcbf29ce484222325, prime 0x100000001b3), then the finalizer of MurmurHash3 (fmix64). Not for secrets, nor against
/// somebody who wants collisions.
std::uint64_t stable_hash(std::string_view text) noexcept;

/// What a node weighs for a name: fmix64(stable_hash(name) + 0x9e3779b97f4a7c15 * stable_hash(node)).
std::uint64_t rendezvous_weight(std::string_view name, std::string_view node) noexcept;

/// Which node is home to a name: the heaviest (Thaler and Ravishankar, "Using name-based mappings to increase hit
/// rates", 1998), of equals the lower name. All who know the same nodes agree, in whatever order they list them;
/// a node that leaves moves only its own names.
/// @returns its place in `nodes`, which must not be empty
std::size_t home_of(std::string_view name, std::span<const std::string> nodes) noexcept;

/// All nodes (as places in `nodes`), the home first, then who would be it next.
std::vector<std::size_t> ranked_homes(std::string_view name, std::span<const std::string> nodes);

} // namespace troupe
