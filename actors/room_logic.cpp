#include "actors/room_logic.hpp"

#include "actors/answers.hpp"
#include "runtime/model/json_text.hpp"
#include "runtime/wire/make.hpp"
#include "runtime/wire/parse.hpp"
#include "runtime/wire/transcode.hpp"

#include <algorithm>
#include <exception>

namespace troupe {

room_member describe(const member_info& info) { return {info.who->connection, info.who->user, info.state}; }

room_logic::room_logic(const room_type& type, room_home& home, std::uint64_t seed)
    : type_(type)
    , home_(home)
    , generator_(seed) {}

void room_logic::reseed(std::uint64_t seed, std::uint64_t ids) {
  generator_.seed(seed);
  ids_ = ids;
}

template <class F>
void room_logic::run(const room_input& in, mono_ms now, F&& hook) {
  wall_ = in.at;
  op_ = in.op;
  effects_.clear();
  new_timers_.clear();
  reply_.reset();
  rejection_.reset();
  if (witness_ != nullptr)
    return run_watched(in, now, hook);
  hook(*logic_);
  apply(in.op, now);
}

template <class F>
void room_logic::run_watched(const room_input& in, mono_ms now, F&& hook) {
  witness_->given(in);
  try {
    hook(*logic_);
  } catch (const std::exception& thrown) {
    witness_->gave(in, {.threw = thrown.what(), .seq = home_.seq()});
    throw;
  } catch (...) {
    witness_->gave(in, {.threw = "something that is no std::exception", .seq = home_.seq()});
    throw;
  }
  const auto said = what_was_said();
  apply(in.op, now);
  const auto now_is = state();
  witness_->gave(in, {.said = said, .state = now_is, .seq = home_.seq()});
}

const std::string* room_logic::connection_of(member_key who) const {
  if (const auto* info = home_.find(who))
    return &info->who->connection;
  if (op_ != nullptr && op_->who == who && op_->message != nullptr && op_->message->from() != nullptr)
    return &op_->message->from()->connection;
  return nullptr;
}

// A list of what it sent, in order, then its answer, then its timers (docs/audit.md).
std::string room_logic::what_was_said() const {
  std::string out = "[";
  const auto begin = [&] { out += out.size() == 1 ? "{" : ",{"; };
  const auto name = [&](std::string_view key, const std::string* connection) {
    out += key;
    if (connection != nullptr)
      append_json_string(out, *connection);
    else
      out += "null";
  };
  for (const auto& [what, to, except] : effects_) {
    begin();
    name("\"to\":", to == 0 ? nullptr : connection_of(to));
    if (except != 0)
      name(",\"except\":", connection_of(except));
    out += ",\"type\":";
    append_json_string(out, what->type());
    out += ",\"payload\":";
    wire::to_json_text(out, what->payload());
    if (!what->fields().headers.empty()) {
      out += ",\"headers\":";
      wire::to_json_text(out, {what->fields().headers, what->fields().format});
    }
    out += '}';
  }
  if (rejection_) {
    begin();
    out += "\"rejection\":" + failure_payload(*rejection_) + '}';
  } else if (reply_) {
    begin();
    out += "\"reply\":" + *reply_ + '}';
  }
  for (const auto& [delay, token] : new_timers_) {
    begin();
    out += "\"timer\":";
    append_json_number(out, std::uint64_t{token});
    out += ",\"after_ms\":";
    append_json_number(out, std::int64_t{delay.count()});
    out += '}';
  }
  return out + ']';
}

std::string room_logic::state() const noexcept {
  try {
    return json_of(logic_->snapshot());
  } catch (...) {
    return {}; // whoever keeps snapshots finds out as well
  }
}

void room_logic::apply(const room_op* op, mono_ms now) {
  std::uint64_t seq = 0;
  for (auto& [what, to, except] : std::exchange(effects_, {})) {
    if (to != 0)
      home_.say_to(to, *what);
    else
      seq = home_.say(std::move(what), except, now);
  }
  timers_.insert(timers_.end(), new_timers_.begin(), new_timers_.end());
  if (op == nullptr || op->verb != room_verb::publish)
    return;
  if (rejection_)
    return home_.refuse(*op, *rejection_);
  if (seq == 0)
    seq = home_.seq();
  home_.remember(*op, seq);
  home_.acknowledge(*op, reply_ ? *reply_ : position_payload(seq, home_.epoch()));
}

void room_logic::start(wall_ms wall, mono_ms now) {
  logic_ = type_.make();
  if (snapshot_ != "null")
    if (auto kept = wire::parse({snapshot_, encoding::json}))
      logic_->restore(*kept);
  run({.what = room_input::kind::start, .at = wall}, now, [&](room& r) { r.on_start(*this); });
}

void room_logic::joining(const room_op& op, wall_ms wall, mono_ms now) {
  if (home_.find(op.who) != nullptr)
    return home_.let_in(op, now);
  // The hook runs first, so that it can refuse; what it says is applied once the member is in.
  run({.what = room_input::kind::join, .at = wall, .op = &op}, now, [&](room& r) {
    r.on_join(describe(*op.more->member), *this);
    if (rejection_)
      effects_.clear();
    else
      home_.let_in(op, now);
  });
  if (rejection_)
    home_.keep_out(op, *rejection_);
}

void room_logic::left(const room_member& who, wall_ms wall, mono_ms now) {
  run({.what = room_input::kind::left, .at = wall, .who = &who}, now, [&](room& r) { r.on_leave(who, *this); });
}

void room_logic::received(const room_op& op, wall_ms wall, mono_ms now) {
  if (home_.answered_before(op))
    return;
  run({.what = room_input::kind::message, .at = wall, .op = &op}, now,
      [&](room& r) { r.on_message(*op.message, *this); });
}

void room_logic::ticked(wall_ms wall, mono_ms now) {
  run({.what = room_input::kind::tick, .at = wall}, now, [&](room& r) { r.on_tick(*this); });
}

void room_logic::timed(std::uint64_t token, wall_ms wall, mono_ms now) {
  run({.what = room_input::kind::timer, .at = wall, .token = token}, now, [&](room& r) { r.on_timer(token, *this); });
}

void room_logic::keep_snapshot() { snapshot_ = json_of(logic_->snapshot()); }

std::string room_logic::next_id() {
  static constexpr char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
  std::string id;
  for (auto bits = generator_(); id.size() < 12; bits >>= 5)
    id += digits[bits & 31];
  return id + "-" + std::to_string(++ids_);
}

std::vector<room_member> room_logic::members() const {
  std::vector<room_member> result;
  result.reserve(home_.members());
  for (const auto& [key, info] : home_.all())
    result.push_back(describe(*info));
  std::sort(result.begin(), result.end(),
            [](const room_member& a, const room_member& b) { return a.connection < b.connection; });
  return result;
}

void room_logic::broadcast(outgoing what, broadcast_options options) {
  auto m = wire::make_message(what, target_kind::room, home_.name(), nullptr, wall_);
  effects_.push_back({std::move(m), 0, options.except_self && op_ != nullptr ? op_->who : 0});
}

void room_logic::forward(const message& m) {
  const bool own = op_ != nullptr && op_->message.get() == &m;
  auto shared = own ? op_->message : message::make(m.fields(), m.from(), m.ts());
  effects_.push_back({std::move(shared), 0, own && !op_->echo ? op_->who : 0});
}

void room_logic::send(std::string_view connection, outgoing what) {
  const auto give = [&](member_key to) {
    effects_.push_back({wire::make_message(what, target_kind::room, home_.name(), nullptr, wall_), to, 0});
  };
  // Who is joining is no member yet, but will be when this takes effect.
  if (op_ != nullptr && op_->more != nullptr && op_->more->member->who->connection == connection)
    return give(op_->who);
  for (const auto& [key, info] : home_.all())
    if (info->who->connection == connection)
      return give(key);
}

void room_logic::reply(value payload) { reply_ = json_of(payload); }

void room_logic::after(std::chrono::milliseconds delay, std::uint64_t token) { new_timers_.push_back({delay, token}); }

} // namespace troupe
