#pragma once

#include "apps/troupe/command.hpp"
#include "apps/troupe/server_link.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The commands that speak to a running server, and what they share.
namespace troupe::cli {

command publish();
command subscribe();
command history();

/// Where a server is when nobody says so.
inline constexpr std::string_view server_default = "ws://127.0.0.1:8080/realtime";
flag server_flag(); ///< --server
flag ca_flag();     ///< --ca

/// The flags --server, --token, --token-file, --user and --ca.
std::vector<flag> server_flags();

/// Where those flags lead. A token comes from --token, --token-file or TROUPE_TOKEN, and appears in no message of this
/// program. Throws command_failed.
link_options server_of(const arguments& given);

/// A place in the order of a channel or room.
struct stream_position {
  std::string epoch;
  std::uint64_t offset = 0;
};
/// Reads "EPOCH:OFFSET". Throws command_failed that names the flag.
stream_position position_from(std::string_view text, std::string_view flag);
/// As requests have it; a room says `seq` where a channel says `offset`.
value to_value(const stream_position& where, std::string_view number_name = "offset");

/// One connection of a command that asks, and waits for what is answered.
class server_client {
public:
  /// @param other gets what is no answer to `ask`
  server_client(const link_options& where, server_link::on_message other);

  /// Waits for the hello. Throws command_failed: exit_cannot where the server cannot be reached, exit_false where it
  /// refuses, exit_interrupted after Ctrl-C.
  void open();
  /// Sends a request with an id of its own and waits for its answer. Where the server says that it cannot now, it is
  /// asked again, a few times. Throws as `open`; an `error` as command_failed (exit_false) with what it says.
  value ask(const value& request);
  /// Lets the connection work until something has happened, at most so long.
  void run_for(std::chrono::milliseconds most) { loop_.run_for(most); }
  /// Throws command_failed where the connection is no more.
  void check() const;
  server_link& link() noexcept { return link_; }
  /// Closes, and waits a moment for the server to agree.
  void close();

private:
  value ask_once(value request);

  link_loop loop_;
  std::uint64_t asked_ = 0;
  std::string waiting_for_;
  std::optional<value> answer_;
  server_link link_;
};

/// What an `error` says, for a person: "forbidden: you have no right to ...".
std::string error_text(const value& envelope);

/// A message on one line for a person: its place, its sender, its type and its payload.
std::string message_line(const value& envelope);

} // namespace troupe::cli
