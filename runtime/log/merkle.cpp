#include "runtime/log/merkle.hpp"

#include <bit>
#include <memory>
#include <openssl/evp.h>
#include <stdexcept>
#include <utility>

namespace troupe::log {
namespace {

/// Hashes with one algorithm that is looked up once and a context that each thread keeps.
class hasher {
public:
  hasher() {
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    ok_ = algorithm != nullptr && EVP_DigestInit_ex2(context(), algorithm, nullptr) == 1;
  }

  hasher& add(const void* bytes, std::size_t length) {
    ok_ = ok_ && EVP_DigestUpdate(context(), bytes, length) == 1;
    return *this;
  }

  tree_hash done() {
    tree_hash result{};
    if (!ok_ || EVP_DigestFinal_ex(context(), result.data(), nullptr) != 1)
      throw std::runtime_error{"OpenSSL has no SHA-256"};
    return result;
  }

private:
  static EVP_MD_CTX* context() {
    thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> of_thread{EVP_MD_CTX_new(),
                                                                                         &EVP_MD_CTX_free};
    return of_thread.get();
  }

  bool ok_ = false;
};

/// The largest power of two below `n`. @pre n > 1
std::uint64_t split(std::uint64_t n) { return std::bit_floor(n - 1); }

} // namespace

tree_hash leaf_hash(std::string_view body) {
  constexpr char prefix = 0;
  return hasher{}.add(&prefix, 1).add(body.data(), body.size()).done();
}

tree_hash node_hash(const tree_hash& left, const tree_hash& right) {
  std::array<unsigned char, 65> bytes{1};
  std::copy(left.begin(), left.end(), bytes.begin() + 1);
  std::copy(right.begin(), right.end(), bytes.begin() + 33);
  return hasher{}.add(bytes.data(), bytes.size()).done();
}

tree_hash sha256_of(std::string_view bytes) { return hasher{}.add(bytes.data(), bytes.size()).done(); }

tree_hash empty_root() { return sha256_of({}); }

void compact_range::append(const tree_hash& leaf) {
  auto hash = leaf;
  for (auto bits = size_; (bits & 1) != 0; bits >>= 1) {
    hash = node_hash(hashes_.back(), hash);
    hashes_.pop_back();
  }
  hashes_.push_back(hash);
  ++size_;
}

tree_hash compact_range::root() const {
  if (hashes_.empty())
    return empty_root();
  auto result = hashes_.back();
  for (auto i = hashes_.size() - 1; i > 0; --i)
    result = node_hash(hashes_[i - 1], result);
  return result;
}

bool compact_range::restore(std::uint64_t size, std::vector<tree_hash> hashes) {
  const bool fits = static_cast<std::size_t>(std::popcount(size)) == hashes.size();
  size_ = fits ? size : 0;
  hashes_ = fits ? std::move(hashes) : std::vector<tree_hash>{};
  return fits;
}

std::vector<leaf_range> inclusion_ranges(std::uint64_t index, std::uint64_t size) {
  std::vector<leaf_range> from_root;
  leaf_range in{0, size};
  while (in.end - in.begin > 1) {
    const auto middle = in.begin + split(in.end - in.begin);
    if (index < middle) {
      from_root.push_back({middle, in.end});
      in.end = middle;
    } else {
      from_root.push_back({in.begin, middle});
      in.begin = middle;
    }
  }
  return {from_root.rbegin(), from_root.rend()};
}

std::vector<leaf_range> consistency_ranges(std::uint64_t old_size, std::uint64_t size) {
  std::vector<leaf_range> from_root;
  leaf_range in{0, size};
  while (old_size != in.end) {
    const auto middle = in.begin + split(in.end - in.begin);
    if (old_size <= middle) {
      from_root.push_back({middle, in.end});
      in.end = middle;
    } else {
      from_root.push_back({in.begin, middle});
      in.begin = middle;
    }
  }
  // The subtree in which the walk ends is the whole old tree only if nothing was split off on the left.
  if (in.begin != 0)
    from_root.push_back(in);
  return {from_root.rbegin(), from_root.rend()};
}

tree_hash root_of(std::span<const tree_hash> leaves) {
  compact_range tree;
  for (const auto& leaf : leaves)
    tree.append(leaf);
  return tree.root();
}

std::vector<tree_hash> proof_of(std::span<const leaf_range> ranges, std::span<const tree_hash> leaves) {
  std::vector<tree_hash> result;
  for (const auto& range : ranges)
    result.push_back(root_of(leaves.subspan(range.begin, range.end - range.begin)));
  return result;
}

bool verify_inclusion(std::uint64_t index, std::uint64_t size, const tree_hash& leaf, std::span<const tree_hash> proof,
                      const tree_hash& root) {
  if (index >= size)
    return false;
  auto fn = index;
  auto sn = size - 1;
  auto hash = leaf;
  for (const auto& p : proof) {
    if (sn == 0)
      return false;
    if ((fn & 1) != 0 || fn == sn) {
      hash = node_hash(p, hash);
      for (; (fn & 1) == 0 && fn != 0; fn >>= 1)
        sn >>= 1;
    } else {
      hash = node_hash(hash, p);
    }
    fn >>= 1;
    sn >>= 1;
  }
  return sn == 0 && hash == root;
}

bool verify_consistency(std::uint64_t old_size, std::uint64_t size, const tree_hash& old_root, const tree_hash& root,
                        std::span<const tree_hash> proof) {
  if (old_size == size)
    return proof.empty() && old_root == root;
  if (old_size == 0 || old_size > size || proof.empty())
    return false;
  const bool whole = std::has_single_bit(old_size);
  auto fn = old_size - 1;
  auto sn = size - 1;
  for (; (fn & 1) != 0; fn >>= 1)
    sn >>= 1;
  auto old_hash = whole ? old_root : proof.front();
  auto hash = old_hash;
  for (const auto& c : proof.subspan(whole ? 0 : 1)) {
    if (sn == 0)
      return false;
    if ((fn & 1) != 0 || fn == sn) {
      old_hash = node_hash(c, old_hash);
      hash = node_hash(c, hash);
      for (; (fn & 1) == 0 && fn != 0; fn >>= 1)
        sn >>= 1;
    } else {
      hash = node_hash(hash, c);
    }
    fn >>= 1;
    sn >>= 1;
  }
  return sn == 0 && old_hash == old_root && hash == root;
}

} // namespace troupe::log
