#include "runtime/model/restart.hpp"

#include <algorithm>

namespace troupe {

std::int64_t backoff::next(const random_below& random) {
  auto delay = std::max<std::int64_t>(settings_.first_ms, 0);
  for (std::uint32_t i = 0; i < failures_ && delay < settings_.max_ms; ++i)
    delay = delay > settings_.max_ms / 2 ? settings_.max_ms : delay * 2;
  delay = std::min(delay, settings_.max_ms);
  if (failures_ < 64) // where every delay has long reached its cap
    ++failures_;
  auto up_to = [&](std::int64_t most) {
    return static_cast<std::int64_t>(random(static_cast<std::uint64_t>(most) + 1));
  };
  switch (settings_.jitter) {
  case jitter::none:
    return delay;
  case jitter::full:
    return up_to(delay);
  case jitter::equal:
    return delay - delay / 2 + up_to(delay / 2);
  }
  return delay;
}

bool restart_intensity::allow(mono_ms now) {
  std::erase_if(times_, [&](mono_ms t) { return now - t >= window_ms_; });
  if (times_.size() >= restarts_max_)
    return false;
  times_.push_back(now);
  return true;
}

std::string_view to_string(strategy s) noexcept {
  switch (s) {
  case strategy::one_for_one:
    return "one_for_one";
  case strategy::one_for_all:
    return "one_for_all";
  case strategy::rest_for_one:
    return "rest_for_one";
  }
  return "one_for_one";
}

std::vector<supervision_plan::entry>::iterator supervision_plan::find(child_id child) noexcept {
  return std::find_if(children_.begin(), children_.end(), [&](const entry& e) { return e.id == child; });
}

bool supervision_plan::any_stopping() const noexcept {
  return std::any_of(children_.begin(), children_.end(), [](const entry& e) { return e.now == phase::stopping; });
}

bool supervision_plan::running(child_id child) const noexcept {
  return std::any_of(children_.begin(), children_.end(),
                     [&](const entry& e) { return e.id == child && e.now == phase::running; });
}

supervision_plan::child_id supervision_plan::add(mono_ms now) {
  children_.push_back({next_id_, phase::running, now, 0, backoff{settings_.delays}});
  return next_id_++;
}

void supervision_plan::remove(child_id child) {
  auto it = find(child);
  if (it != children_.end())
    children_.erase(it);
}

supervision_plan::decision supervision_plan::failed(child_id child, mono_ms now) {
  decision result;
  auto it = find(child);
  if (it == children_.end() || it->now != phase::running) {
    stopped(child);
    return result;
  }
  if (!intensity_.allow(now)) {
    result.escalate = true;
    return result;
  }
  if (now - it->started >= settings_.stable_ms)
    it->delays.reset();
  it->now = phase::waiting;
  it->start_at = result.start_at = now + it->delays.next(random_);
  if (settings_.strategy == strategy::one_for_one)
    return result;
  auto first = settings_.strategy == strategy::one_for_all ? children_.begin() : it;
  for (auto other = children_.end(); other != first;) {
    --other;
    if (other == it)
      continue;
    if (other->now == phase::running) {
      other->now = phase::stopping;
      result.stop.push_back(other->id);
    }
    other->start_at = std::max(other->start_at, result.start_at); // the group starts together
  }
  return result;
}

void supervision_plan::stopped(child_id child) {
  auto it = find(child);
  if (it != children_.end() && it->now == phase::stopping)
    it->now = phase::waiting;
}

std::vector<supervision_plan::child_id> supervision_plan::take_due(mono_ms now) {
  std::vector<child_id> result;
  if (any_stopping())
    return result;
  for (auto& e : children_) {
    if (e.now != phase::waiting)
      continue;
    if (e.start_at <= now) {
      e.now = phase::running;
      e.started = now;
      e.start_at = 0;
      result.push_back(e.id);
    } else if (settings_.strategy != strategy::one_for_one) {
      break; // later ones may need it
    }
  }
  return result;
}

std::optional<mono_ms> supervision_plan::next_start() const noexcept {
  std::optional<mono_ms> result;
  if (any_stopping())
    return result;
  for (const auto& e : children_) {
    if (e.now != phase::waiting)
      continue;
    if (!result || e.start_at < *result)
      result = e.start_at;
    if (settings_.strategy != strategy::one_for_one)
      break;
  }
  return result;
}

} // namespace troupe
