#include "runtime/model/mesh/publishing.hpp"

#include <utility>

namespace troupe::mesh {

publishing::publishing(const mesh_timing& timing, const mesh_limits& limits, postman& post, host& publishers)
    : timing_(timing)
    , limits_(limits)
    , post_(post)
    , host_(publishers) {}

publishing::way publishing::way_of(std::string_view room, const views& by, const reachable& links) {
  const auto* active = by.active();
  const auto* home = active == nullptr ? nullptr : active->home_of(room);
  if (home == nullptr)
    return way::refuse;
  if (by.pending()) {
    const auto* next = by.installed().home_of(room);
    if (next == nullptr || *next != *home)
      return way::wait;
  }
  return links(*home) ? way::send : way::wait;
}

void publishing::send(const std::string& room, std::uint64_t id, cargo what, const view& active) {
  post_.post(*active.home_of(room), mesh::publish{room, active.id, id, std::move(what)});
}

void publishing::publish(const std::string& room, std::uint64_t id, cargo what, const views& by, const reachable& links,
                         mono_ms now) {
  const auto queue = held_.find(room);
  const auto where = queue != held_.end() ? way::wait : way_of(room, by, links); // never past what waits already
  if (where == way::send)
    return send(room, id, std::move(what), *by.active());
  if (where == way::refuse || messages_ >= limits_.held_messages_max || bytes_ + what->size() > limits_.held_bytes_max)
    return host_.refuse(room, id);
  ++messages_;
  bytes_ += what->size();
  held_[room].push_back({id, std::move(what), now});
}

void publishing::let_go(std::deque<waiting>& queue) {
  --messages_;
  bytes_ -= queue.front().what->size();
  queue.pop_front();
}

void publishing::changed(const views& by, const reachable& links) {
  for (auto at = held_.begin(); at != held_.end();) {
    auto& [room, queue] = *at;
    const auto where = way_of(room, by, links);
    if (where == way::wait) {
      ++at;
      continue;
    }
    while (!queue.empty()) {
      const auto first = queue.front();
      let_go(queue);
      if (where == way::send)
        send(room, first.id, first.what, *by.active());
      else
        host_.refuse(room, first.id);
    }
    at = held_.erase(at);
  }
}

void publishing::pass_time(mono_ms now) {
  for (auto at = held_.begin(); at != held_.end();) {
    auto& [room, queue] = *at;
    while (!queue.empty() && now - queue.front().since >= timing_.hold_ms) {
      const auto id = queue.front().id;
      let_go(queue);
      host_.refuse(room, id);
    }
    at = queue.empty() ? held_.erase(at) : std::next(at);
  }
}

} // namespace troupe::mesh
