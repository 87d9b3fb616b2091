#include "runtime/model/rendezvous.hpp"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace troupe {

namespace {

constexpr std::uint64_t fmix64(std::uint64_t k) noexcept {
  k ^= k >> 33;
  k *= 0xff51afd7ed558ccdULL;
  k ^= k >> 33;
  k *= 0xc4ceb9fe1a85ec53ULL;
  k ^= k >> 33;
  return k;
}

} // namespace

std::uint64_t stable_hash(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (auto c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  return fmix64(hash);
}

std::uint64_t rendezvous_weight(std::string_view name, std::string_view node) noexcept {
  return fmix64(stable_hash(name) + 0x9e3779b97f4a7c15ULL * stable_hash(node));
}

std::size_t home_of(std::string_view name, std::span<const std::string> nodes) noexcept {
  assert(!nodes.empty());
  std::size_t best = 0;
  auto best_weight = rendezvous_weight(name, nodes[0]);
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    auto weight = rendezvous_weight(name, nodes[i]);
    if (weight > best_weight || (weight == best_weight && nodes[i] < nodes[best])) {
      best = i;
      best_weight = weight;
    }
  }
  return best;
}

std::vector<std::size_t> ranked_homes(std::string_view name, std::span<const std::string> nodes) {
  std::vector<std::size_t> result(nodes.size());
  std::iota(result.begin(), result.end(), std::size_t{0});
  std::vector<std::uint64_t> weights;
  weights.reserve(nodes.size());
  for (const auto& node : nodes)
    weights.push_back(rendezvous_weight(name, node));
  std::sort(result.begin(), result.end(), [&](std::size_t a, std::size_t b) {
    return weights[a] != weights[b] ? weights[a] > weights[b] : nodes[a] < nodes[b];
  });
  return result;
}

} // namespace troupe
