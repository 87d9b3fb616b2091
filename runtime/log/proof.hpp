#pragma once

#include "runtime/log/checkpoint.hpp"
#include "runtime/log/fault.hpp"
#include "runtime/log/merkle.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::log {

/// That a record is in a log, for whoever has neither (C2SP tlog-proof, version 1).
struct inclusion_proof {
  std::uint64_t index = 0;
  std::string body; ///< Of the record; stands in the `extra` line.
  std::vector<tree_hash> hashes;
  signed_checkpoint checkpoint;
};

std::string text_of(const inclusion_proof& proof);
/// `refused` where the text is no such proof. Nothing is checked yet.
result<inclusion_proof> parse_proof(std::string_view text);
/// Without the log: that the checkpoint is signed by this key, and that the record is the one with this index in the
/// tree that it speaks of. Empty: it is so.
status check(const inclusion_proof& proof, const public_key& key);

/// Reads the log once and proves that this record is in the tree of this checkpoint, which must be one of this log.
result<inclusion_proof> prove_inclusion(const std::filesystem::path& folder, std::uint64_t index,
                                        const signed_checkpoint& in);
/// Proves that the tree of `size` records begins with that of `old_size`.
result<std::vector<tree_hash>> prove_consistency(const std::filesystem::path& folder, std::uint64_t old_size,
                                                 std::uint64_t size);

/// The roots of disjoint subtrees of a log, read in one go. What retention has dropped is taken from the hashes that
/// the oldest segment keeps; `lost` where these do not have it.
result<std::vector<tree_hash>> subtree_roots(const std::filesystem::path& folder, std::span<const leaf_range> ranges);

} // namespace troupe::log
