#pragma once

#include "runtime/model/ids.hpp"
#include "runtime/model/mesh/host.hpp"
#include "runtime/model/mesh/messages.hpp"
#include "runtime/model/mesh/timing.hpp"
#include "runtime/model/mesh/views.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::mesh {

/// The rooms that members on this node are in, wherever their homes are: asks the home by the active view for each of
/// them, and passes on only what that home says, in order. Its epochs only rise.
class following {
public:
  following(node_life self, const mesh_timing& timing, postman& post, host& fan_outs);

  void follow(const std::string& room, const view* active, mono_ms now);
  void unfollow(const std::string& room);

  void activated(const views& now_active, mono_ms now);
  /// The node is not ready: no room has a home. What was seen of them is kept.
  void stepped_down();
  void link_lost(const std::string& node);
  void link_up(const node_life& peer, const view* active, mono_ms now);
  /// Asks again where there was no answer.
  void pass_time(const view* active, mono_ms now);

  void answered(const node_life& from, const attached& what);
  void heard(const node_life& from, const frames& what);
  void renewed_by(const node_life& from, const renewed& what);

  std::size_t entries() const noexcept { return rooms_.size(); }
  /// Whether the room's home has answered, so that its messages arrive here.
  bool is_followed(std::string_view room) const;

private:
  struct followed {
    std::optional<node_life> home; ///< Nothing: nobody can be asked now.
    std::uint64_t ticket = 0;      ///< Of the last request; 0: none was sent.
    bool answered = false;
    mono_ms asked_at = 0;
    std::optional<place_in_room> seen;
  };
  using room_map = std::map<std::string, followed, std::less<>>;

  void ask(const std::string& room, followed& f, const view& active, mono_ms now);
  /// Null where it is not the room's home that says it, or is not asked yet.
  followed* said_by_home(const node_life& from, const std::string& room);

  node_life self_;
  mesh_timing timing_;
  postman& post_;
  host& host_;
  room_map rooms_;
  std::uint64_t tickets_ = 0;
  bool asking_ = false; ///< Some room may wait for an answer.
};

} // namespace troupe::mesh
