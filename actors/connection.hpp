#pragma once

#include "actors/edge.hpp"
#include "actors/egress.hpp"
#include "actors/fan_out.hpp"
#include "actors/handlers.hpp"
#include "actors/interfaces.hpp"
#include "actors/membership.hpp"
#include "actors/session_state.hpp"
#include "actors/toolkit.hpp"
#include "runtime/model/park.hpp"
#include "runtime/model/rate_meter.hpp"
#include "runtime/system/identity.hpp"
#include "runtime/system/pinned_actor.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

struct local_node;
struct receipt;
enum class registration_kind : std::uint8_t;

/// A client: the actor between a link and the rooms. It runs on the loop that owns the link's socket; what the
/// link receives reaches it by a call on that thread, between two messages of its mailbox.
class connection final : public pinned_actor<connection_handle>,
                         public edge::ingress,
                         private egress::owner,
                         private member_port,
                         private loop_timer {
public:
  connection(caf::actor_config& cfg, loop* home, local_node& owner, const edge::handshake& from, edge::grant right);
  ~connection() override;

  const char* name() const override { return "connection"; }
  connection_handle::behavior_type make_behavior() override;
  void on_exit() override;

  /// Begins with this link: says hello, or waits for `auth`. Called once, on the loop.
  void open(std::shared_ptr<edge::link> link);

  // edge::ingress
  edge::flow received(const message_fields& fields, std::size_t bytes) override;
  edge::flow malformed(const failure& why, std::string_view id) override;
  void writable() override;
  void closed(const edge::close_info& info) override;

private:
  enum class phase : std::uint8_t {
    unknown, ///< Waits for `auth`.
    open,
    resuming, ///< Waits for its session and its rooms; reads nothing.
    detached, ///< Without a link, waits for a resume.
    ended,
  };

  struct parked_op {
    room_op op;
    std::shared_ptr<local_room> room;
  };
  using memberships = std::map<place, membership, place_less>;

  /// A request of the protocol: what its handler needs.
  struct request {
    const message_fields& fields;
    std::string id;
  };
  struct request_entry {
    std::string_view type;
    void (connection::*run)(const request&);
  };
  static const request_entry request_table[];

  // What comes in.
  void handle(const message_fields& fields);
  bool answer_request(const message_fields& fields);
  void application(const message_fields& fields);
  void default_behaviour(const message_ptr& m);
  void run_off_loop(const handler_table::entry& with, const message_ptr& m);
  void publish(const message_ptr& m);
  void deliver(const message_ptr& m, std::shared_ptr<const signal_notice> signal = nullptr);
  void signal(const message_ptr& m);
  bool refuses_subject(const message_fields& fields);
  void take_direct(const message& m, const stamp& at, bool anyway);
  void take_piece(const inbox_piece& piece);
  void tell_inbox(std::string user, std::uint64_t ticket, std::uint64_t acknowledged);
  bool overran_rate(mono_ms now, std::string_view id);
  edge::flow flow_now() noexcept;
  void resume_reading_if_possible();

  // Requests (connection_requests.cpp).
  void on_ping(const request& r);
  void on_auth(const request& r);
  void on_resume(const request& r);
  void on_join(const request& r);
  void on_leave(const request& r);
  void on_presence_get(const request& r);
  void on_presence_update(const request& r);
  void on_subscribe(const request& r);
  void on_unsubscribe(const request& r);
  void on_ack(const request& r);
  void filter_request(const request& r, bool add);
  /// `{"epoch", number}`; nothing where it is anything else.
  static std::optional<position> position_from(const value& v, std::string_view number);

  // Channels (connection_channels.cpp).
  void on_channel_subscribe(const request& r);
  void on_channel_unsubscribe(const request& r);
  void on_channel_history(const request& r);
  void publish_in_channel(const message_ptr& m);
  void push_to_channel(message_ptr m, bool answer);
  bool refuses_channel(const request& r);
  bool lacks_channels(std::string_view id);
  std::optional<failure> tool_publish(const outgoing& what, const std::string& channel, publish_options how);

  // Rooms and channels (connection_rooms.cpp).
  void enter(place_view where, std::string state, bool presence, starting_point from, std::string id, bool answer);
  /// @param id of the request; where nobody is answered: why, for the audit log
  void exit(memberships::iterator at, std::string id, bool answer, bool forget = false);
  std::shared_ptr<member_info> make_info(std::string state, bool presence, wall_ms since);
  /// Sends an op, or parks it until the room has credit.
  void push(const std::shared_ptr<local_room>& room, room_op op);
  /// One that it is in, or any other; a channel that this wakes counts as its client's.
  std::shared_ptr<local_room> reach(place_view where);
  void submit_parked(local_room& room);
  void retry_parked(local_room& room);
  void give_up_parked(mono_ms now);
  void answer_refused(const room_op& op);
  void give_up(const parked_op& late);
  room_op make_op(room_verb verb, std::string id = {}, bool answer = false) const;
  bool allows(place_view where, right wanted) const noexcept;
  void check_rights();

  // member_port
  egress& out() noexcept override { return out_; }
  member_key key() const noexcept override { return key_; }
  std::uint32_t incarnation() const noexcept override { return incarnation_; }
  bool greeted() const noexcept override { return phase_ != phase::unknown; }
  void shut_down() noexcept override;
  void go_away() noexcept override;
  void room_joined(local_room& room) noexcept override;
  void room_left(local_room& room) noexcept override;
  void room_rebound(local_room& room, bool recovered) noexcept override;
  void room_credit(local_room& room) noexcept override;
  void complete(const local_room& room, room_request& how) noexcept override;

  // Sessions (connection_session.cpp).
  void greet();
  void adopt(const std::shared_ptr<const session_state>& state);
  void abandon(const session_state& state);
  void take_room(const session_state::room& room);
  void forget_claim();
  bool resumable() const noexcept;
  void resumed_if_complete() noexcept;
  void resume_late();
  void finish_resume();
  void hand_over(const caf::actor_addr& to);
  void detach();
  void end();
  void quit_after_turn();
  void close_with(close_code code, std::string_view reason);
  void go_when_sent();
  void close_later(close_code code, std::string reason) noexcept;
  void leave_fans();
  void tell_hub(registration_kind what);

  // The audit log (connection_audit.cpp): each opening is followed by one closing.
  void record_opened(std::string_view detail);
  void record_direct(const message& m);
  void record_closed(close_code code, std::string_view reason);

  // egress::owner
  void outbox_overflowed() noexcept override;
  void outbox_pressed(overflow policy) noexcept override;
  void outbox_sent() noexcept override;
  slice gap_frame(const outbox_gap& gap) noexcept override;

  // What a toolkit does here (connection_port.cpp).
  friend class connection_port;
  /// A message that a handler has been given, until it is answered.
  struct handling {
    message_ptr what;
    bool answered = false;
  };
  void answer(handling& h, std::string_view type, std::string_view payload);
  /// @returns false where the connection has no right to
  bool tool_join(const std::string& room, const join_options& how);
  void tool_leave(const std::string& room);
  bool tool_broadcast(const outgoing& what, const std::string& room, post_options how);
  void tool_update(const std::string& room, const value& state);
  void tool_members(const std::string& room, members_callback then);
  void tool_send(const outgoing& what);
  void tool_after(std::chrono::milliseconds delay, std::function<void(toolkit&)> what);
  void off_loop_done(handling& h);

  // loop_timer: one for all deadlines.
  void fired() override;
  void arm_deadline();

  void write(std::string_view type, std::string_view id, std::string_view payload);
  void write_failure(std::string_view id, const failure& why);
  connection_handle handle_to_self() const;

  local_node& node_;
  fan_out& fans_;
  egress out_;
  phase phase_ = phase::unknown;
  bool fresh_ = true;     ///< Nothing but `ping` and `auth` has come yet: a session may be resumed.
  bool signaled_ = false; ///< A signal went or came: somebody may have to be told of the end.
  bool reading_paused_ = false;
  bool overflowed_ = false;    ///< Its outbox was over its bound: the close is on its way.
  bool going_ = false;         ///< The node drains: it ends as soon as what is queued for its client is sent.
  std::uint32_t off_loop_ = 0; ///< Handlers under way off the loop.
  member_key key_;
  std::shared_ptr<const troupe::sender> who_;
  std::shared_ptr<const identity> identity_;
  std::string address_;
  std::string transport_;
  bool recorded_ = false; ///< The audit log has it as open.
  std::string session_;   ///< SHA-256 of the session's secret.
  std::string claimed_;   ///< The same of the one that a resume asks for.
  std::uint32_t incarnation_ = 0;
  std::shared_ptr<subscription> subscription_; ///< The same as `out_.filter()`, for rooms; null before the first one.
  memberships rooms_;                          ///< And channels.
  std::vector<std::weak_ptr<local_room>> leaving_; ///< Left, perhaps not yet confirmed: they may still point here.
  park<parked_op, local_room*> parked_;
  rate_meter rate_;
  bad_message_meter bad_;
  worker_handle worker_;
  mono_ms auth_deadline_ = 0;
  mono_ms resume_deadline_ = 0;
  struct resuming {
    std::string id;     ///< Of the request.
    std::string secret; ///< The session's new one.
    std::map<place, std::optional<position>, place_less> seen;
  };
  std::unique_ptr<resuming> resuming_;
  std::map<std::string, std::uint64_t> inbox_tickets_; ///< By user: what inboxes wait for to be sent.
  connection_handle awaiting_session_; ///< Itself, while it has ended but for a session that may still come.
};

} // namespace troupe
