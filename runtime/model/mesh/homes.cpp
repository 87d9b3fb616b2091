#include "runtime/model/mesh/homes.hpp"

#include <algorithm>
#include <utility>

namespace troupe::mesh {

namespace {

const std::string& room_of(const std::variant<attach, publish>& what) {
  return std::visit([](const auto& m) -> const std::string& { return m.room; }, what);
}

/// So many views can be agreed to, one after the other, before rooms that they move are sealed at once.
constexpr std::size_t agreed_max = 4;

const view_id& view_of(const std::variant<attach, publish>& what) {
  return std::visit([](const auto& m) -> const view_id& { return m.view; }, what);
}

} // namespace

homes::homes(node_life self, const mesh_timing& timing, const mesh_limits& limits, postman& post, host& rooms)
    : self_(std::move(self))
    , timing_(timing)
    , limits_(limits)
    , post_(post)
    , host_(rooms)
    , shelf_(limits.snapshots_max) {}

bool homes::is_home(const view& v, std::string_view room) const noexcept {
  const auto* home = v.home_of(room);
  return home != nullptr && *home == self_;
}

bool homes::is_open(std::string_view room) const {
  const auto at = rooms_.find(room);
  return at != rooms_.end() && at->second.at == room_here::stage::open;
}

std::size_t homes::entries() const noexcept {
  return rooms_.size() + tokens_.size() + requests_ + settled_.size() + shelf_.size();
}

// -- the view

// Others may act by any view that this node has agreed to, so what one of them moves is sealed in time; even if yet
// another one is installed before.
void homes::installed(const view& next, mono_ms now) {
  if (agreed_.empty())
    seal_at_ = now + timing_.flush_ms;
  agreed_.push_back(next);
  const bool many = agreed_.size() > agreed_max;
  if (many)
    agreed_.assign(1, view{}); // one without hosts moves every room
  if (many || !seal_at_)
    seal_early();
}

bool homes::moves(std::string_view room) const noexcept {
  return std::any_of(agreed_.begin(), agreed_.end(), [&](const view& v) { return !is_home(v, room); });
}

void homes::activated(const views& now_active, mono_ms now) {
  active_ = *now_active.active();
  before_ = now_active.before();
  together_ = {now_active.together().begin(), now_active.together().end()};
  agreed_.clear();
  seal_at_.reset();
  open_at_ = now + timing_.hand_over_ms;
  std::erase_if(settled_, [&](const auto& s) { return active_->find(s.first) == nullptr; });
  release_strangers();
  seal_moved();
  place_tokens();
  renew_successors();
  say_settled();
  for (auto early = std::exchange(early_, {}); !early.empty(); early.pop_front()) {
    --requests_;
    ask(early.front().from, std::move(early.front().what));
  }
  pass_time(now);
}

void homes::stepped_down() {
  for (auto& [name, here] : rooms_) {
    if (here.at == room_here::stage::open)
      host_.drop_room(name);
    for (const auto& r : here.waiting)
      refuse(r);
  }
  for (const auto& r : early_)
    refuse(r);
  // A room that is being sealed still answers: it is remembered, and dropped then.
  std::erase_if(rooms_, [](const auto& r) { return r.second.at != room_here::stage::sealing; });
  early_.clear();
  requests_ = 0;
  tokens_.clear();
  active_.reset();
  agreed_.clear();
  seal_at_.reset();
  open_at_.reset();
}

// Members that did not act by the same view before ask again if they want a room; what they were sent meanwhile, and
// what this home heard of them, is of no use.
void homes::release_strangers() {
  for (auto& [name, here] : rooms_)
    std::erase_if(here.followers, [&](const std::string& node) {
      if (together_.contains(node))
        return false;
      if (here.at == room_here::stage::open)
        host_.release(name, node);
      return true;
    });
}

void homes::seal_early() {
  seal_at_.reset();
  if (active_)
    seal_moved();
}

void homes::seal_moved() {
  for (auto at = rooms_.begin(); at != rooms_.end();) {
    auto& [name, here] = *at;
    if ((is_home(*active_, name) && !sealed_early(name)) || here.at == room_here::stage::sealing) {
      ++at;
    } else if (here.at == room_here::stage::awaited) {
      requests_ -= here.waiting.size();
      for (const auto& r : here.waiting)
        refuse(r);
      at = rooms_.erase(at);
    } else {
      here.at = room_here::stage::sealing;
      here.followers.clear();
      ++sealing_;
      host_.seal_room(name);
      ++at;
    }
  }
}

void homes::sealed(const std::string& room, room_state state) {
  const auto at = rooms_.find(room);
  if (at == rooms_.end() || at->second.at != room_here::stage::sealing)
    return;
  rooms_.erase(at);
  --sealing_;
  place_token(room, std::move(state));
  say_settled();
}

// A token goes to the room's home by the active view. One that was sealed early waits here for the view that moves it.
void homes::place_token(const std::string& room, room_state state) {
  const auto* home = active_ ? active_->home_of(room) : nullptr;
  if (home == nullptr)
    return; // the epoch ends
  if (*home != self_)
    return post_.post(*home, hand_over{room, active_->id, std::move(state)});
  if (sealed_early(room))
    return keep_token(room, std::move(state));
  auto& here = rooms_[room];
  if (here.at != room_here::stage::awaited || rooms_.size() > limits_.rooms_max) {
    ++tokens_dropped_;
    return;
  }
  open(room, here, {beginning::kind::handed_over, std::move(state)});
}

void homes::keep_token(const std::string& room, room_state state) {
  if (tokens_.size() >= limits_.rooms_max || !tokens_.emplace(room, std::move(state)).second)
    ++tokens_dropped_;
}

void homes::place_tokens() {
  for (auto& [room, state] : std::exchange(tokens_, {}))
    place_token(room, std::move(state));
}

void homes::renew_successors() {
  for (const auto& [name, here] : rooms_)
    if (here.at == room_here::stage::open && active_->successor_of(name) != nullptr)
      host_.want_snapshot(name);
  shelf_.sweep([&](const std::string& room) {
    const auto* successor = active_->successor_of(room);
    return !is_home(*active_, room) && (successor == nullptr || *successor != self_);
  });
}

void homes::say_settled() {
  if (!active_ || !agreed_.empty() || sealing_ != 0 || own_settled_ == active_->id)
    return;
  own_settled_ = active_->id;
  for (const auto& member : active_->members)
    post_.post(member, settled{active_->id});
}

void homes::settled_by(const node_life& who, const settled& what) {
  settled_[who.name] = what.id;
  if (all_settled())
    open_awaited();
}

bool homes::all_settled() const {
  return active_ && std::all_of(active_->members.begin(), active_->members.end(), [&](const node_life& member) {
           const auto at = settled_.find(member.name);
           return at != settled_.end() && at->second == active_->id;
         });
}

void homes::pass_time(mono_ms now) {
  if (seal_at_ && now >= *seal_at_)
    seal_early();
  if (open_at_ && (now >= *open_at_ || all_settled())) {
    open_at_.reset();
    open_awaited();
  }
}

// -- requests

bool homes::keep_request(std::deque<request>& in, request r) {
  if (requests_ >= limits_.early_requests_max) {
    refuse(r);
    return false;
  }
  ++requests_;
  in.push_back(std::move(r));
  return true;
}

// Who attaches asks again by itself.
void homes::refuse(const request& r) {
  if (const auto* p = std::get_if<publish>(&r.what))
    post_.post(r.from, refused{p->room, p->id});
}

void homes::attach_asked(const node_life& from, attach what) { ask(from, std::move(what)); }

void homes::published(const node_life& from, publish what) { ask(from, std::move(what)); }

void homes::ask(const node_life& from, std::variant<attach, publish> what) {
  request r{from, std::move(what)};
  const auto& asked_by = view_of(r.what);
  if (asked_by > (active_ ? active_->id : view_id{})) {
    keep_request(early_, std::move(r)); // its view will be active here too, or a higher one
    return;
  }
  const auto room = room_of(r.what);
  if (!is_current(r) || !is_home(*active_, room) || sealed_early(room) || tokens_.contains(room))
    return refuse(r);
  if (!rooms_.contains(room) && rooms_.size() >= limits_.rooms_max)
    return refuse(r);
  auto& here = rooms_[room];
  if (here.at == room_here::stage::sealing)
    return refuse(r);
  if (here.at == room_here::stage::open)
    return serve(room, here, r);
  if (keep_request(here.waiting, std::move(r)) && !open_at_)
    open_awaited();
}

// By the active view, or by the one before it: then the sender goes from that one to this one, and says nothing more
// by it once it has agreed. What is older was for another life of this node, or has been overtaken.
bool homes::is_current(const request& r) const {
  const auto& by = view_of(r.what);
  return active_->has(r.from) && (by == active_->id || (by == before_ && together_.contains(r.from.name)));
}

void homes::serve(const std::string& room, room_here& here, const request& r) {
  if (const auto* p = std::get_if<publish>(&r.what))
    return host_.number(room, r.from, *p);
  const auto& asked = std::get<attach>(r.what);
  // Its fan-out was in an epoch that began elsewhere, later than this one: it cannot go back.
  if (asked.seen && asked.seen->epoch > here.epoch) {
    here.epoch = {active_->id, ++serial_};
    host_.renew_room(room, here.epoch);
  }
  here.followers.insert(r.from.name);
  host_.admit(room, r.from.name, asked);
}

void homes::open(const std::string& room, room_here& here, beginning from) {
  here.at = room_here::stage::open;
  here.epoch = from.what == beginning::kind::handed_over ? from.state.epoch : epoch_id{active_->id, ++serial_};
  shelf_.take(room);
  host_.open_room(room, here.epoch, std::move(from));
  requests_ -= here.waiting.size();
  for (auto waiting = std::exchange(here.waiting, {}); !waiting.empty(); waiting.pop_front())
    if (is_current(waiting.front()))
      serve(room, here, waiting.front());
}

void homes::open_awaited() {
  open_at_.reset();
  for (auto& [room, here] : rooms_) {
    if (here.at != room_here::stage::awaited)
      continue;
    auto kept = shelf_.take(room);
    open(room, here, kept ? beginning{beginning::kind::snapshot, std::move(*kept)} : beginning{});
  }
}

void homes::detached(const std::string& node, const std::string& room) {
  const auto at = rooms_.find(room);
  if (at != rooms_.end() && at->second.followers.erase(node) != 0 && at->second.at == room_here::stage::open)
    host_.release(room, node);
}

// A late one, of a view that has been left behind, goes on to whoever is home now.
void homes::handed_over(hand_over what) {
  if (!active_ || what.view > active_->id)
    keep_token(what.room, std::move(what.state));
  else
    place_token(what.room, std::move(what.state));
}

void homes::given_snapshot(snapshot what) {
  if (!rooms_.contains(what.room))
    shelf_.put(what.room, std::move(what.state));
}

void homes::took_snapshot(const std::string& room, room_state state) {
  if (!active_ || !is_open(room))
    return;
  if (const auto* next = active_->successor_of(room))
    post_.post(*next, snapshot{room, std::move(state)});
}

void homes::ended(const std::string& room) {
  const auto at = rooms_.find(room);
  if (at != rooms_.end() && at->second.at == room_here::stage::open)
    rooms_.erase(at);
}

void homes::link_lost(const std::string& node) {
  for (auto& [name, here] : rooms_)
    if (here.followers.erase(node) != 0 && here.at == room_here::stage::open)
      host_.release(name, node);
}

void homes::link_up(const node_life& peer) {
  if (active_ && own_settled_ == active_->id && active_->has(peer))
    post_.post(peer, settled{active_->id});
}

} // namespace troupe::mesh
