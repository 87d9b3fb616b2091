#include "actors/connection.hpp"

#include "actors/answers.hpp"
#include "actors/connection_port.hpp"
#include "actors/hub.hpp"
#include "actors/inboxes.hpp"
#include "actors/node.hpp"
#include "actors/signaling.hpp"
#include "runtime/model/json_text.hpp"
#include "runtime/system/clocks.hpp"
#include "runtime/wire/parse.hpp"

#include <algorithm>
#include <exception>

namespace troupe {
namespace {

std::uint32_t per_second(const rate& r) {
  return r.limited() ? static_cast<std::uint32_t>(std::max<std::int64_t>(
                           1, static_cast<std::int64_t>(r.count) * 1000 / std::max<std::int64_t>(r.per.count(), 1)))
                     : 0;
}

// Runs what a program gave: whatever it throws costs nobody a connection. @returns whether it threw nothing
template <class F>
bool guarded(local_node& of, std::string_view type, const std::string& connection, F&& what) {
  const auto failed = [&](std::string_view why) {
    of.counts.handler_failures.add();
    of.log.warn("handler_failed", "type={} connection={} error={}", type, connection, why);
    of.tell_event("error", connection, why);
    return false;
  };
  try {
    what();
    return true;
  } catch (const std::exception& thrown) {
    return failed(thrown.what());
  } catch (...) {
    return failed("something that is no std::exception");
  }
}

} // namespace

connection::connection(caf::actor_config& cfg, loop* home, local_node& of, const edge::handshake& from,
                       edge::grant right)
    : pinned_actor(cfg, home)
    , node_(of)
    , fans_(*of.fans[home->index()])
    , out_(of, *home, *this)
    , key_(++of.last_key)
    , identity_(std::move(right.who))
    , address_(from.address)
    , transport_(from.transport)
    , parked_(of.settings.limits.park_messages, of.settings.limits.park_bytes)
    , rate_(per_second(of.settings.limits.message_rate), of.settings.limits.rate_limited_seconds) {
  node_.counts.connections.add(1);
  node_.counts.opened.add();
}

connection::~connection() { node_.counts.connections.sub(1); }

connection_handle::behavior_type connection::make_behavior() {
  node_.observe(*this);
  return {
      [this](const message_ptr& m) {
        signaled_ = signaled_ || m->type().starts_with("signal:");
        take_direct(*m, {}, false);
      },
      [this](const std::shared_ptr<const inbox_piece>& piece) { take_piece(*piece); },
      [this](const std::shared_ptr<const receipt>& r) {
        if (r->why)
          return write_failure(r->id, *r->why);
        std::string payload = "{\"connections\":";
        append_json_number(payload, std::uint64_t{r->connections});
        write("ack", r->id, payload + "}");
      },
      [this](const std::shared_ptr<const session_state>& state) { adopt(state); },
      [this](claim_atom, const caf::actor_addr& to) { hand_over(to); },
      [this](close_atom, std::uint16_t code, const std::string& reason) {
        close_with(static_cast<close_code>(code), reason);
      },
      [this](drain_atom) { go_away(); },
      [this](const std::shared_ptr<const std::function<void()>>& what) {
        if (phase_ != phase::ended)
          guarded(node_, "later", who_ ? who_->connection : std::string{}, *what);
      },
  };
}

void connection::on_exit() {
  if (phase_ != phase::ended)
    end();
  if (awaiting_session_ != nullptr)
    quit_after_turn();
  worker_ = nullptr;
}

// -- what comes in

edge::flow connection::received(const message_fields& fields, std::size_t) {
  if (phase_ == phase::ended || phase_ == phase::detached)
    return edge::flow::pause;
  node_.counts.received.add();
  if (!overran_rate(home()->now(), fields.id)) {
    try {
      handle(fields);
    } catch (const std::exception& thrown) {
      node_.log.error("connection_failed", "connection={} error={}", who_ ? who_->connection : "", thrown.what());
      write_failure(fields.id, {error_code::internal, "the server failed to handle this message", {}});
    }
  }
  return flow_now();
}

void connection::writable() {
  out_.writable();
  go_when_sent();
}

edge::flow connection::malformed(const failure& why, std::string_view id) {
  if (phase_ == phase::ended || phase_ == phase::detached)
    return edge::flow::pause;
  write_failure(id, why);
  return flow_now();
}

bool connection::overran_rate(mono_ms now, std::string_view id) {
  if (rate_.allow(now))
    return false;
  node_.counts.rate_limited.add();
  if (rate_.first_of_its_second())
    node_.pressure("rate_limited", who_ ? who_->connection : address_);
  if (rate_.hopeless(now)) {
    node_.pressure("rate_limited_close", address_);
    close_with(close_code::rate_limited, "rate limited: send less, come back later");
  } else {
    write_failure(id, {error_code::rate_limited, "too many messages in a second", 1000});
  }
  return true;
}

edge::flow connection::flow_now() noexcept {
  const bool full = parked_.full() || off_loop_ >= node_.settings.handlers.queue_max;
  const bool busy = phase_ == phase::resuming || phase_ == phase::ended || phase_ == phase::detached;
  if (!full && !busy)
    return edge::flow::more;
  if (full && !reading_paused_)
    node_.pressure(parked_.full() ? "park_full" : "handler_queue_full", address_);
  reading_paused_ = true;
  return edge::flow::pause;
}

void connection::resume_reading_if_possible() {
  if (!reading_paused_ || parked_.full() || off_loop_ >= node_.settings.handlers.queue_max ||
      phase_ == phase::resuming || going_ || out_.link() == nullptr)
    return;
  reading_paused_ = false;
  out_.link()->pause_reading(false);
}

void connection::handle(const message_fields& fields) {
  if (phase_ == phase::unknown && fields.type != "auth") {
    write_failure(fields.id, {error_code::unauthorized, "the first message must be auth", {}});
    return close_with(close_code::unauthorized, "unauthorized: authenticate first");
  }
  if (answer_request(fields))
    return;
  fresh_ = false;
  if (is_reserved_type(fields.type) && !fields.type.starts_with("signal:"))
    return write_failure(fields.id, {error_code::forbidden, "this type belongs to the protocol", {}});
  application(fields);
}

/// Answers a message whose `privacy.subject` its sender may not speak for.
bool connection::refuses_subject(const message_fields& fields) {
  if (fields.subject.empty() || identity_->admin || fields.subject == who_->user ||
      identity_->rights.allows("subject", fields.subject, right::write))
    return false;
  write_failure(fields.id, {error_code::forbidden, "you have no right to speak for this privacy.subject", {}});
  return true;
}

void connection::application(const message_fields& fields) {
  if (refuses_subject(fields))
    return;
  const auto m = message::make(fields, who_, home()->wall());
  if (node_.handlers.empty())
    return default_behaviour(m);
  handling h{m, false};
  connection_port port{*this, h};
  toolkit kit{node_, port};
  troupe::context ctx{who_, address_, identity_->admin};
  const auto run = [&] {
    if (node_.handlers.run_middleware(*m, ctx, kit) == verdict::stop) {
      if (!h.answered)
        answer(h, "error", failure_payload({error_code::forbidden, "the server does not take this message", {}}));
      return;
    }
    if (h.answered)
      return;
    const auto* with = node_.handlers.find(m->type());
    if (with == nullptr)
      return default_behaviour(m);
    if (with->options.off_loop)
      return run_off_loop(*with, m);
    with->run(*m, ctx, kit);
    if (!h.answered)
      answer(h, "ack", "{}");
  };
  if (!guarded(node_, m->type(), who_->connection, run) && !h.answered)
    write_failure(m->id(), {error_code::internal, "the handler of this message failed", {}});
}

void connection::run_off_loop(const handler_table::entry& with, const message_ptr& m) {
  ++off_loop_;
  auto h = std::make_shared<handling>(handling{m, false});
  auto port = std::make_shared<connection_port>(handle_to_self(), *this, h);
  troupe::context ctx{who_, address_, identity_->admin};
  auto job = std::make_shared<const std::function<void()>>([&of = node_, &with, m, ctx, port]() mutable {
    toolkit kit{of, *port};
    if (expired(*m, of.wall_clock()))
      port->reject({error_code::expired, "its ttl_ms was over before its handler had time for it", {}});
    else if (!guarded(of, m->type(), ctx.id(), [&] { with.run(*m, ctx, kit); }))
      port->reject({error_code::internal, "the handler of this message failed", {}});
    port->done();
  });
  if (worker_ == nullptr)
    worker_ = spawn_worker(system(), node_);
  caf::anon_send(worker_, std::move(job));
}

void connection::default_behaviour(const message_ptr& m) {
  if (m->type().starts_with("signal:"))
    return signal(m);
  switch (m->fields().target) {
  case target_kind::room:
    return publish(m);
  case target_kind::user:
  case target_kind::users:
  case target_kind::connection:
    return deliver(m);
  case target_kind::channel:
    return publish_in_channel(m);
  case target_kind::none:
    return write_failure(m->id(), {error_code::no_handler, "nothing on this node handles this message", {}});
  }
}

void connection::publish(const message_ptr& m) {
  const auto at = rooms_.find(a_room(m->room()));
  if (at == rooms_.end())
    return write_failure(m->id(), {error_code::not_a_member, "join the room before you send to it", {}});
  if (!at->second.may_write)
    return write_failure(m->id(), {error_code::forbidden, "you have no right to write in this room", {}});
  room_op op = make_op(room_verb::publish);
  op.answer = !m->id().empty();
  op.echo = !m->fields().headers.empty() && wire::header(*m, "echo") == "true";
  op.message = m;
  op.members_only = true;
  push(at->second.room, std::move(op));
}

void connection::deliver(const message_ptr& m, std::shared_ptr<const signal_notice> signal) {
  auto d = std::make_shared<delivery>();
  d->what = m;
  d->from = handle_to_self();
  d->sender = key_;
  d->answer = !m->id().empty();
  d->rights = identity_;
  d->signal = std::move(signal);
  d->credit = std::max<std::size_t>(m->fields().users.size(), 1);
  if (!node_.hub_credit.take(d->credit, m->size())) {
    node_.pressure("hub_full", who_->connection);
    return write_failure(m->id(),
                         {error_code::unavailable, "the node has too many messages to users on their way", 1000});
  }
  record_direct(*m);
  caf::anon_send(node_.hub, std::shared_ptr<const delivery>{std::move(d)});
}

void connection::signal(const message_ptr& m) {
  static constexpr std::string_view kinds[] = {"signal:offer", "signal:answer", "signal:candidate", "signal:bye"};
  if (std::find(std::begin(kinds), std::end(kinds), m->type()) == std::end(kinds))
    return write_failure(m->id(), {error_code::forbidden, "this type belongs to the protocol", {}});
  if (m->fields().target == target_kind::room)
    return publish(m);
  if (m->fields().target != target_kind::connection)
    return write_failure(m->id(), {error_code::bad_message, "a signal needs to.connection or room", {}});
  signaled_ = true;
  auto notice = std::make_shared<signal_notice>();
  notice->from = who_;
  notice->to = m->fields().target_name;
  notice->bye = m->type() == "signal:bye";
  deliver(m, std::move(notice));
}

// -- what goes out

// Its `ttl_ms` has run since the message was accepted, and runs on in the outbox.
void connection::take_direct(const message& m, const stamp& at, bool anyway) {
  const auto now = node_.wall_clock();
  if (!out_.attached() || !out_.filter().passes(m.type()) || expired(m, now))
    return;
  auto bytes = std::make_shared<std::string>();
  wire::encoder_at(out_.encoder()).append(*bytes, m, at);
  outbox_item item;
  item.data = {bytes, *bytes};
  item.source = direct_source;
  item.expires = end_of_ttl(m, now, home()->now());
  if (anyway)
    out_.offer_anyway(std::move(item));
  else
    out_.offer(std::move(item));
}

// Bounds of the outbox do not concern a piece: its inbox gives the next one when this is sent.
void connection::take_piece(const inbox_piece& piece) {
  if (!out_.attached())
    return; // the hub learns of it
  for (const auto& item : piece.items)
    take_direct(*item.what, {item.offset, item.offset == 0 ? std::string_view{} : std::string_view{piece.epoch}}, true);
  inbox_tickets_[piece.user] = piece.ticket;
  out_.tell_when_sent();
}

void connection::tell_inbox(std::string user, std::uint64_t ticket, std::uint64_t acknowledged) {
  auto reply = std::make_shared<inbox_reply>();
  reply->user = std::move(user);
  reply->who = key_;
  reply->ticket = ticket;
  reply->acknowledged = acknowledged;
  caf::anon_send(node_.hub, std::shared_ptr<const inbox_reply>{std::move(reply)});
}

void connection::outbox_sent() noexcept {
  for (auto& [user, ticket] : std::exchange(inbox_tickets_, {}))
    tell_inbox(user, ticket, 0);
  fans_.outbox_sent(*this);
}

void connection::write(std::string_view type, std::string_view id, std::string_view payload) {
  if (out_.attached())
    node_.write_to(out_, *plain_message(type, id, target_kind::none, {}, payload));
}

// One `bad_message` too many closes the connection.
void connection::write_failure(std::string_view id, const failure& why) {
  write("error", id, failure_payload(why));
  if (why.code == error_code::too_large)
    node_.pressure("too_large", who_ ? who_->connection : address_);
  if (why.code != error_code::bad_message)
    return;
  node_.counts.bad_messages.add();
  if (phase_ == phase::ended || !bad_.one_too_many(home()->now()))
    return;
  node_.pressure("bad_messages_close", address_);
  close_with(close_code::too_many_bad_messages, "too many bad messages: do not reconnect before you are mended");
}

void connection::outbox_overflowed() noexcept {
  if (overflowed_)
    return;
  overflowed_ = true;
  node_.pressure("slow_consumer", who_ ? who_->connection : address_);
  close_later(close_code::slow_consumer, "slow consumer: read faster, then resume");
}

void connection::outbox_pressed(overflow policy) noexcept {
  node_.pressure(to_string(policy), who_ ? who_->connection : address_);
}

// Whoever asks may be in the middle of a list that this connection is in.
void connection::close_later(close_code code, std::string reason) noexcept {
  caf::anon_send(handle_to_self(), close_atom::value, static_cast<std::uint16_t>(code), std::move(reason));
}

slice connection::gap_frame(const outbox_gap& gap) noexcept {
  const auto at = std::find_if(rooms_.begin(), rooms_.end(), [&](const auto& entry) {
    return entry.second.room != nullptr && entry.second.room->id == gap.source;
  });
  if (at == rooms_.end())
    return {};
  std::string payload = "{\"reason\":\"slow_consumer\"";
  if (gap.from != 0) {
    payload += ",\"from\":";
    append_json_number(payload, gap.from);
    payload += ",\"to\":";
    append_json_number(payload, gap.to);
  }
  payload += '}';
  node_.pressure("gap", who_->connection);
  const place_view where = at->first;
  return node_.encode(out_.encoder(), *plain_message("gap", {}, where.kind(), where.name, payload));
}

// -- deadlines

void connection::arm_deadline() {
  mono_ms next = 0;
  const auto sooner = [&](mono_ms at) { next = at != 0 && (next == 0 || at < next) ? at : next; };
  const auto now = home()->now();
  if (phase_ == phase::unknown)
    sooner(auth_deadline_);
  if (phase_ == phase::detached || phase_ == phase::resuming)
    sooner(resume_deadline_);
  if (identity_ != nullptr && identity_->expires_ms != 0 && phase_ == phase::open)
    sooner(now + std::max<std::int64_t>(identity_->expires_ms - system_wall(), 1));
  if (const auto parked = parked_.next_deadline())
    sooner(*parked);
  if (next == 0)
    home()->disarm(*this);
  else
    home()->arm(*this, next - now);
}

void connection::fired() {
  const auto keep = handle_to_self(); // the hub, on another thread, may let go of the last reference meanwhile
  const auto now = home()->now();
  if (phase_ == phase::ended)
    return quit_after_turn();
  give_up_parked(now);
  if (phase_ == phase::unknown && auth_deadline_ <= now) {
    write_failure({}, {error_code::unauthorized, "no auth came in time", {}});
    return close_with(close_code::unauthorized, "unauthorized: authenticate in time");
  }
  if (phase_ == phase::detached && resume_deadline_ <= now)
    return end();
  if (phase_ == phase::resuming && resume_deadline_ <= now)
    resume_late();
  if (phase_ == phase::open && identity_->expires_ms != 0 && identity_->expires_ms <= system_wall())
    return close_with(close_code::token_expired, "token expired: come back with a new one");
  arm_deadline();
}

} // namespace troupe
