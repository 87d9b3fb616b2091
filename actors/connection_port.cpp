#include "actors/connection_port.hpp"

#include "actors/answers.hpp"
#include "actors/node.hpp"
#include "actors/room_actor.hpp"
#include "runtime/wire/make.hpp"

namespace troupe {
namespace {

failure no_right(const std::string& room) {
  return {error_code::forbidden, "you have no right to do this in the room " + room, {}};
}

} // namespace

// -- what a toolkit does here, on the loop

void connection::answer(handling& h, std::string_view type, std::string_view payload) {
  if (std::exchange(h.answered, true) || h.what == nullptr || h.what->id().empty())
    return;
  write(type, h.what->id(), payload);
}

bool connection::tool_join(const std::string& room, const join_options& how) {
  if (!how.unchecked && !identity_->rights.allows("room", room, right::read))
    return false;
  if (!how.keep || !rooms_.contains(a_room(room)))
    enter(a_room(room), json_of(how.state), how.presence, {}, {}, false);
  return true;
}

void connection::tool_leave(const std::string& room) {
  if (const auto at = rooms_.find(a_room(room)); at != rooms_.end())
    exit(at, "left", false);
}

bool connection::tool_broadcast(const outgoing& what, const std::string& room, post_options how) {
  if (!how.unchecked && !identity_->rights.allows("room", room, right::write))
    return false;
  const auto at = rooms_.find(a_room(room));
  auto op = make_op(room_verb::publish);
  op.echo = !how.except_self;
  op.message = wire::make_message(what, target_kind::room, room, who_, home()->wall());
  push(at != rooms_.end() ? at->second.room : fans_.reach(room), std::move(op));
  return true;
}

void connection::tool_update(const std::string& room, const value& state) {
  const auto at = rooms_.find(a_room(room));
  if (at == rooms_.end())
    return;
  auto op = make_op(room_verb::update);
  op.more = std::make_unique<room_request>();
  op.more->state = json_of(state);
  fans_.remember(*at->second.room, key_, op.more->state);
  push(at->second.room, std::move(op));
}

void connection::tool_members(const std::string& room, members_callback then) {
  base::request(node_.rooms, caf::infinite, describe_atom::value, room)
      .then([this, then = std::move(then)](const std::shared_ptr<const room_report>& report) {
        std::vector<room_member> members;
        for (const auto& [member, since] : report->members)
          members.push_back(member);
        // To where what a program gives is run.
        caf::anon_send(handle_to_self(), std::make_shared<const std::function<void()>>(
                                             [then, members = std::move(members)] { then(members); }));
      });
}

void connection::tool_send(const outgoing& what) {
  if (!out_.attached() || !out_.filter().passes(what.type))
    return;
  if (const auto m = wire::make_message(what, target_kind::none, {}, nullptr, home()->wall()); m->is_for(*who_))
    node_.write_to(out_, *m);
}

void connection::tool_after(std::chrono::milliseconds delay, std::function<void(toolkit&)> what) {
  auto run = std::make_shared<const std::function<void()>>([this, what = std::move(what)] {
    handling nothing{nullptr, true};
    connection_port port{*this, nothing};
    toolkit kit{node_, port};
    what(kit);
  });
  base::delayed_send(this, delay, std::move(run));
}

void connection::off_loop_done(handling& h) {
  if (!h.answered)
    answer(h, "ack", "{}");
  --off_loop_;
  resume_reading_if_possible();
}

template <class F>
void connection_port::there(F f) {
  if (to_ == nullptr)
    f();
  else
    caf::anon_send(to_, std::make_shared<const std::function<void()>>(std::move(f)));
}

void connection_port::join(std::string room, join_options how) {
  there([&of = of_, h = handling_, room = std::move(room), how = std::move(how)] {
    if (!of.tool_join(room, how))
      of.answer(*h, "error", failure_payload(no_right(room)));
  });
}

void connection_port::leave(std::string room) {
  there([&of = of_, room = std::move(room)] { of.tool_leave(room); });
}

void connection_port::broadcast(outgoing what, std::string room, post_options how) {
  there([&of = of_, h = handling_, what = std::move(what), room = std::move(room), how] {
    if (!of.tool_broadcast(what, room, how))
      of.answer(*h, "error", failure_payload(no_right(room)));
  });
}

void connection_port::publish(outgoing what, std::string channel, publish_options how) {
  there([&of = of_, h = handling_, what = std::move(what), channel = std::move(channel), how] {
    if (const auto why = of.tool_publish(what, channel, how))
      of.answer(*h, "error", failure_payload(*why));
  });
}

void connection_port::update(std::string room, value state) {
  there([&of = of_, room = std::move(room), state = std::move(state)] { of.tool_update(room, state); });
}

void connection_port::members(std::string room, members_callback then) {
  there([&of = of_, room = std::move(room), then = std::move(then)] { of.tool_members(room, then); });
}

void connection_port::reply(value payload) {
  there([&of = of_, h = handling_, payload = json_of(payload)] { of.answer(*h, "ack", payload); });
}

void connection_port::reject(failure why) {
  there([&of = of_, h = handling_, payload = failure_payload(why)] { of.answer(*h, "error", payload); });
}

void connection_port::send(outgoing what) {
  there([&of = of_, what = std::move(what)] { of.tool_send(what); });
}

// The handler goes on after this call, so the connection ends after it.
void connection_port::close(close_code code, std::string reason) {
  there([&of = of_, code, reason = std::move(reason)] { of.close_later(code, reason); });
}

void connection_port::after(std::chrono::milliseconds delay, std::function<void(toolkit&)> what) {
  there([&of = of_, delay, what = std::move(what)] { of.tool_after(delay, what); });
}

void connection_port::done() {
  there([&of = of_, h = handling_] { of.off_loop_done(*h); });
}

namespace {

/// Runs what it is given, one after the other. (A class: CAF's actors from functions bind a null reference, which
/// sanitizers refuse.)
class worker final : public ordered_actor<worker_handle::base> {
public:
  worker(caf::actor_config& cfg, local_node& of)
      : ordered_actor<worker_handle::base>(cfg)
      , node_(of) {}
  const char* name() const override { return "worker"; }
  worker_handle::behavior_type make_behavior() override {
    node_.observe(*this);
    return {[](const std::shared_ptr<const std::function<void()>>& job) { (*job)(); }};
  }

private:
  local_node& node_;
};

} // namespace

worker_handle spawn_worker(caf::actor_system& system, local_node& of) { return system.spawn<worker>(std::ref(of)); }

} // namespace troupe
