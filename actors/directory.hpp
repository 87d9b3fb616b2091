#pragma once

#include "actors/interfaces.hpp"

#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace troupe {

/// Who is connected to this node, by connection and by user. The hub writes it; anybody may read it from any
/// thread. Not on the way of a message to a room.
class directory {
public:
  struct entry {
    connection_handle handle;
    std::optional<std::string> user;
    member_key key = 0;
    std::vector<std::string> bound; ///< Users that `bind` has added.
    bool away = false;              ///< Its link is lost: nothing reaches its client.
  };

  void add(const std::string& connection, entry who);
  /// Binds a connection to one more user (`register_client`), or unbinds it.
  bool bind(const std::string& connection, const std::string& user);
  bool unbind(const std::string& connection, const std::string& user);
  /// Its link is lost, or it hands over. Nothing where it is known under another handle.
  void set_away(const std::string& connection, const connection_handle& handle);
  /// @returns whether it was known under this handle
  bool remove(const std::string& connection, const connection_handle& handle);

  std::optional<entry> find(const std::string& connection) const;
  /// Ids of all connections of a user, sorted.
  std::vector<std::string> connections_of(const std::string& user) const;
  std::vector<entry> entries_of(const std::string& user) const;
  std::vector<connection_handle> all() const;
  bool connected(const std::string& user) const;
  void clear();

  /// Counts a room that one of the user's connections joins. @returns false where `max` is reached
  bool take_room(const std::string& user, std::size_t max);
  void give_room(const std::string& user);

private:
  mutable std::shared_mutex lock_;
  std::unordered_map<std::string, entry> connections_;
  std::unordered_map<std::string, std::vector<std::string>> users_;
  std::unordered_map<std::string, std::size_t> rooms_of_;
};

} // namespace troupe
