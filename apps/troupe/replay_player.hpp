#pragma once

#include "apps/troupe/server_link.hpp"
#include "runtime/log/record.hpp"

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

/// The clients of a recording, made again: one connection to the server for each that was recorded.
class replay_player {
public:
  struct counts {
    std::uint64_t sent = 0; ///< Messages, as all numbers here.
    std::uint64_t acknowledged = 0;
    std::uint64_t refused = 0;
    std::uint64_t requests_refused = 0; ///< Joins, leaves and updates of presence.
    std::uint64_t without_payload = 0;  ///< Recorded as metadata, encrypted or forgotten: nothing to send.
    std::uint64_t of_program = 0;       ///< Sent by the server's program itself, not by a client.
    std::uint64_t connections = 0;      ///< Opened.
  };

  explicit replay_player(link_options to)
      : to_{std::move(to)} {}

  /// What a record says that a client did, done now. Records of something else are passed over.
  void play(const log::record_view& what);
  void join(std::string_view connection, std::string_view user, std::string_view room,
            const std::optional<value>& state);
  /// Lets the connections work until something has happened, at most so long. Throws command_failed (exit_cannot)
  /// where one is lost.
  void work(std::chrono::milliseconds most);
  /// All leave in good order.
  void end();

  /// What was sent and not answered yet.
  std::size_t waiting() const noexcept { return waiting_; }
  std::size_t present() const noexcept { return seats_.size() + leaving_.size(); }
  const counts& counted() const noexcept { return counts_; }
  /// The first refusals, a line each.
  const std::vector<std::string>& refusals() const noexcept { return refusals_; }

private:
  enum class kind : std::uint8_t { message, request };
  struct seat {
    std::string connection;
    std::unique_ptr<server_link> link;
    std::set<std::string, std::less<>> rooms;
    std::map<std::string, kind, std::less<>> waiting;
    bool closing = false;
  };

  seat& seat_of(std::string_view connection, std::string_view user);
  void send(seat& from, value envelope, std::string_view id, kind what);
  void answered(seat& of, const value& envelope);
  void publish(const log::record_view& what);
  void update(const log::record_view& what);
  void leave(std::string_view connection, std::string_view room);
  void depart(std::string_view connection);

  link_options to_;
  link_loop loop_;
  std::map<std::string, std::unique_ptr<seat>, std::less<>> seats_;
  std::list<std::unique_ptr<seat>> leaving_;
  std::set<std::string, std::less<>> logic_; ///< Rooms with logic of their own.
  std::size_t waiting_ = 0;
  std::uint64_t last_id_ = 0;
  counts counts_;
  std::vector<std::string> refusals_;
};

} // namespace troupe::cli
