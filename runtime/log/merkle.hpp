#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::log {

/// A SHA-256 of the tree over the records (RFC 6962, section 2.1).
using tree_hash = std::array<unsigned char, 32>;

/// SHA-256(0x00 || body).
tree_hash leaf_hash(std::string_view body);
/// SHA-256(0x01 || left || right).
tree_hash node_hash(const tree_hash& left, const tree_hash& right);
/// The root of a tree without leaves: SHA-256 of nothing.
tree_hash empty_root();
/// SHA-256 without a prefix.
tree_hash sha256_of(std::string_view bytes);

/// The hashes of the complete subtrees that a tree of `size()` leaves consists of, largest first: one for each
/// one bit of the size. They are all that is needed to go on appending, and take the place of leaves that are gone.
class compact_range {
public:
  compact_range() = default;

  void append(const tree_hash& leaf);
  std::uint64_t size() const noexcept { return size_; }
  tree_hash root() const;
  std::span<const tree_hash> hashes() const noexcept { return hashes_; }

  /// @returns false, and stays empty, where the count of hashes is not what the size asks for
  bool restore(std::uint64_t size, std::vector<tree_hash> hashes);

  friend bool operator==(const compact_range&, const compact_range&) = default;

private:
  std::uint64_t size_ = 0;
  std::vector<tree_hash> hashes_;
};

/// Leaves [begin, end) of a tree; a node of the tree, or all that is right of one.
struct leaf_range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  friend bool operator==(const leaf_range&, const leaf_range&) = default;
};

/// Which subtrees' roots make up the inclusion proof of a leaf, from the leaf upwards (RFC 6962, section 2.1.1).
/// @pre index < size
std::vector<leaf_range> inclusion_ranges(std::uint64_t index, std::uint64_t size);

/// Which subtrees' roots make up the proof that the tree of `size` leaves begins with that of `old_size`
/// (RFC 6962, section 2.1.2). Empty where they are the same.
/// @pre 0 < old_size <= size
std::vector<leaf_range> consistency_ranges(std::uint64_t old_size, std::uint64_t size);

/// The root of a tree over these leaf hashes.
tree_hash root_of(std::span<const tree_hash> leaves);

/// Makes a proof of its ranges from leaf hashes in memory.
std::vector<tree_hash> proof_of(std::span<const leaf_range> ranges, std::span<const tree_hash> leaves);

/// RFC 9162, section 2.1.3.2.
bool verify_inclusion(std::uint64_t index, std::uint64_t size, const tree_hash& leaf, std::span<const tree_hash> proof,
                      const tree_hash& root);

/// RFC 9162, section 2.1.4.2; equal sizes need equal roots and an empty proof.
bool verify_consistency(std::uint64_t old_size, std::uint64_t size, const tree_hash& old_root, const tree_hash& root,
                        std::span<const tree_hash> proof);

} // namespace troupe::log
