#pragma once

#include "runtime/model/mesh/host.hpp"
#include "tests/model/seeded.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

/// Sees everything that happens in a simulated cluster, and says where a promise is broken.
class witness {
public:
  /// A home gave a message its number.
  void numbered(const std::string& room, const troupe::mesh::epoch_id& epoch, std::uint64_t seq,
                const std::string& what);
  /// A node acts by a view.
  void acts_by(const troupe::mesh::node_life& who, const troupe::mesh::view& v);
  /// A home has been sealed. @returns what names its state
  std::string sealed(std::string state);
  /// A home goes on with what has been sealed.
  std::string unsealed(const std::string& token);

  /// What one fan-out sees of one room, from its first question on.
  class listener {
  public:
    void moved(witness& by, const std::string& room, const troupe::mesh::epoch_id& epoch, std::uint64_t seq,
               bool recovered);
    void heard(witness& by, const std::string& room, const troupe::mesh::epoch_id& epoch,
               const troupe::mesh::numbered& what);
    std::size_t count() const noexcept { return messages_.size(); }
    bool has(const std::string& what) const { return messages_.contains(what); }
    std::uint64_t losses() const noexcept { return losses_; }
    const troupe::mesh::epoch_id& epoch() const noexcept { return epoch_; }

  private:
    bool begun_ = false;
    troupe::mesh::epoch_id epoch_;
    std::uint64_t seq_ = 0;
    std::uint64_t losses_ = 0; ///< How often it was told that something was lost.
    std::set<troupe::mesh::epoch_id> left_;
    std::map<std::string, std::uint64_t> senders_; ///< The last count of each.
    std::set<std::string> messages_;
  };

  static void require(bool holds, const std::string& promise, const std::string& where);

  /// How many epochs of rooms have begun.
  std::size_t epochs() const noexcept { return epochs_.size(); }
  std::size_t messages() const noexcept { return numbered_.size(); }
  std::size_t views() const noexcept { return views_.size(); }

private:
  using place = std::tuple<std::string, troupe::mesh::epoch_id, std::uint64_t>;
  std::map<place, std::string> numbered_;
  std::map<troupe::mesh::view_id, troupe::mesh::view> views_;
  std::map<troupe::mesh::node_life, troupe::mesh::view_id> acting_;
  std::vector<std::string> tokens_;
  std::set<std::string> spent_;
  std::set<std::pair<std::string, troupe::mesh::epoch_id>> epochs_;
};

/// A sender's message: its name and how many it has sent to the room before.
std::string as_message(const std::string& sender, std::uint64_t count);
