#include "runtime/model/mesh/following.hpp"

#include <utility>

namespace troupe::mesh {

following::following(node_life self, const mesh_timing& timing, postman& post, host& fan_outs)
    : self_(std::move(self))
    , timing_(timing)
    , post_(post)
    , host_(fan_outs) {}

bool following::is_followed(std::string_view room) const {
  const auto at = rooms_.find(room);
  return at != rooms_.end() && at->second.answered;
}

void following::ask(const std::string& room, followed& f, const view& active, mono_ms now) {
  const auto* home = active.home_of(room);
  f.answered = false;
  f.home = home == nullptr ? std::nullopt : std::optional{*home};
  if (!f.home)
    return;
  asking_ = true;
  f.ticket = ++tickets_;
  f.asked_at = now;
  post_.post(*home, attach{room, active.id, f.ticket, f.seen});
}

void following::follow(const std::string& room, const view* active, mono_ms now) {
  const auto [at, added] = rooms_.try_emplace(room);
  if (added && active != nullptr)
    ask(room, at->second, *active, now);
}

void following::unfollow(const std::string& room) {
  const auto at = rooms_.find(room);
  if (at == rooms_.end())
    return;
  if (at->second.home)
    post_.post(*at->second.home, detach{room});
  rooms_.erase(at);
}

// A room that stays where it was goes on undisturbed, if its home too has gone from the same view to this one.
void following::activated(const views& now_active, mono_ms now) {
  const auto& active = *now_active.active();
  for (auto& [room, f] : rooms_) {
    const auto* home = active.home_of(room);
    const bool stays = home != nullptr && f.home == *home && now_active.together_before(home->name);
    if (!stays)
      ask(room, f, active, now);
  }
}

void following::stepped_down() {
  for (auto& [room, f] : rooms_) {
    f.home.reset();
    f.answered = false;
  }
}

void following::link_lost(const std::string& node) {
  for (auto& [room, f] : rooms_)
    if (f.home && f.home->name == node) {
      f.answered = false;
      asking_ = true;
    }
}

void following::link_up(const node_life& peer, const view* active, mono_ms now) {
  for (auto& [room, f] : rooms_)
    if (active != nullptr && f.home == peer)
      ask(room, f, *active, now);
}

void following::pass_time(const view* active, mono_ms now) {
  if (active == nullptr || !std::exchange(asking_, false))
    return;
  for (auto& [room, f] : rooms_) {
    if (!f.home || f.answered)
      continue;
    asking_ = true;
    if (now - f.asked_at >= timing_.ask_again_ms)
      ask(room, f, *active, now);
  }
}

void following::answered(const node_life& from, const attached& what) {
  const auto at = rooms_.find(what.room);
  if (at == rooms_.end() || at->second.home != from || at->second.ticket != what.ticket)
    return; // to a question that has been asked anew since
  auto& f = at->second;
  if (f.seen && what.epoch < f.seen->epoch)
    return; // no home answers so; asked again, it begins a new epoch
  f.answered = true;
  const bool same_epoch = f.seen && f.seen->epoch == what.epoch;
  auto begin = what.seq;
  if (what.recovered && same_epoch)
    begin = f.seen->seq;
  else if (same_epoch && f.seen->seq > begin)
    return;
  const bool known = f.seen.has_value();
  f.seen = place_in_room{what.epoch, begin};
  if (!known || !same_epoch || !what.recovered)
    host_.moved(what.room, what.epoch, begin, !known);
  for (const auto& missed : what.missed)
    if (missed.seq > f.seen->seq && what.recovered && same_epoch) {
      f.seen->seq = missed.seq;
      host_.deliver(what.room, what.epoch, missed);
    }
}

following::followed* following::said_by_home(const node_life& from, const std::string& room) {
  const auto at = rooms_.find(room);
  return at != rooms_.end() && at->second.answered && at->second.home == from ? &at->second : nullptr;
}

void following::heard(const node_life& from, const frames& what) {
  auto* f = said_by_home(from, what.room);
  if (f == nullptr || what.epoch != f->seen->epoch || what.what.seq <= f->seen->seq)
    return;
  f->seen->seq = what.what.seq;
  host_.deliver(what.room, what.epoch, what.what);
}

void following::renewed_by(const node_life& from, const renewed& what) {
  auto* f = said_by_home(from, what.room);
  if (f == nullptr || what.epoch <= f->seen->epoch)
    return;
  f->seen = place_in_room{what.epoch, 0};
  host_.moved(what.room, what.epoch, 0, false);
}

} // namespace troupe::mesh
