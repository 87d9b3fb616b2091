#include "actors/directory.hpp"

#include <algorithm>
#include <mutex>

namespace troupe {
namespace {

using users_map = std::unordered_map<std::string, std::vector<std::string>>;

void unlist(users_map& users, const std::string& user, const std::string& connection) {
  const auto at = users.find(user);
  if (at == users.end())
    return;
  std::erase(at->second, connection);
  if (at->second.empty())
    users.erase(at);
}

} // namespace

void directory::add(const std::string& connection, entry who) {
  std::unique_lock guard{lock_};
  if (const auto before = connections_.find(connection); before != connections_.end()) {
    if (before->second.user)
      unlist(users_, *before->second.user, connection);
    who.bound = std::move(before->second.bound); // a resumed session keeps its bindings
  }
  if (who.user)
    users_[*who.user].push_back(connection);
  connections_[connection] = std::move(who);
}

bool directory::bind(const std::string& connection, const std::string& user) {
  std::unique_lock guard{lock_};
  const auto at = connections_.find(connection);
  if (at == connections_.end())
    return false;
  auto& list = users_[user];
  if (std::find(list.begin(), list.end(), connection) == list.end()) {
    list.push_back(connection);
    at->second.bound.push_back(user);
  }
  return true;
}

bool directory::unbind(const std::string& connection, const std::string& user) {
  std::unique_lock guard{lock_};
  const auto at = connections_.find(connection);
  if (at == connections_.end() || std::erase(at->second.bound, user) == 0)
    return false;
  unlist(users_, user, connection);
  return true;
}

void directory::set_away(const std::string& connection, const connection_handle& handle) {
  std::unique_lock guard{lock_};
  const auto at = connections_.find(connection);
  if (at != connections_.end() && at->second.handle == handle)
    at->second.away = true;
}

bool directory::remove(const std::string& connection, const connection_handle& handle) {
  std::unique_lock guard{lock_};
  const auto at = connections_.find(connection);
  if (at == connections_.end() || at->second.handle != handle)
    return false;
  if (at->second.user)
    unlist(users_, *at->second.user, connection);
  for (const auto& user : at->second.bound)
    unlist(users_, user, connection);
  connections_.erase(at);
  return true;
}

std::optional<directory::entry> directory::find(const std::string& connection) const {
  std::shared_lock guard{lock_};
  const auto at = connections_.find(connection);
  return at == connections_.end() ? std::nullopt : std::optional{at->second};
}

std::vector<std::string> directory::connections_of(const std::string& user) const {
  std::shared_lock guard{lock_};
  const auto at = users_.find(user);
  auto result = at == users_.end() ? std::vector<std::string>{} : at->second;
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<directory::entry> directory::entries_of(const std::string& user) const {
  std::shared_lock guard{lock_};
  std::vector<entry> result;
  if (const auto at = users_.find(user); at != users_.end())
    for (const auto& connection : at->second)
      if (const auto known = connections_.find(connection); known != connections_.end())
        result.push_back(known->second);
  return result;
}

std::vector<connection_handle> directory::all() const {
  std::shared_lock guard{lock_};
  std::vector<connection_handle> result;
  result.reserve(connections_.size());
  for (const auto& [id, who] : connections_)
    result.push_back(who.handle);
  return result;
}

bool directory::connected(const std::string& user) const {
  std::shared_lock guard{lock_};
  return users_.contains(user);
}

void directory::clear() {
  std::unique_lock guard{lock_};
  connections_.clear();
  users_.clear();
  rooms_of_.clear();
}

bool directory::take_room(const std::string& user, std::size_t max) {
  std::unique_lock guard{lock_};
  auto& count = rooms_of_[user];
  if (count >= max)
    return false;
  ++count;
  return true;
}

void directory::give_room(const std::string& user) {
  std::unique_lock guard{lock_};
  const auto at = rooms_of_.find(user);
  if (at != rooms_of_.end() && --at->second == 0)
    rooms_of_.erase(at);
}

} // namespace troupe
