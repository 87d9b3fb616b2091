#include "tests/examples/turns_table.hpp"

#include "apps/examples/turns.hpp"
#include "runtime/wire/json.hpp"
#include "runtime/wire/make.hpp"

#include <algorithm>
#include <cstdlib>

namespace troupe::testing {
namespace {

/// The wire format of these tests: JSON, a line for each message.
class line_encoder final : public wire::encoder {
public:
  void append(std::string& out, const message& m, const stamp& at) const override {
    wire::encode_json(out, m, at);
    out += '\n';
  }
};

std::uint8_t format() {
  static const line_encoder instance;
  return static_cast<std::uint8_t>(instance.index());
}

room_home::setup home_setup() {
  room_home::setup setup;
  setup.id = 1;
  setup.name = "game:test";
  setup.epoch = "e1";
  return setup;
}

std::shared_ptr<const sender> sender_of(member_key who, std::optional<std::string> user = {}) {
  return wire::make_sender("c" + std::to_string(who), std::move(user), "here");
}

} // namespace

turns_table::turns_table(std::uint64_t seed)
    : type_{[] { return std::make_unique<examples::game_room>(); }, {}}
    , home_{home_setup()}
    , logic_{type_, home_, seed} {
  logic_.start(now_, now_);
  listen();
}

room_op turns_table::op(room_verb verb, member_key who) {
  room_op made;
  made.verb = verb;
  made.who = who;
  made.encoder = format();
  return made;
}

void turns_table::join(member_key who, std::optional<std::string> user) {
  auto info = std::make_shared<member_info>();
  info->key = who;
  info->who = sender_of(who, std::move(user));
  info->encoder = format();
  auto joining = op(room_verb::join, who);
  joining.more = std::make_unique<room_request>();
  joining.more->member = std::move(info);
  logic_.joining(joining, now_, now_);
  listen();
}

void turns_table::leave(member_key who) {
  const auto* info = home_.find(who);
  if (info == nullptr)
    return;
  const auto left = describe(*info);
  home_.leave(op(room_verb::leave, who), now_);
  logic_.left(left, now_, now_);
  listen();
}

int turns_table::move(member_key who, std::int64_t cell, std::uint64_t turn) {
  return send(who, "game:move", {{"cell", cell}, {"turn", turn}});
}

int turns_table::send(member_key who, std::string type, const value& payload) {
  auto sent = op(room_verb::publish, who);
  sent.answer = true;
  const auto* info = home_.find(who);
  outgoing what{.type = std::move(type), .payload = payload, .id = std::to_string(++requests_)};
  sent.message = wire::make_message(what, target_kind::room, home_.name(), info ? info->who : sender_of(who), now_);
  logic_.received(sent, now_, now_);
  listen();
  return requests_;
}

void turns_table::pass(std::chrono::milliseconds time) {
  const auto until = now_ + time.count();
  for (;;) {
    const auto next = std::min_element(timers_.begin(), timers_.end(), [](due a, due b) { return a.at < b.at; });
    if (next == timers_.end() || next->at > until)
      break;
    const auto fires = *next;
    timers_.erase(next);
    now_ = fires.at;
    logic_.timed(fires.token, now_, now_);
    listen();
  }
  now_ = until;
}

void turns_table::restart(bool saved) {
  if (saved)
    logic_.keep_snapshot();
  timers_.clear();
  logic_.start(now_, now_);
  listen();
}

void turns_table::listen() {
  for (const auto& [delay, token] : logic_.take_timers())
    timers_.push_back({now_ + delay.count(), token});
  const auto news = home_.seal(false);
  if (news == nullptr)
    return;
  for (const auto& event : news->events) {
    if (event.batch == nullptr)
      continue;
    for (const auto& single : event.batch->singles)
      hear(*single.bytes, "c" + std::to_string(single.to) + " ");
    for (const auto& encoded : event.batch->formats)
      hear(encoded.bytes, "");
  }
}

void turns_table::hear(std::string_view envelopes, std::string_view to) {
  while (!envelopes.empty()) {
    const auto line = envelopes.substr(0, envelopes.find('\n'));
    envelopes.remove_prefix(line.size() + 1);
    said_.push_back(std::string{to} + std::string{line});
    const auto envelope = wire::parse({line, encoding::json}).value_or(value{});
    const auto type = envelope["type"].as_string().value_or("");
    const auto request = std::atoi(std::string{envelope["id"].as_string().value_or("0")}.c_str());
    if (type == "game:state")
      state_ = envelope["payload"];
    else if (type == "ack" && request != 0)
      answers_.emplace_back(request, "ack");
    else if (type == "error")
      answers_.emplace_back(request, envelope["payload"]["code"].as_string().value_or(""));
  }
}

std::string turns_table::answer_to(int request) const {
  for (const auto& [id, answer] : answers_)
    if (id == request)
      return answer;
  return {};
}

std::optional<std::string> turns_table::next_player() const {
  const auto mark = state_["next"].as_string();
  if (!mark)
    return {};
  return std::string{state_["players"][*mark == "X" ? 0 : 1].as_string().value_or("")};
}

} // namespace troupe::testing
