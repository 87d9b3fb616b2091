#include "actors/room_replay.hpp"

#include "actors/answers.hpp"
#include "actors/room_audit.hpp"
#include "runtime/wire/encoder.hpp"
#include "runtime/wire/make.hpp"
#include "runtime/wire/parse.hpp"

#include <algorithm>
#include <charconv>
#include <exception>
#include <optional>

namespace troupe {
namespace {

using log::record_kind;

constexpr std::string_view threw_prefix = "threw: ";

/// What members of a room read that nobody hears; a program that only checks may have no wire format at all.
class silence final : public wire::encoder {
public:
  void append(std::string&, const message&, const stamp&) const override {}
};

std::uint8_t silent_format() {
  static const silence nothing;
  return static_cast<std::uint8_t>(nothing.index());
}

std::optional<room_input::kind> input_from(std::string_view name) {
  for (const auto kind : {room_input::kind::start, room_input::kind::join, room_input::kind::left,
                          room_input::kind::message, room_input::kind::tick, room_input::kind::timer})
    if (name_of(kind) == name)
      return kind;
  return std::nullopt;
}

std::shared_ptr<const sender> sender_of(const log::record_view& r) {
  if (r.connection.empty())
    return nullptr;
  return wire::make_sender(std::string{r.connection},
                           r.user.empty() ? std::nullopt : std::optional<std::string>{r.user}, std::string{r.node});
}

std::string shortened(std::string_view text) {
  constexpr std::size_t bytes_max = 2000;
  std::string out{text.substr(0, bytes_max)};
  if (text.size() > bytes_max)
    out += "...";
  return out;
}

std::string described(const log::record_view& step) {
  std::string out{step.detail};
  if (!step.type.empty())
    out += ' ' + std::string{step.type};
  if (step.detail == name_of(room_input::kind::timer))
    out += ' ' + std::to_string(step.code.value_or(0));
  if (!step.connection.empty())
    out += " of " + std::string{step.connection};
  return out;
}

} // namespace

/// One run of a room's logic, from a record of its beginning on.
class room_replay::activation final : public room_witness {
public:
  activation(const log::record_view& r, const room_type& type);

  bool run(const log::record_view& step);
  void update(const log::record_view& r);

  // room_witness
  void given(const room_input&) override {}
  void gave(const room_input&, const room_output& out) override {
    said = out.said;
    hash = state_hash(out.state);
    state = out.state;
    threw = out.threw;
    seq = out.seq;
  }

  // What the last step gave.
  std::string said, hash, state, threw;
  std::uint64_t seq = 0;

  std::uint64_t steps = 0;
  std::string input;    ///< The last step, for a person.
  bool awaits = false;  ///< The outcome of the last step has not come yet.
  std::string cannot;   ///< Why no further step can be run; empty: it can.
  bool differs = false; ///< Nothing is compared any more.
  bool noted = false;

private:
  member_key key_of(std::string_view connection);
  std::shared_ptr<member_info> member_of(const log::record_view& r);
  void restore_members(const value& members);
  message_ptr message_of(const log::record_view& r) const;
  void call(room_input::kind what, const log::record_view& r, wall_ms at);

  static room_home::setup setup_of(const log::record_view& r) {
    room_home::setup s;
    s.name = r.room;
    s.epoch = r.epoch;
    s.seq = r.seq.value_or(0);
    s.dedupe_messages_max = 0; // what was a resend is not recorded as a step
    return s;
  }

  room_home home_;
  room_logic logic_;
  std::map<std::string, member_key, std::less<>> keys_;
};

room_replay::activation::activation(const log::record_view& r, const room_type& type)
    : home_(setup_of(r))
    , logic_(type, home_, 0) {
  const auto from = wire::parse({r.payload, encoding::json});
  const auto text = from ? (*from)["seed"].as_string().value_or("") : "";
  std::uint64_t seed = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (!from || text.empty() || fault != std::errc{} || end != text.data() + text.size()) {
    cannot = "what it started from is not recorded";
    return;
  }
  logic_.reseed(seed, (*from)["ids"].as_uint().value_or(0));
  logic_.snapshot(json_of((*from)["snapshot"]));
  restore_members((*from)["members"]);
  logic_.watch(this);
}

member_key room_replay::activation::key_of(std::string_view connection) {
  if (connection.empty())
    return 0;
  return keys_.try_emplace(std::string{connection}, keys_.size() + 1).first->second;
}

std::shared_ptr<member_info> room_replay::activation::member_of(const log::record_view& r) {
  auto info = std::make_shared<member_info>();
  info->key = key_of(r.connection);
  info->encoder = silent_format();
  info->who = sender_of(r);
  info->state = r.payload.empty() ? "null" : std::string{r.payload};
  return info;
}

void room_replay::activation::restore_members(const value& members) {
  for (const auto& m : members.elements()) {
    const std::string connection{m["connection"].as_string().value_or("")};
    const std::string user{m["user"].as_string().value_or("")};
    const auto presence = json_of(m["state"]);
    log::record_view r;
    r.connection = connection;
    r.user = user;
    r.payload = presence;
    room_op op;
    op.encoder = silent_format();
    op.verb = room_verb::restore;
    op.who = key_of(connection);
    op.more = std::make_unique<room_request>();
    op.more->member = member_of(r);
    home_.restore(op, 0);
  }
}

message_ptr room_replay::activation::message_of(const log::record_view& r) const {
  message_fields f;
  f.type = r.type;
  f.id = r.id;
  f.target = target_kind::room;
  f.target_name = home_.name();
  f.payload = r.payload;
  f.headers = r.headers;
  f.traceparent = r.traceparent;
  f.privacy = r.privacy;
  f.format = static_cast<encoding>(r.format.value_or(0));
  f.qos = static_cast<qos>(r.qos.value_or(0));
  const auto ts = static_cast<wall_ms>(r.offset.value_or(0));
  if (r.expires_ms)
    f.ttl_ms = static_cast<std::int64_t>(*r.expires_ms) - ts;
  return message::make(f, sender_of(r), ts);
}

void room_replay::activation::call(room_input::kind what, const log::record_view& r, wall_ms at) {
  room_op op;
  op.encoder = silent_format();
  op.who = key_of(r.connection);
  switch (what) {
  case room_input::kind::start:
    return logic_.start(at, at);
  case room_input::kind::join:
    op.verb = room_verb::join;
    op.more = std::make_unique<room_request>();
    op.more->member = member_of(r);
    return logic_.joining(op, at, at);
  case room_input::kind::left: {
    const room_member who{std::string{r.connection}, r.user.empty() ? std::nullopt : std::optional<std::string>{r.user},
                          std::string{r.payload}};
    home_.vanish(op.who, at);
    return logic_.left(who, at, at);
  }
  case room_input::kind::message:
    op.echo = r.code == 1;
    op.message = message_of(r);
    return logic_.received(op, at, at);
  case room_input::kind::tick:
    return logic_.ticked(at, at);
  case room_input::kind::timer:
    return logic_.timed(r.code.value_or(0), at, at);
  }
}

bool room_replay::activation::run(const log::record_view& r) {
  ++steps;
  input = described(r);
  const auto what = input_from(r.detail);
  if (cannot.empty() && !what)
    cannot = "this version does not know its inputs";
  if (cannot.empty() && (!r.key_id.empty() || (*what == room_input::kind::message && r.payload.empty())))
    cannot = r.key_id.empty() ? "what it was given is not recorded" : "what it was given has been forgotten";
  if (!cannot.empty())
    return false;
  said = hash = state = threw = {};
  seq = 0;
  try {
    call(*what, r, r.time_us / 1000);
  } catch (...) {
    // The witness knows.
  }
  logic_.take_timers();
  home_.seal(false); // nobody hears it
  return awaits = true;
}

void room_replay::activation::update(const log::record_view& r) {
  room_op op;
  op.encoder = silent_format();
  op.verb = room_verb::update;
  op.who = key_of(r.connection);
  op.more = std::make_unique<room_request>();
  op.more->state = r.payload;
  home_.update(op, r.time_us / 1000);
}

// -- the log

room_replay::room_replay(const pattern_table<room_type>& types)
    : types_(types) {}

room_replay::~room_replay() = default;

void room_replay::note(std::string what) {
  if (report_.notes.size() < replay_report::notes_max &&
      std::find(report_.notes.begin(), report_.notes.end(), what) == report_.notes.end())
    report_.notes.push_back(std::move(what));
}

void room_replay::take(std::uint64_t index, const log::record_view& what) {
  switch (what.kind) {
  case record_kind::room_activated:
    return begin(what);
  case record_kind::room_step:
    return step(what);
  case record_kind::room_output:
    return compare(index, what);
  case record_kind::presence_updated:
    if (const auto at = running_.find(key{what.room, what.epoch}); at != running_.end() && at->second->cannot.empty())
      at->second->update(what);
    return;
  case record_kind::state_snapshot:
    if (what.detail == "end")
      running_.erase(key{what.room, what.epoch});
    return;
  default:
    return;
  }
}

void room_replay::begin(const log::record_view& what) {
  const key where{what.room, what.epoch};
  if (const auto before = running_.find(where); before != running_.end()) {
    report_.unfinished += before->second->awaits ? 1 : 0;
    running_.erase(before);
  }
  if (what.payload.empty())
    return; // a room without logic, or without its steps
  const auto* type = types_.find(what.room);
  if (type == nullptr) // its steps count as not replayable
    return note("the program has no room \"" + std::string{what.room} + '"');
  if (what.code_version != type->options.code_version)
    note("\"" + std::string{what.room} + "\" was recorded with code version \"" + std::string{what.code_version} +
         "\" and is run with \"" + type->options.code_version + '"');
  auto fresh = std::make_unique<activation>(what, *type);
  if (fresh->cannot.empty())
    ++report_.activations;
  running_[where] = std::move(fresh);
}

void room_replay::step(const log::record_view& what) {
  const auto at = running_.find(key{what.room, what.epoch});
  if (at == running_.end()) {
    ++report_.not_replayable;
    if (types_.find(what.room) != nullptr)
      note("the beginning of \"" + std::string{what.room} + "\" in epoch " + std::string{what.epoch} +
           " is not in the log");
    return;
  }
  auto& a = *at->second;
  if (a.differs) {
    ++report_.skipped;
    return;
  }
  if (a.run(what))
    return;
  ++report_.not_replayable;
  if (!std::exchange(a.noted, true)) // what is behind the first of them cannot be run either
    note("\"" + std::string{what.room} + "\" in epoch " + std::string{what.epoch} + ", from step " +
         std::to_string(a.steps) + " on: " + a.cannot);
}

void room_replay::compare(std::uint64_t index, const log::record_view& what) {
  const auto at = running_.find(key{what.room, what.epoch});
  if (at == running_.end() || !at->second->awaits)
    return;
  auto& a = *at->second;
  a.awaits = false;
  const auto threw = what.detail.starts_with(threw_prefix) ? what.detail.substr(threw_prefix.size()) : "";
  replay_difference d;
  const auto differs = [&](const char* name, std::string_view expected, std::string_view actual) {
    if (!d.what.empty() || expected == actual)
      return;
    d.what = name;
    d.expected = shortened(expected);
    d.actual = shortened(actual);
  };
  differs("failure", threw, a.threw);
  if (threw.empty()) {
    if (!what.payload.empty() &&
        what.key_id.empty()) // hidden where the message that led to it is private, or forgotten
      differs("output", what.payload, a.said);
    differs("number", std::to_string(what.seq.value_or(0)), std::to_string(a.seq));
    differs("state", what.state_hash, a.hash);
  }
  if (d.what.empty()) {
    ++report_.matched;
    return;
  }
  if (d.what == "state")
    d.actual += " of " + shortened(a.state);
  a.differs = true;
  ++report_.differing;
  if (report_.first)
    return;
  d.index = index;
  d.room = what.room;
  d.epoch = what.epoch;
  d.step = a.steps;
  d.input = a.input;
  report_.first = std::move(d);
}

replay_report room_replay::finish() {
  for (const auto& [where, a] : running_)
    report_.unfinished += a->awaits ? 1 : 0;
  running_.clear();
  return std::move(report_);
}

} // namespace troupe
