#include "runtime/model/mesh/claims.hpp"

#include "runtime/model/rendezvous.hpp"

#include <tuple>
#include <utility>

namespace troupe::mesh {

namespace {

/// How many buckets are compared in depth at a time.
constexpr std::size_t pages_per_digest_max = 16;

std::uint64_t hash_of(const claim& c) {
  auto hash = stable_hash(c.name);
  for (const auto part : {stable_hash(c.owner), c.term, stable_hash(c.epoch)})
    hash = (hash ^ part) * 0x9e3779b97f4a7c15ULL;
  return hash;
}

} // namespace

const claim& current(const claim& a, const claim& b) noexcept {
  return std::tie(a.term, a.owner, a.epoch) < std::tie(b.term, b.owner, b.epoch) ? b : a;
}

claims::claims(const mesh_limits& limits, postman& post, host& keeper)
    : limits_(limits)
    , post_(post)
    , host_(keeper) {}

std::uint8_t claims::bucket_of(std::string_view name) noexcept {
  return static_cast<std::uint8_t>(stable_hash(name) % claim_buckets);
}

const claim* claims::find(std::string_view name) const {
  const auto& in = buckets_[bucket_of(name)].claims;
  const auto at = in.find(name);
  return at == in.end() ? nullptr : &at->second;
}

bool claims::merge(const claim& what) {
  auto& in = buckets_[bucket_of(what.name)];
  auto at = in.claims.find(what.name);
  if (at != in.claims.end()) {
    if (&current(at->second, what) == &at->second)
      return false;
    in.hash ^= hash_of(at->second);
    at->second = what;
  } else if (size_ >= limits_.claims_max) {
    ++turned_away_;
    return false;
  } else {
    in.claims.emplace(what.name, what);
    ++size_;
  }
  in.hash ^= hash_of(what);
  return true;
}

bool claims::add(const claim& what, bool tell_others) {
  if (!merge(what))
    return false;
  host_.claimed(what);
  if (tell_others)
    news_.insert(what.name);
  return true;
}

void claims::tell_news(const view& active, const node_life& self) {
  claims_page news;
  while (!news_.empty() && news.claims.size() < limits_.page_entries_max)
    news.claims.push_back(*find(news_.extract(news_.begin()).value()));
  for (const auto& member : active.members)
    if (!news.claims.empty() && member != self)
      post_.post(member, news);
}

void claims::compare_with_next(const view& active, const node_life& self) {
  const node_life* next = nullptr;
  for (const auto& member : active.members)
    if (member != self && (next == nullptr || (next->name <= compared_last_ && member.name > compared_last_)))
      next = &member;
  if (next == nullptr)
    return;
  compared_last_ = next->name;
  compare_with(*next);
}

void claims::compare_with(const node_life& peer) {
  claims_digest mine;
  for (std::size_t i = 0; i < claim_buckets; ++i)
    mine.hashes[i] = buckets_[i].hash;
  post_.post(peer, mine);
}

void claims::send_page(const node_life& to, std::uint8_t number, std::string_view after) {
  claims_page page{{}, number, false};
  const auto& in = buckets_[number].claims;
  auto at = after.empty() ? in.begin() : in.upper_bound(after);
  for (; at != in.end() && page.claims.size() < limits_.page_entries_max; ++at)
    page.claims.push_back(at->second);
  page.more = at != in.end();
  if (!page.claims.empty())
    post_.post(to, std::move(page));
}

void claims::compared(const node_life& from, const claims_digest& theirs) {
  std::size_t pages = 0;
  for (std::size_t i = 0; i < claim_buckets && pages < pages_per_digest_max; ++i)
    if (buckets_[i].hash != theirs.hashes[i] && !buckets_[i].claims.empty()) {
      send_page(from, static_cast<std::uint8_t>(i), {});
      ++pages;
    }
}

void claims::given(const node_life& from, const claims_page& page) {
  for (const auto& c : page.claims)
    if (merge(c))
      host_.claimed(c);
  if (page.bucket && page.more && !page.claims.empty())
    post_.post(from, claims_request{*page.bucket, page.claims.back().name});
}

void claims::asked(const node_life& from, const claims_request& what) {
  if (what.bucket < claim_buckets)
    send_page(from, what.bucket, what.after);
}

} // namespace troupe::mesh
