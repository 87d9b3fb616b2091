#pragma once

#include "runtime/model/ids.hpp"
#include "runtime/model/mesh/host.hpp"
#include "runtime/model/mesh/messages.hpp"
#include "runtime/model/mesh/timing.hpp"
#include "runtime/model/mesh/views.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace troupe::mesh {

/// The messages of this node's publishers on their way to rooms' homes. While a room moves they wait here, so that
/// nothing overtakes: once this node has agreed to a view, nothing more goes to a home that the view replaces.
class publishing {
public:
  /// Whether there is a link with this life of a node.
  using reachable = std::function<bool(const node_life& node)>;

  publishing(const mesh_timing& timing, const mesh_limits& limits, postman& post, host& publishers);

  void publish(const std::string& room, std::uint64_t id, cargo what, const views& by, const reachable& links,
               mono_ms now);
  /// A view or a link is another than before: sends or refuses what waits for it.
  void changed(const views& by, const reachable& links);
  /// Refuses what has waited for too long.
  void pass_time(mono_ms now);

  std::size_t held() const noexcept { return messages_; }

private:
  struct waiting {
    std::uint64_t id;
    cargo what;
    mono_ms since;
  };
  enum class way : std::uint8_t { send, wait, refuse };

  static way way_of(std::string_view room, const views& by, const reachable& links);
  void send(const std::string& room, std::uint64_t id, cargo what, const view& active);
  void let_go(std::deque<waiting>& queue);

  mesh_timing timing_;
  mesh_limits limits_;
  postman& post_;
  host& host_;
  std::map<std::string, std::deque<waiting>, std::less<>> held_; ///< By room; none is empty.
  std::size_t messages_ = 0;
  std::size_t bytes_ = 0;
};

} // namespace troupe::mesh
