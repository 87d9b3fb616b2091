#pragma once

#include "runtime/model/mesh/host.hpp"
#include "runtime/model/mesh/messages.hpp"
#include "runtime/model/mesh/timing.hpp"
#include "runtime/model/mesh/view.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::mesh {

/// The current one of two claims to a name: the higher (term, owner), and of equals the higher epoch.
const claim& current(const claim& a, const claim& b) noexcept;

/// Who has the log of which channel and inbox, as far as this node knows. New claims are told at once; whatever that
/// does not reach is found by comparing hashes of buckets of names with one peer after the other (anti-entropy:
/// Demers et al., "Epidemic algorithms for replicated database maintenance", 1987). No message has more than
/// `page_entries_max` claims.
class claims {
public:
  claims(const mesh_limits& limits, postman& post, host& keeper);

  /// Takes a claim over: made here, or read from disk at the start.
  /// @returns whether it is current now
  bool add(const claim& what, bool tell_others);
  /// Null where nobody has claimed the name.
  const claim* find(std::string_view name) const;

  /// Tells what is new to all members.
  void tell_news(const view& active, const node_life& self);
  /// Compares with the next of them.
  void compare_with_next(const view& active, const node_life& self);
  void compare_with(const node_life& peer);

  void compared(const node_life& from, const claims_digest& theirs);
  void given(const node_life& from, const claims_page& page);
  void asked(const node_life& from, const claims_request& what);

  std::size_t size() const noexcept { return size_; }
  std::size_t entries() const noexcept { return size_ + news_.size(); }
  /// Claims that found no room.
  std::uint64_t turned_away() const noexcept { return turned_away_; }

private:
  struct bucket {
    std::map<std::string, claim, std::less<>> claims;
    std::uint64_t hash = 0; ///< Of all of them, in any order.
  };

  static std::uint8_t bucket_of(std::string_view name) noexcept;
  bool merge(const claim& what);
  void send_page(const node_life& to, std::uint8_t number, std::string_view after);

  mesh_limits limits_;
  postman& post_;
  host& host_;
  std::array<bucket, claim_buckets> buckets_;
  std::size_t size_ = 0;
  std::set<std::string> news_; ///< Names that the others have not been told of yet.
  std::string compared_last_;
  std::uint64_t turned_away_ = 0;
};

} // namespace troupe::mesh
