#include "runtime/log/merkle.hpp"
#include "runtime/model/hex.hpp"

#include "tests/model/seeded.hpp"

#include <array>
#include <string>
#include <vector>

using namespace troupe::log;
using troupe::to_hex;

namespace {

/// The leaves that implementations of RFC 6962 test with, and the roots of the first 1 to 8 of them.
std::vector<tree_hash> reference_leaves() {
  using namespace std::string_literals;
  std::vector<tree_hash> result;
  for (const auto& leaf :
       {""s, "\0"s, "\x10"s, "\x20\x21"s, "\x30\x31"s, "\x40\x41\x42\x43"s, "\x50\x51\x52\x53\x54\x55\x56\x57"s,
        "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"s})
    result.push_back(leaf_hash(leaf));
  return result;
}
constexpr std::array reference_roots{
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

std::vector<tree_hash> some_leaves(std::uint64_t count) {
  std::vector<tree_hash> result;
  for (std::uint64_t i = 0; i < count; ++i)
    result.push_back(leaf_hash(std::to_string(i)));
  return result;
}

/// MTH of RFC 6962, section 2.1, word by word.
tree_hash by_definition(std::span<const tree_hash> leaves) {
  if (leaves.empty())
    return empty_root();
  if (leaves.size() == 1)
    return leaves.front();
  std::size_t k = 1;
  while (k * 2 < leaves.size())
    k *= 2;
  return node_hash(by_definition(leaves.first(k)), by_definition(leaves.subspan(k)));
}

} // namespace

BOOST_AUTO_TEST_SUITE(merkle_suite)

BOOST_AUTO_TEST_CASE(roots_are_those_that_others_publish) {
  const auto leaves = reference_leaves();
  BOOST_TEST(to_hex(empty_root()) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  for (std::size_t size = 1; size <= leaves.size(); ++size)
    BOOST_TEST(to_hex(root_of(std::span{leaves}.first(size))) == reference_roots[size - 1]);
}

BOOST_AUTO_TEST_CASE(proofs_are_those_that_others_publish) {
  const auto leaves = reference_leaves();
  const auto inclusion = proof_of(inclusion_ranges(5, 8), leaves);
  BOOST_TEST_REQUIRE(inclusion.size() == 3u);
  BOOST_TEST(to_hex(inclusion[0]) == "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b");
  BOOST_TEST(to_hex(inclusion[1]) == "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0");
  BOOST_TEST(to_hex(inclusion[2]) == "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7");
  const auto consistency = proof_of(consistency_ranges(2, 5), leaves);
  BOOST_TEST_REQUIRE(consistency.size() == 2u);
  BOOST_TEST(to_hex(consistency[0]) == "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e");
  BOOST_TEST(to_hex(consistency[1]) == "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b");
}

BOOST_AUTO_TEST_CASE(a_compact_range_has_the_root_of_the_definition_and_can_be_restored) {
  const auto leaves = some_leaves(130);
  compact_range tree;
  for (std::size_t size = 0; size <= leaves.size(); ++size) {
    BOOST_TEST((tree.root() == by_definition(std::span{leaves}.first(size))));
    compact_range again;
    BOOST_TEST(again.restore(tree.size(), {tree.hashes().begin(), tree.hashes().end()}));
    BOOST_TEST((again == tree));
    BOOST_TEST(!again.restore(tree.size() * 2 + 1, {tree.hashes().begin(), tree.hashes().end()}));
    if (size < leaves.size())
      tree.append(leaves[size]);
  }
}

BOOST_AUTO_TEST_CASE(every_inclusion_proof_of_every_size_holds_and_no_other) {
  const auto leaves = some_leaves(65);
  for (std::uint64_t size = 1; size <= 64; ++size) {
    const auto root = root_of(std::span{leaves}.first(size));
    for (std::uint64_t index = 0; index < size; ++index) {
      auto proof = proof_of(inclusion_ranges(index, size), std::span{leaves}.first(size));
      BOOST_TEST_REQUIRE(verify_inclusion(index, size, leaves[index], proof, root));
      BOOST_TEST_REQUIRE(!verify_inclusion(index, size, leaves[index + 1], proof, root));
      BOOST_TEST_REQUIRE(!verify_inclusion(index + 1, size, leaves[index], proof, root));
      BOOST_TEST_REQUIRE(!verify_inclusion(index, size, leaves[index], proof, leaves[64]));
      for (auto& hash : proof) {
        hash[size % 32] ^= 1;
        BOOST_TEST_REQUIRE(!verify_inclusion(index, size, leaves[index], proof, root));
        hash[size % 32] ^= 1;
      }
      proof.push_back(root);
      BOOST_TEST_REQUIRE(!verify_inclusion(index, size, leaves[index], proof, root));
      proof.pop_back();
      if (!proof.empty()) {
        proof.pop_back();
        BOOST_TEST_REQUIRE(!verify_inclusion(index, size, leaves[index], proof, root));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(every_consistency_proof_of_every_size_holds_and_no_other) {
  const auto leaves = some_leaves(64);
  for (std::uint64_t size = 1; size <= 64; ++size) {
    const auto root = root_of(std::span{leaves}.first(size));
    for (std::uint64_t old_size = 1; old_size <= size; ++old_size) {
      const auto old_root = root_of(std::span{leaves}.first(old_size));
      auto proof = proof_of(consistency_ranges(old_size, size), std::span{leaves}.first(size));
      BOOST_TEST_REQUIRE(verify_consistency(old_size, size, old_root, root, proof));
      BOOST_TEST_REQUIRE(!verify_consistency(old_size, size, node_hash(root, root), root, proof));
      BOOST_TEST_REQUIRE(!verify_consistency(old_size, size, old_root, node_hash(root, root), proof));
      for (auto& hash : proof) {
        hash[size % 32] ^= 1;
        BOOST_TEST_REQUIRE(!verify_consistency(old_size, size, old_root, root, proof));
        hash[size % 32] ^= 1;
      }
      proof.push_back(root);
      BOOST_TEST_REQUIRE(!verify_consistency(old_size, size, old_root, root, proof));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
