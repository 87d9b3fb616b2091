#include "actors/room_audit.hpp"

#include "actors/message_record.hpp"
#include "actors/room_logic.hpp"
#include "runtime/model/hex.hpp"
#include "runtime/model/json_text.hpp"
#include "runtime/system/digest.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace troupe {
namespace {

constexpr std::uint64_t steps_per_snapshot = 100;
constexpr std::array<std::string_view, 6> input_names{"start", "join", "left", "message", "tick", "timer"};

/// Who was in the room already when its logic began: not so in a new activation.
std::string members_json(const room_home& home) {
  std::vector<const member_info*> all;
  for (const auto& [key, info] : home.all())
    all.push_back(info.get());
  std::sort(all.begin(), all.end(), [](auto* a, auto* b) { return a->who->connection < b->who->connection; });
  std::string out;
  for (const auto* m : all) {
    out += out.empty() ? "{\"connection\":" : ",{\"connection\":";
    append_json_string(out, m->who->connection);
    if (m->who->user) {
      out += ",\"user\":";
      append_json_string(out, *m->who->user);
    }
    out += ",\"state\":" + m->state + '}';
  }
  return out;
}

} // namespace

std::string_view name_of(room_input::kind what) noexcept { return input_names[static_cast<std::size_t>(what)]; }

std::string state_hash(std::string_view state) { return state.empty() ? std::string{} : to_hex(sha256(state)); }

room_audit::room_audit(setup what, audit_gatherer& into)
    : what_(std::move(what))
    , into_(into) {}

log::record_view room_audit::begin(log::record_kind kind) const {
  log::record_view r;
  r.time_us = now_ * 1000;
  r.kind = kind;
  r.room = what_.room;
  r.epoch = what_.epoch;
  return r;
}

audit_level room_audit::level_of(const message& m) const { return level_for(m.fields(), what_.level, what_.floor); }

void room_audit::activated(const room_home& home, const room_logic* logic, std::uint64_t seed) {
  auto r = begin(log::record_kind::room_activated);
  r.seq = home.seq();
  r.code_version = what_.code_version;
  std::string payload;
  if (logic != nullptr && records_steps()) {
    payload = "{\"snapshot\":" + logic->snapshot() + ",\"seed\":\"" + std::to_string(seed) + '"';
    if (logic->ids() != 0)
      payload += ",\"ids\":" + std::to_string(logic->ids());
    if (const auto members = members_json(home); !members.empty())
      payload += ",\"members\":[" + members + ']';
    payload += '}';
  }
  r.payload = payload;
  steps_ = 0;
  add(r);
}

void room_audit::ended(std::string_view state, std::uint64_t seq) {
  if (records_steps() && !state.empty())
    snapshot(state, seq, "end");
}

void room_audit::snapshot(std::string_view state, std::uint64_t seq, std::string_view detail) {
  auto r = begin(log::record_kind::state_snapshot);
  r.seq = seq;
  r.payload = state;
  r.detail = detail;
  steps_ = 0;
  add(r);
}

// -- what the home tells

void room_audit::published(const message& m, std::uint64_t seq) {
  const auto level = level_of(m);
  if (level == audit_level::off)
    return;
  const auto& f = m.fields();
  auto r = begin(log::record_kind::message_published);
  r.seq = seq;
  set_message(r, f);
  if (r.subject.empty())
    r.subject = step_subject_;
  set_sender(r, m);
  if (level == audit_level::full)
    set_content(r, f);
  add(r);
}

void room_audit::add_member(log::record_view r, const member_info& who) {
  set_sender(r, *who.who);
  if (what_.level == audit_level::full && r.kind != log::record_kind::room_left)
    r.payload = who.state;
  add(r);
}

void room_audit::entered(const member_info* before, const member_info& now, std::uint64_t seq) {
  if (before != nullptr)
    return before->state == now.state ? void() : updated(now);
  auto r = begin(log::record_kind::room_joined);
  r.seq = seq;
  add_member(r, now);
}

void room_audit::updated(const member_info& who) { add_member(begin(log::record_kind::presence_updated), who); }

void room_audit::left(const member_info& who, std::string_view why, std::uint64_t seq) {
  auto r = begin(log::record_kind::room_left);
  r.seq = seq;
  r.detail = why;
  add_member(r, who);
}

// -- steps

void room_audit::given(const room_input& in) {
  now_ = in.at;
  step_level_ = audit_level::full;
  step_subject_.clear();
  auto r = begin(log::record_kind::room_step);
  r.detail = name_of(in.what);
  switch (in.what) {
  case room_input::kind::join:
    set_sender(r, *in.op->more->member->who);
    r.payload = in.op->more->member->state;
    break;
  case room_input::kind::left:
    r.connection = in.who->connection;
    if (in.who->user)
      r.user = *in.who->user;
    r.payload = in.who->state;
    break;
  case room_input::kind::message: {
    const auto& m = *in.op->message;
    const auto& f = m.fields();
    step_level_ = level_of(m);
    step_subject_ = f.subject;
    r.privacy = f.privacy;
    r.subject = f.subject;
    r.format = static_cast<std::uint64_t>(f.format);
    if (step_level_ == audit_level::off)
      break; // that there was one has to be known: it has changed the state
    r.type = f.type;
    r.id = f.id;
    set_sender(r, m);
    if (f.qos != qos::at_most_once)
      r.qos = static_cast<std::uint64_t>(f.qos);
    if (f.ttl_ms > 0)
      r.expires_ms = static_cast<std::uint64_t>(m.ts() + f.ttl_ms);
    r.offset = static_cast<std::uint64_t>(m.ts());
    if (in.op->echo)
      r.code = 1;
    if (step_level_ == audit_level::full) {
      r.payload = f.payload;
      r.headers = f.headers;
      r.traceparent = f.traceparent;
    }
    break;
  }
  case room_input::kind::timer:
    r.code = in.token;
    break;
  case room_input::kind::start:
  case room_input::kind::tick:
    break;
  }
  add(r);
}

void room_audit::gave(const room_input&, const room_output& out) {
  auto r = begin(log::record_kind::room_output);
  const auto hash = state_hash(out.state);
  std::string why;
  r.seq = out.seq;
  r.state_hash = hash;
  r.subject = step_subject_; // what was said in answer to a confidential message is as confidential
  if (step_level_ == audit_level::full)
    r.payload = out.said;
  if (!out.threw.empty())
    r.detail = why = "threw: " + std::string{out.threw};
  add(r);
  step_subject_.clear();
  if (++steps_ >= steps_per_snapshot && !out.state.empty())
    snapshot(out.state, out.seq, {});
}

} // namespace troupe
