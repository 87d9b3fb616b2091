#pragma once

#include "actors/directory.hpp"
#include "actors/handlers.hpp"
#include "actors/interfaces.hpp"
#include "actors/room_logic.hpp"
#include "runtime/model/credit.hpp"
#include "runtime/model/outbox.hpp"
#include "runtime/model/patterns.hpp"
#include "runtime/system/config.hpp"
#include "runtime/system/identity.hpp"
#include "runtime/system/logger.hpp"
#include "runtime/system/loop.hpp"
#include "runtime/system/metrics.hpp"

#include <caf/actor_system.hpp>
#include <caf/scheduled_actor.hpp>

#include <atomic>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

namespace troupe {

class audit_trail;
class egress;
class fan_out;
namespace log {
class subject_keys;
}

/// Numbers that actors count, looked up once.
struct node_counts {
  explicit node_counts(metrics& m);

  counter& received;
  counter& bad_messages;
  counter& rate_limited;
  counter& handler_failures;
  counter& room_restarts;
  counter& transport_restarts;
  counter& dropped;
  counter& conflated;
  counter& expired;
  counter& parked;
  counter& resumed;
  counter& opened;
  gauge& connections;
  gauge& detached;
  gauge& rooms;
  gauge& channels;
  gauge& log_records;
  gauge& audit_records;
  counter& audit_dropped;
};

/// What the actors of one process share. Filled by the kernel before the first actor is spawned and not changed
/// afterwards, except where a member says so.
struct local_node {
  local_node(config what, metrics& numbers, logger& lines, authenticator& who);

  config settings;
  metrics& numbers;
  logger& log;
  authenticator& identities;
  node_counts counts;
  outbox_limits outbox_bounds;
  std::string name;

  std::vector<std::unique_ptr<loop>> loops;
  std::unique_ptr<loop> log_loop;          ///< Of the journal alone; as `journal`.
  std::vector<fan_out*> fans;              ///< By loop; called on their own loop only.
  std::vector<fan_out_handle> fan_handles; ///< By loop.
  room_supervisor_handle rooms;
  journal_handle journal;                  ///< Null: this node keeps no log, and has no channels.
  log_reader_handle log_reader;            ///< As `journal`.
  audit_journal_handle audit_journal;      ///< As `journal`.
  std::shared_ptr<audit_trail> audit;      ///< Where actors record what happens; as `journal`.
  std::shared_ptr<log::subject_keys> keys; ///< Of confidential payloads; as `journal`. Safe from any thread.
  std::vector<std::string> stored_inboxes; ///< Users for whom the log has something from before the start.
  hub_handle hub;
  signaling_handle signaling;
  credit_gate hub_credit{4096, 16 * 1024 * 1024}; ///< Of connections, for messages to users.
  directory people;                               ///< Safe from any thread.

  handler_table handlers;
  pattern_table<room_type> room_types;

  std::atomic<member_key> last_key{0};
  std::atomic<bool> draining{false};

  /// Where actors read time; a test sets its own.
  std::function<mono_ms()> mono_clock;
  std::function<wall_ms()> wall_clock;

  /// Sets the handlers that every long-lived actor needs, so that no exception and no stray error ends one unseen.
  template <class Actor>
  void observe(Actor& self);

  /// A message as one frame of a wire format.
  static slice encode(std::uint8_t encoder, const message& m);
  /// Encodes a message for one connection and queues it as control.
  void write_to(egress& out, const message& m) const;
  void write_error(egress& out, std::string_view id, const failure& why) const;

  /// A limit was hit: counted by reason each time, told as a `backpressure` event at most once a second for each reason
  /// and subject, for a client can make it happen as often as it likes.
  void pressure(std::string_view reason, std::string_view subject);
  /// The same of a limit of the whole node, or at the door as `edge::host::pressure` says: at most once a second for
  /// each reason, whoever hits it.
  void pressure_at_door(std::string_view reason, std::string_view subject);
  /// Something happened that an operator may want to know: goes to those who asked with `on_event`.
  void tell_event(std::string_view kind, std::string_view subject, std::string_view detail);
  void on_event(std::function<void(const event&)> sink);

  /// Who a token speaks for: the node's own admin token, or a JWT.
  std::variant<identity, failure> verify(std::string_view token) const;
  std::string admin_token; ///< Empty: none.

  std::string new_epoch();
  std::string new_connection_id();
  /// 64 bits that nobody can guess.
  static std::uint64_t random_bits();

  /// The node cannot go on: the root supervisor has given up.
  std::function<void(std::string)> give_up;

private:
  void count_pressure(std::string_view reason);
  bool may_tell(std::string what);

  std::mutex told_lock_;
  std::unordered_map<std::string, mono_ms> told_; ///< When what was told last.
  mono_ms told_swept_ = 0;
  std::mutex sinks_lock_;
  std::vector<std::function<void(const event&)>> sinks_;
};

template <class Actor>
void local_node::observe(Actor& self) {
  self.set_error_handler([](caf::error&) {}); // the answer to a message that its receiver did not live to see
  self.set_default_handler(caf::drop);
  self.set_exception_handler([this, name = std::string{self.name()}](std::exception_ptr& thrown) -> caf::error {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& e) {
      log.error("actor_failed", "actor={} error={}", name, e.what());
    } catch (...) {
      log.error("actor_failed", "actor={} error=unknown", name);
    }
    return caf::exit_reason::unhandled_exception;
  });
}

} // namespace troupe
