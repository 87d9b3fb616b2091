// What all inboxes together may occupy, and who makes way there.

#include "actors/hub.hpp"
#include "actors/inboxes.hpp"
#include "actors/node.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr mono_ms no_place_ms = 100;
constexpr std::size_t asleep_at_once_max = 1024; // so that all are not looked at for each message
constexpr std::size_t node_overhead = 3 * 64;    // what the heap needs for an inbox in three containers

} // namespace

/// @param more inboxes that are to come
bool inboxes::has_place(std::size_t more, std::size_t bytes) const noexcept {
  const auto& limits = node_.settings.limits;
  return awake_.size() + more <= limits.inboxes && bytes_ + bytes <= limits.inbox_bytes;
}

/// For who is there: puts inboxes of users who are away to sleep, those that time would end first, and of these at
/// first such that hold nothing with qos >= 1. @returns whether there is place
bool inboxes::make_place(std::size_t more, std::size_t bytes) {
  while (!has_place(more, bytes)) {
    if (node_.mono_clock() < no_place_until_)
      return false;
    const auto many = std::clamp<std::size_t>(awake_.size() / 64, 1, asleep_at_once_max);
    std::vector<std::string> chosen;
    for (const bool with_reliable : {false, true})
      for (auto at = due_.begin(); at != due_.end() && chosen.size() < many; ++at)
        if (const auto& a = awake_.at(at->second); may_sleep(a, with_reliable))
          chosen.push_back(at->second);
    if (chosen.empty()) {
      no_place_until_ = node_.mono_clock() + no_place_ms;
      return false;
    }
    for (const auto& user : chosen)
      put_to_sleep(user);
  }
  return true;
}

bool inboxes::may_sleep(const awake& a, bool with_reliable) const noexcept {
  return a.box.can_sleep() && a.waiting.empty() && a.log != log_state::opening &&
         a.box.has_reliable() == with_reliable && (!with_reliable || node_.journal != nullptr);
}

/// What it has in the log waits there.
void inboxes::put_to_sleep(const std::string& user) {
  const auto at = awake_.find(user);
  auto& a = at->second;
  a.box.forget_volatile();
  store(user, a);
  count_drops(user, a);
  if (!a.box.empty())
    stored_.insert(user);
  node_.pressure("inbox_made_way", user);
  end(at);
}

void inboxes::end(awake_map::iterator at) {
  auto& a = at->second;
  if (a.due != 0)
    due_.erase({a.due, at->first});
  bytes_ -= a.counted_bytes;
  bytes_gauge_.set(static_cast<std::int64_t>(bytes_));
  by_id_.erase(a.id);
  awake_.erase(at);
  awake_count_.sub(1);
}

void inboxes::count_drops(const std::string& user, awake& a) {
  const auto drops = a.box.take_drops();
  for (std::size_t i = 0; i < drops.size(); ++i) {
    if (drops[i] == 0)
      continue;
    const auto why = to_string(static_cast<inbox_drop>(i));
    dropped_[i]->add(drops[i]);
    node_.pressure(why, user);
    record(log::record_kind::inbox_dropped, user, {}, drops[i], why);
  }
}

void inboxes::count(const std::string& user, awake& a) {
  constexpr auto fixed = sizeof(awake_map::value_type) - sizeof(inbox) + sizeof(decltype(by_id_)::value_type) +
                         sizeof(decltype(due_)::value_type) + node_overhead;
  const auto name = user.size() < std::string{}.capacity() + 1 ? 0 : user.size() + 16;
  const auto bytes = fixed + 3 * name + a.box.bytes() + a.waiting_bytes + a.waiting.capacity() * sizeof(held);
  bytes_ += bytes - a.counted_bytes;
  a.counted_bytes = bytes;
  bytes_gauge_.set(static_cast<std::int64_t>(bytes_));
}

} // namespace troupe
