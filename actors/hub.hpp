#pragma once

#include "actors/inboxes.hpp"
#include "actors/interfaces.hpp"
#include "runtime/model/caps.hpp"
#include "runtime/model/resume.hpp"
#include "runtime/system/pinned_actor.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <optional>
#include <string>

namespace troupe {

struct local_node;
struct identity;

/// What has happened to a connection.
enum class registration_kind : std::uint8_t {
  came,       ///< It is open under this session.
  identified, ///< Its user, or its session, has changed.
  away,       ///< Its link is lost; it waits for a resume.
  ended,      ///< It has ended, and its session with it.
  handed_over ///< It has ended; its session goes on with another.
};

/// What the hub is told of a connection.
struct registration {
  registration_kind what = registration_kind::came;
  std::string connection;
  std::optional<std::string> user;
  std::string address;
  std::string session; ///< SHA-256 of the secret.
  member_key key = 0;
};

/// A message on its way to users or a connection.
struct delivery {
  message_ptr what;
  connection_handle from; ///< Null where the node itself sends it.
  member_key sender = 0;  ///< Left out of the receivers.
  bool answer = false;
  std::shared_ptr<const signal_notice> signal; ///< Told to signaling once it has been routed.
  std::size_t credit = 0;                      ///< Taken of the hub's, in messages.
  std::shared_ptr<const identity> rights;      ///< Null: everything is allowed.
};

/// What became of a delivery.
struct receipt {
  std::string id;
  std::size_t connections = 0;
  std::optional<failure> why; ///< It was refused.
};

/// A client shows the secret of a session that it wants to continue.
struct session_claim {
  std::string session;     ///< SHA-256 of the secret that the client has shown.
  std::string new_session; ///< SHA-256 of the one that replaces it.
  std::optional<std::string> user;
  std::string address;
};

/// The SHA-256 of a session's secret: how it is known everywhere but at its client.
std::string session_key(std::string_view secret);

/// Knows who is connected: by connection, by user, by session; keeps the users' inboxes.
class hub : public pinned_actor<hub_handle> {
public:
  hub(caf::actor_config& cfg, loop* home, local_node& owner);

  const char* name() const override { return "hub"; }
  hub_handle::behavior_type make_behavior() override;

private:
  void take(const registration& what, const connection_handle& who);
  void route(const std::shared_ptr<const delivery>& what);
  void answer(const delivery& what, std::size_t connections, std::optional<failure> why = {});
  /// Comes back when an inbox has something to do.
  void schedule();
  void grant(const session_claim& claim, const connection_handle& who);
  /// Sessions that had to end for the bounds' sake.
  void end(const std::vector<session>& sessions);

  local_node& node_;
  session_table sessions_;
  inboxes inboxes_;
  mono_ms tick_at_ = 0; ///< When the next tick is due; 0: none is under way.
};

} // namespace troupe
