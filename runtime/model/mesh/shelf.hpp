#pragma once

#include "runtime/model/mesh/messages.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace troupe::mesh {

/// The latest snapshots of rooms whose home is elsewhere, and whose home this node would be next. At most so many:
/// the one that was put there the longest ago goes first.
class shelf {
public:
  explicit shelf(std::size_t snapshots_max)
      : snapshots_max_(snapshots_max) {}

  void put(const std::string& room, room_state state) {
    if (const auto old = kept_.find(room); old != kept_.end()) {
      if (std::tie(state.epoch, state.seq) < std::tie(old->second.state.epoch, old->second.state.seq))
        return;
      order_.erase(old->second.put);
      kept_.erase(old);
    }
    order_.emplace(++puts_, room);
    kept_.emplace(room, entry{std::move(state), puts_});
    if (kept_.size() > snapshots_max_)
      take(std::string{order_.begin()->second});
  }

  std::optional<room_state> take(std::string_view room) {
    const auto at = kept_.find(room);
    if (at == kept_.end())
      return std::nullopt;
    auto state = std::move(at->second.state);
    order_.erase(at->second.put);
    kept_.erase(at);
    return state;
  }

  /// Removes the snapshots of those rooms of which `unwanted` says so.
  template <class F>
  void sweep(F unwanted) {
    std::erase_if(order_, [&](const auto& put) { return unwanted(put.second) && kept_.erase(put.second) != 0; });
  }

  std::size_t size() const noexcept { return kept_.size(); }

private:
  struct entry {
    room_state state;
    std::uint64_t put;
  };

  std::size_t snapshots_max_;
  std::uint64_t puts_ = 0;
  std::map<std::string, entry, std::less<>> kept_;
  std::map<std::uint64_t, std::string> order_;
};

} // namespace troupe::mesh
