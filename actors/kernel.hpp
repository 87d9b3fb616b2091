#pragma once

// The façade that programs write: transports, handlers, rooms with logic of their own.
//
//     troupe::kernel kernel;
//     kernel.add(troupe::websocket_transport{{.listen = "127.0.0.1:8080", .path = "/realtime"}});
//     kernel.on("greet", [](const troupe::message& m, troupe::context& ctx, troupe::toolkit& kit) {
//       kit.reply({{"hello", ctx.id()}});
//     });
//     return kernel.run();

#include "actors/edge.hpp"
#include "actors/handlers.hpp"
#include "actors/replay_report.hpp"
#include "actors/room.hpp"
#include "actors/toolkit.hpp"
#include "runtime/system/config.hpp"

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace troupe {

class loop;

/// A node of the runtime. Add transports, handlers and rooms, then `run`.
class kernel {
public:
  /// Throws std::runtime_error where a key file cannot be read.
  explicit kernel(config settings = {});
  ~kernel();
  kernel(const kernel&) = delete;
  kernel& operator=(const kernel&) = delete;

  // Before `start`; std::logic_error afterwards.

  /// Adds a transport; it is supervised: started again with backoff when it fails.
  template <std::derived_from<edge::transport> T>
  void add(T transport) {
    add_transport(std::make_unique<T>(std::move(transport)));
  }
  void add_transport(std::unique_ptr<edge::transport> transport);

  /// Registers a handler for a type ("chat:message"), a prefix ("chat:*"), or, for "*", what sees every message first.
  /// What returns a `verdict` is middleware: called in the order of registration, before any handler, it may
  /// stop the message. Of several handlers the one with the longest pattern is called.
  template <class F>
  void on(std::string_view pattern, F f, handler_options options = {}) {
    using result = std::invoke_result_t<F&, const message&, context&, toolkit&>;
    if constexpr (std::is_same_v<result, verdict>) {
      add_middleware(pattern, std::move(f), options);
    } else if (pattern == "*") {
      add_middleware(
          pattern,
          [f = std::move(f)](const message& m, context& ctx, toolkit& kit) mutable {
            f(m, ctx, kit);
            return verdict::pass;
          },
          options);
    } else {
      add_handler(pattern, std::move(f), options);
    }
  }

  /// Rooms whose name matches ("game:*") get this logic. `make` is called for each activation.
  void add_room(std::string_view pattern, std::function<std::unique_ptr<room>()> make, room_options options = {});
  template <std::derived_from<room> T>
  void add_room(std::string_view pattern, room_options options = {}) {
    add_room(
        pattern, [] { return std::make_unique<T>(); }, options);
  }

  /// Called for events (`backpressure`, `supervisor.restarted`, `error`), on the thread where they happen, perhaps on
  /// several at once: be quick.
  void on_event(std::function<void(const event&)> sink);

  /// Keeps the event log in this folder, made where it is missing; nobody else may have it open. Without a log there
  /// are no channels.
  /// @param accept_loss starts although records that were synced are damaged or missing: goes on without them, records
  ///        that, and begins a new epoch in every channel (docs/event-log.md, "What lasts, and what is cut")
  void keep_log(std::string data_folder, bool accept_loss = false);

  /// Runs what the audit log in this data folder has recorded of rooms with logic (docs/audit.md) through the rooms
  /// that were added, and compares. Reads only; a node may be writing to the folder.
  replay_report check_log(const std::string& data_folder) const;

  /// A bearer with the rights of an administrator, beside the configured keys.
  void accept_admin_token(std::string token);

  // Life.

  /// Starts loops and transports. Where the environment variable TROUPE_REPLAY_CHECK names a data folder, it does what
  /// `check_log` does instead, prints the report (TROUPE_REPLAY_FORMAT=json: as JSON) and ends the process: with 0, 1
  /// where something differs, 2 where the log cannot be read. Throws std::runtime_error with one clear line where a
  /// transport cannot start.
  void start();
  /// `start`, then `wait`. SIGINT and SIGTERM are the program's: call `drain` for them.
  int run();
  /// Blocks until the node has ended. @returns 0 after a drain, 1 where supervision has given up
  int wait();
  /// Ends the node: no new clients, readiness 503, clients told to reconnect elsewhere, what is queued flushed,
  /// within `shutdown.drain`. From any thread; returns when all is told. A second call ends at once.
  void drain();
  /// Applies what can change while running: the section `auth` but its timeout, and the content of the files with
  /// keys and certificates.
  /// Throws std::runtime_error and changes nothing where a file cannot be read.
  void reload(const config& settings);

  // While running, from any thread.

  hub_kit hub();
  /// Gives a message to all members of a room, wherever they are.
  void broadcast(const outgoing& what, std::string_view room);
  /// Forgets a user (docs/guarantees.md): destroys the key of all payloads about them. It is asked for on the disk, and
  /// lasts, when this returns; the node does it soon, at the latest when it starts again. Throws std::runtime_error
  /// where the request cannot be stored, std::logic_error where the node keeps no log.
  void forget(std::string_view subject);
  std::size_t loop_count() const noexcept;
  loop& loop_at(std::size_t index);

private:
  void add_middleware(std::string_view pattern, middleware m, handler_options options);
  void add_handler(std::string_view pattern, handler h, handler_options options);

  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe
