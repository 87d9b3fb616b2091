#include "runtime/model/resume.hpp"

#include <array>
#include <cassert>

namespace troupe {

bool session_table::mint(std::string key, std::string connection, std::optional<std::string> user, std::string address,
                         mono_ms now) {
  session fresh{std::move(connection), std::move(user), std::move(address), now, std::nullopt};
  return sessions_.try_emplace(std::move(key), std::move(fresh)).second;
}

/// Takes a session off the lists of those whose client is away.
void session_table::came_back(session_map::iterator it) {
  auto& s = it->second;
  if (!s.detached)
    return;
  std::pair<mono_ms, std::string_view> entry{*s.detached, it->first};
  auto forget = [&](auto& lists, const std::string& name) {
    auto list = lists.find(name);
    assert(list != lists.end());
    list->second.erase(entry);
    if (list->second.empty())
      lists.erase(list);
  };
  away_.erase(entry);
  forget(away_by_address_, s.address);
  if (s.user)
    forget(away_by_user_, *s.user);
  s.detached.reset();
}

session session_table::remove(session_map::iterator it) {
  auto detached = it->second.detached;
  came_back(it);
  auto result = std::move(it->second);
  result.detached = detached;
  sessions_.erase(it);
  return result;
}

void session_table::end_longest(const away_set& away, std::vector<session>& ended) {
  auto it = sessions_.find(away.begin()->second);
  assert(it != sessions_.end());
  ended.push_back(remove(it));
}

std::vector<session> session_table::detach(std::string_view key, mono_ms now) {
  std::vector<session> ended;
  auto it = sessions_.find(key);
  if (it == sessions_.end() || it->second.detached)
    return ended;
  auto& s = it->second;
  auto address = s.address;
  auto user = s.user;
  s.detached = now;
  std::pair<mono_ms, std::string_view> entry{now, it->first};
  away_.insert(entry);
  away_by_address_[address].insert(entry);
  if (user)
    away_by_user_[*user].insert(entry);
  // A list that became empty is gone, so each is looked up anew.
  if (user)
    if (auto list = away_by_user_.find(*user); list->second.size() > bounds_.detached_per_user_max)
      end_longest(list->second, ended);
  if (auto list = away_by_address_.find(address);
      list != away_by_address_.end() && list->second.size() > bounds_.detached_per_address_max)
    end_longest(list->second, ended);
  return ended;
}

std::variant<session_table::granted, session_table::refusal> session_table::take(std::string_view key,
                                                                                 std::string new_key,
                                                                                 const std::optional<std::string>& user,
                                                                                 std::string address, mono_ms now) {
  auto it = sessions_.find(key);
  if (it == sessions_.end() || sessions_.contains(new_key))
    return refusal::unknown;
  auto& s = it->second;
  if (s.user != user)
    return refusal::other_user;
  if (s.detached && now - *s.detached > bounds_.window_ms)
    return refusal::expired;
  auto was_attached = !s.detached;
  auto taken = remove(it);
  taken.detached.reset();
  taken.address = std::move(address);
  auto placed = sessions_.emplace(std::move(new_key), std::move(taken)).first;
  return granted{placed->second, was_attached};
}

void session_table::identify(std::string_view key, std::optional<std::string> user) {
  auto it = sessions_.find(key);
  if (it != sessions_.end() && !it->second.detached)
    it->second.user = std::move(user);
}

void session_table::end(std::string_view key) {
  auto it = sessions_.find(key);
  if (it != sessions_.end())
    remove(it);
}

std::vector<session> session_table::expire(mono_ms now) {
  std::vector<session> ended;
  while (!away_.empty() && now - away_.begin()->first > bounds_.window_ms)
    end_longest(away_, ended);
  return ended;
}

std::optional<mono_ms> session_table::next_expiry() const noexcept {
  if (away_.empty())
    return std::nullopt;
  return away_.begin()->first + bounds_.window_ms + 1;
}

const session* session_table::find(std::string_view key) const {
  auto it = sessions_.find(key);
  return it == sessions_.end() ? nullptr : &it->second;
}

std::string make_secret(const std::function<void(std::span<unsigned char>)>& random) {
  static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::array<unsigned char, 24> bytes{};
  random(bytes);
  std::string result;
  result.reserve(bytes.size() / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    auto bits = static_cast<unsigned>(bytes[i]) << 16 | static_cast<unsigned>(bytes[i + 1]) << 8 | bytes[i + 2];
    for (auto shift : {18, 12, 6, 0})
      result += alphabet[bits >> shift & 63];
  }
  return result;
}

} // namespace troupe
