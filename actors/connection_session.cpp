// How a connection begins, resumes a session, waits for its client, ends.

#include "actors/connection.hpp"

#include "actors/answers.hpp"
#include "actors/hub.hpp"
#include "actors/node.hpp"
#include "runtime/model/json_text.hpp"
#include "runtime/model/resume.hpp"
#include "runtime/wire/make.hpp"
#include "runtime/wire/parse.hpp"

#include <algorithm>
#include <cstring>
#include <map>

namespace troupe {
namespace {

constexpr std::int64_t resume_wait_ms = 5'000;
constexpr std::chrono::milliseconds hand_over_retry{20};

std::string new_secret() {
  return make_secret([](std::span<unsigned char> into) {
    for (std::size_t i = 0; i < into.size(); i += sizeof(std::uint64_t)) {
      const auto bits = local_node::random_bits();
      std::memcpy(&into[i], &bits, std::min(sizeof bits, into.size() - i));
    }
  });
}

} // namespace

connection_handle connection::handle_to_self() const {
  return caf::actor_cast<connection_handle>(caf::strong_actor_ptr{ctrl()});
}

void connection::tell_hub(registration_kind what) {
  auto r = std::make_shared<registration>();
  r->what = what;
  r->connection = who_->connection;
  r->user = who_->user;
  r->address = address_;
  r->session = session_;
  r->key = key_;
  caf::anon_send(node_.hub, std::shared_ptr<const registration>{std::move(r)}, handle_to_self());
}

void connection::open(std::shared_ptr<edge::link> link) {
  out_.attach(std::move(link));
  fans_.enroll(*this);
  if (identity_ != nullptr)
    return greet();
  auth_deadline_ = home()->now() + node_.settings.auth.timeout.count();
  arm_deadline();
}

void connection::greet() {
  phase_ = phase::open;
  who_ = wire::make_sender(node_.new_connection_id(), identity_->user, node_.name);
  const auto secret = new_secret();
  session_ = session_key(secret);
  tell_hub(registration_kind::came);
  record_opened(transport_);
  std::string payload = "{\"connection\":";
  append_json_string(payload, who_->connection);
  payload += ",\"node\":";
  append_json_string(payload, node_.name);
  payload += ",\"user\":";
  if (who_->user)
    append_json_string(payload, *who_->user);
  else
    payload += "null";
  payload += ",\"protocol\":\"troupe.v1\",\"heartbeat_ms\":";
  append_json_number(payload, std::int64_t{node_.settings.websocket.heartbeat.count()});
  payload += ",\"max_message_bytes\":";
  append_json_number(payload, std::uint64_t{node_.settings.websocket.max_message_bytes});
  payload += ",\"session\":\"" + secret + "\"}";
  write("hello", {}, payload);
  arm_deadline();
}

// -- a client comes back

void connection::on_resume(const request& r) {
  if (!fresh_)
    return write_failure(r.id, {error_code::bad_message, "session:resume must be the first message", {}});
  const auto payload = wire::parse({r.fields.payload, r.fields.format});
  const auto secret = payload ? (*payload)["session"].as_string() : std::nullopt;
  if (!secret)
    return write_failure(r.id, {error_code::bad_message, "session:resume needs payload.session", {}});
  fresh_ = false;
  auto state = std::make_unique<resuming>();
  state->id = r.id;
  state->secret = new_secret();
  for (const auto& [room, at] : (*payload)["rooms"].members())
    state->seen[place{a_room(room)}] =
        position{std::string{at["epoch"].as_string().value_or("")}, at["seq"].as_uint().value_or(0)};
  for (const auto& [channel, at] : (*payload)["channels"].members())
    state->seen[place{a_channel(channel)}] = position_from(at, "offset");
  out_.flush();                           // hello goes before the answer
  if (session_key(*secret) == session_) { // the one that hello has just given
    resuming_ = std::move(state);
    return finish_resume();
  }
  claimed_ = session_key(state->secret);
  auto claim = std::make_shared<session_claim>();
  claim->session = session_key(*secret);
  claim->new_session = claimed_;
  claim->user = who_->user;
  claim->address = address_;
  caf::anon_send(node_.hub, std::shared_ptr<const session_claim>{std::move(claim)}, handle_to_self());
  resuming_ = std::move(state);
  phase_ = phase::resuming;
  resume_deadline_ = home()->now() + resume_wait_ms;
  out_.hold();
  arm_deadline();
}

void connection::adopt(const std::shared_ptr<const session_state>& state) {
  if (phase_ != phase::resuming || resuming_ == nullptr) {
    if (state != nullptr)
      abandon(*state);
    if (phase_ == phase::ended)
      quit_after_turn();
    return;
  }
  if (state == nullptr) {
    forget_claim();
    return finish_resume();
  }
  tell_hub(registration_kind::ended); // of the session that hello had given
  record_closed(close_code::normal, "goes on as " + state->who->connection);
  fans_.forget(*this, {});
  key_ = state->key;
  who_ = state->who;
  session_ = claimed_;
  incarnation_ = state->incarnation;
  signaled_ = state->signaled;
  out_.filter() = state->filter;
  fans_.enroll(*this);
  tell_hub(registration_kind::identified);
  record_opened(transport_);
  node_.counts.resumed.add();
  for (const auto& room : state->rooms)
    take_room(room);
  resumed_if_complete();
}

// The rights are those of the client that came: a token may allow less than the one before. A join that the room had
// not answered is asked for again, so that its logic decides.
void connection::take_room(const session_state::room& room) {
  const place_view where = room.where;
  const auto reached = reach(where);
  if (!allows(where, right::read)) {
    fans_.submit_anyway(*reached, make_op(room_verb::vanish, "not allowed"));
    if (who_->user)
      node_.people.give_room(*who_->user);
    return;
  }
  const bool sees = allows(where, right::presence);
  auto& m = rooms_[room.where];
  m.room = reached;
  m.recovering = true;
  m.may_write = allows(where, right::write);
  m.from = room.from;
  auto info = make_info(sees ? room.state : "null", sees && room.presence, room.since);
  m.info = info;
  auto op = make_op(room.joined ? room_verb::rebind : room_verb::join);
  op.more = std::make_unique<room_request>();
  op.more->member = info;
  op.more->durable = room.from.durable;
  if (!room.joined) {
    op.more->since = room.from.since;
    op.more->earliest = room.from.earliest;
  }
  if (const auto seen = resuming_->seen.find(where); seen != resuming_->seen.end() && seen->second)
    op.more->since = seen->second;
  fans_.expect(*reached, *this, std::move(info), {}, room.joined);
  fans_.submit_anyway(*reached, std::move(op));
}

// What the hub has rotated for this connection is nobody's session.
void connection::forget_claim() {
  auto r = std::make_shared<registration>();
  r->what = registration_kind::ended;
  r->session = std::exchange(claimed_, {});
  caf::anon_send(node_.hub, std::shared_ptr<const registration>{std::move(r)}, handle_to_self());
}

// The session came too late, its client has gone or goes on without it: nobody will take it now.
void connection::abandon(const session_state& state) {
  auto r = std::make_shared<registration>();
  r->what = registration_kind::ended;
  r->connection = state.who->connection;
  r->session = std::exchange(claimed_, {});
  caf::anon_send(node_.hub, std::shared_ptr<const registration>{std::move(r)}, state.holder);
  for (const auto& room : state.rooms) {
    auto op = make_op(room_verb::vanish, "not resumed");
    op.who = state.key;
    fans_.submit_anyway(*fans_.reach(room.where.name, static_cast<place_view>(room.where).kind()), std::move(op));
    if (state.who->user)
      node_.people.give_room(*state.who->user);
  }
  if (state.signaled)
    caf::anon_send(node_.signaling, gone_atom::value, state.who);
}

void connection::resumed_if_complete() noexcept {
  if (phase_ != phase::resuming || resuming_ == nullptr)
    return;
  for (const auto& [name, m] : rooms_)
    if (m.recovering)
      return;
  finish_resume();
}

void connection::resume_late() {
  for (auto& [name, m] : rooms_)
    m.recovering = false;
  finish_resume();
}

// The ack goes before everything that the rooms have said meanwhile.
void connection::finish_resume() {
  const auto state = std::move(resuming_);
  const bool resumed = session_ == claimed_;
  std::string payload = resumed ? "{\"resumed\":true,\"connection\":" : "{\"resumed\":false,\"connection\":";
  append_json_string(payload, who_->connection);
  if (resumed)
    payload += ",\"session\":\"" + state->secret + '"';
  std::map<place_view, bool, place_less> flags;
  for (const auto& [where, at] : state->seen)
    flags[where] = false;
  for (const auto& [where, m] : rooms_)
    flags[where] = m.recovered;
  const auto append_flags = [&](bool channels) {
    for (const auto& [where, recovered] : flags) {
      if (where.channel != channels)
        continue;
      if (payload.back() != '{')
        payload += ',';
      append_json_string(payload, where.name);
      payload += recovered ? ":{\"recovered\":true}" : ":{\"recovered\":false}";
    }
  };
  payload += ",\"rooms\":{";
  append_flags(false);
  payload += "},\"channels\":{";
  append_flags(true);
  payload += "}}";
  phase_ = phase::open;
  out_.release(node_.encode(out_.encoder(), *plain_message("ack", state->id, target_kind::none, {}, payload)));
  arm_deadline();
  resume_reading_if_possible();
}

void connection::hand_over(const caf::actor_addr& to) {
  const auto heir = caf::actor_cast<connection_handle>(to);
  if (phase_ == phase::ended || phase_ == phase::unknown || phase_ == phase::resuming) {
    if (heir)
      caf::anon_send(heir, std::shared_ptr<const session_state>{});
    return;
  }
  // What a handler off the loop says, it says here: so it goes first. The heir waits, within bounds.
  if (off_loop_ > 0)
    return base::delayed_send(this, hand_over_retry, claim_atom::value, to);
  auto state = std::make_shared<session_state>();
  state->key = key_;
  state->who = who_;
  state->filter = out_.filter();
  state->signaled = signaled_;
  state->incarnation = incarnation_ + 1;
  state->holder = handle_to_self();
  for (const auto& [where, m] : rooms_)
    state->rooms.push_back({where, m.info->state, m.info->presence, m.joined, m.info->since, m.from});
  record_closed(close_code::replaced, "replaced: this session goes on elsewhere");
  if (out_.attached()) {
    out_.flush();
    out_.link()->close(close_code::replaced, "replaced: this session goes on elsewhere");
  } else {
    node_.counts.detached.sub(1);
  }
  leave_fans();
  rooms_.clear();
  phase_ = phase::ended;
  tell_hub(registration_kind::handed_over);
  if (heir)
    caf::anon_send(heir, std::shared_ptr<const session_state>{std::move(state)});
  else
    abandon(*state);
  quit_after_turn();
}

// -- the link is gone

bool connection::resumable() const noexcept {
  return phase_ == phase::open || (phase_ == phase::resuming && session_ == claimed_);
}

void connection::closed(const edge::close_info& info) {
  record_closed(info.code, info.reason);
  if (!info.by_peer && info.code == close_code::too_large)
    node_.pressure("too_large", who_ ? who_->connection : address_);
  const bool for_good = info.by_peer && info.code == close_code::normal;
  if (resumable() && !for_good)
    detach();
  else if (phase_ != phase::ended && phase_ != phase::detached)
    end();
}

void connection::close_with(close_code code, std::string_view reason) {
  if (phase_ == phase::ended)
    return;
  record_closed(code, reason);
  if (out_.attached()) {
    out_.flush();
    out_.link()->close(code, reason);
  }
  const auto number = static_cast<std::uint16_t>(code);
  const bool may_return = (number >= 3000 && number < 3500) || code == close_code::going_away ||
                          code == close_code::restart || code == close_code::try_again_later;
  if (resumable() && may_return && !node_.draining)
    detach();
  else if (phase_ != phase::detached || !may_return || node_.draining)
    end();
}

// Takes nothing more from its client, so that what is queued for all of them comes to an end.
void connection::go_away() noexcept {
  const auto keep = handle_to_self(); // of who has not said yet who it is only the link has a reference
  if (phase_ == phase::ended)
    return quit_after_turn(); // no session that may still come is waited for
  going_ = true;
  if (out_.attached())
    out_.link()->pause_reading(true);
  go_when_sent();
}

void connection::shut_down() noexcept {
  const auto keep = handle_to_self();
  end();
  quit_after_turn();
}

void connection::go_when_sent() {
  if (!going_ || phase_ == phase::ended)
    return;
  if (out_.attached()) {
    out_.flush();
    if (!out_.box().empty() && phase_ != phase::resuming)
      return; // `writable` calls again
    const auto jitter = static_cast<std::uint64_t>(node_.settings.shutdown.jitter.count());
    out_.link()->close_when_sent(close_code::going_away, "going away: reconnect in " +
                                                             std::to_string(local_node::random_bits() % (jitter + 1)) +
                                                             " ms");
  }
  end();
}

// Nothing of the fan-outs points here any more.
void connection::leave_fans() {
  std::vector<std::shared_ptr<local_room>> rooms;
  for (const auto& [name, m] : rooms_)
    rooms.push_back(m.room);
  for (const auto& left : std::exchange(leaving_, {}))
    if (auto room = left.lock())
      rooms.push_back(std::move(room));
  // What a room has not taken yet was accepted from the client, so it goes on.
  for (auto& waiting : parked_.take_all())
    fans_.submit_anyway(*waiting.what.room, std::move(waiting.what.op));
  fans_.forget(*this, rooms);
  out_.detach();
}

void connection::detach() {
  const auto window = node_.settings.session.resume_window.count();
  if (window == 0)
    return end();
  leave_fans();
  phase_ = phase::detached;
  node_.counts.detached.add(1);
  tell_hub(registration_kind::away);
  resume_deadline_ = home()->now() + window;
  arm_deadline();
}

// The outbox may be queued for the end of the turn, so it holds the actor until then.
void connection::quit_after_turn() {
  home()->disarm(*this);
  if (awaiting_session_ != nullptr)
    fans_.forget(*this, {});
  awaiting_session_ = nullptr;
  out_.keep_until_turn_ends(std::make_shared<connection_handle>(handle_to_self()));
  caf::anon_send_exit(handle_to_self(), caf::exit_reason::user_shutdown);
}

void connection::end() {
  if (phase_ == phase::ended)
    return;
  const auto keep = handle_to_self(); // closing the link may let go of the last other reference
  if (phase_ == phase::detached)
    node_.counts.detached.sub(1);
  record_closed(close_code::going_away, "going away"); // where nothing has closed it yet
  const char* const why = phase_ == phase::detached ? "grace over" : "closed";
  const bool owed_session = phase_ == phase::resuming && session_ != claimed_;
  if (out_.attached())
    out_.link()->close(close_code::going_away, "going away"); // where nothing has closed it yet
  leave_fans();
  phase_ = phase::ended;
  home()->disarm(*this);
  if (who_ != nullptr) {
    while (!rooms_.empty())
      exit(rooms_.begin(), why, false);
    tell_hub(registration_kind::ended);
    if (signaled_)
      caf::anon_send(node_.signaling, gone_atom::value, who_);
  }
  if (!owed_session || node_.draining)
    return quit_after_turn();
  // A session is on its way here: it must not be lost with its rooms. Enrolled, so that a drain ends the waiting.
  resuming_.reset();
  awaiting_session_ = handle_to_self();
  fans_.enroll(*this);
  home()->arm(*this, resume_wait_ms);
}

} // namespace troupe
