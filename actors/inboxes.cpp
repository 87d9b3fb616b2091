#include "actors/inboxes.hpp"

#include "actors/answers.hpp"
#include "actors/audit_trail.hpp"
#include "actors/hub.hpp"
#include "actors/inbox_name.hpp"
#include "actors/journal_traffic.hpp"
#include "actors/node.hpp"
#include "actors/unavailable.hpp"
#include "runtime/model/json_text.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <limits>

namespace troupe {
namespace {

constexpr mono_ms idle_ms = 60'000;
constexpr mono_ms ask_again_ms = 1000;
constexpr int run_bits = 32;
constexpr std::size_t dedupe_messages = 1024;

inbox_limits bounds_of(const config& s) {
  return {s.offline.queue_messages, s.offline.queue_bytes, s.offline.queue_ttl.count(),
          s.offline.redeliver_after.count()};
}

counter& dropped_counter(metrics& numbers, inbox_drop why) {
  return numbers.counter("troupe_inbox_dropped_total", "Messages that left an inbox unacknowledged, by reason.",
                         {{"reason", std::string{to_string(why)}}});
}

void append_field(std::string& out, std::string_view name, std::uint64_t number) {
  out += out.back() == '{' ? "\"" : ",\"";
  out += name;
  out += "\":";
  append_json_number(out, number);
}

message_ptr gap_message(const std::string& user, const inbox::item& gap) {
  std::string payload = "{\"reason\":\"";
  payload += to_string(gap.why);
  payload += '"';
  append_field(payload, "count", gap.count);
  if (gap.from != 0) {
    append_field(payload, "from", gap.from);
    append_field(payload, "to", gap.to);
  }
  return plain_message("gap", {}, target_kind::user, user, payload + "}");
}

message_ptr flushed_message(const std::string& user, std::size_t delivered, std::size_t dropped) {
  std::string payload = "{";
  append_field(payload, "delivered", delivered);
  append_field(payload, "dropped", dropped);
  return plain_message("offline.queue.flushed", {}, target_kind::user, user, payload + "}");
}

} // namespace

inboxes::inboxes(local_node& of, answer then)
    : node_(of)
    , answer_(std::move(then))
    , bounds_(bounds_of(of.settings))
    , queued_(of.numbers.counter("troupe_inbox_queued_total", "Messages that began to wait for a user who was away."))
    , dropped_{&dropped_counter(of.numbers, inbox_drop::limit),
               &dropped_counter(of.numbers, inbox_drop::expired),
               &dropped_counter(of.numbers, inbox_drop::forgotten),
               &dropped_counter(of.numbers, inbox_drop::unacknowledged),
               &dropped_counter(of.numbers, inbox_drop::retention),
               &dropped_counter(of.numbers, inbox_drop::damaged)}
    , awake_count_(of.numbers.gauge("troupe_inboxes", "Inboxes of users that are awake."))
    , bytes_gauge_(of.numbers.gauge("troupe_inbox_bytes", "What all inboxes occupy, in bytes."))
    , stored_(of.stored_inboxes.begin(), of.stored_inboxes.end()) {}

inboxes::~inboxes() = default;

// -- what is sent to users

void inboxes::deliver(const std::shared_ptr<const delivery>& what, const std::vector<std::string_view>& users) {
  const auto number = ++last_asked_;
  asked_[number].what = what;
  std::unordered_set<member_key> reached;
  for (auto at = users.begin(); at != users.end(); ++at)
    if (std::find(users.begin(), at, *at) == at)
      give(std::string{*at}, number, reached);
  done(number);
}

std::vector<directory::entry> inboxes::attached(const std::string& user) const {
  auto all = node_.people.entries_of(user);
  std::erase_if(all, [](const directory::entry& e) { return e.away; });
  return all;
}

void inboxes::give(const std::string& user, inbox::asker number, std::unordered_set<member_key>& reached) {
  auto& a = asked_.at(number);
  const auto sender = a.what->sender;
  const auto& m = a.what->what;
  const auto& fields = m->fields();
  if (!m->is_for(user))
    return;
  const auto present = attached(user);
  const bool absent = present.empty();
  const bool queues = fields.offline == offline_policy::queue;
  const bool reliable = fields.qos != qos::at_most_once;
  std::vector<const directory::entry*> others;
  for (const auto& entry : present)
    if (entry.key != sender && reached.insert(entry.key).second)
      others.push_back(&entry);
  a.connections += others.size();
  if (others.empty() && !(absent && queues))
    return; // nobody is there, or the sender alone
  if (reliable && queues && node_.journal == nullptr)
    return fail(number, unavailable("this node keeps no log, so it cannot keep this message for sure"));
  if (reliable && fields.log == privacy_log::none && node_.journal != nullptr)
    return fail(number, {error_code::forbidden, "an inbox stores what has qos >= 1: privacy.log cannot be none", {}});
  const auto known = awake_.find(user);
  if (known != awake_.end())
    settle_readers(known->second, present);
  const bool has_order = known == awake_.end()
                             ? stored_.contains(user)
                             : known->second.log == log_state::opening || !known->second.box.caught_up();
  if (!reliable && !absent && !has_order) {
    for (const auto* entry : others)
      caf::anon_send(entry->handle, m);
    return;
  }
  auto* box = known == awake_.end() ? wake(user, !absent) : &known->second;
  if (box == nullptr)
    return fail(number, unavailable("this node keeps as many inboxes as it may (limits.inboxes, limits.inbox_bytes)"));
  settle_readers(*box, present);
  hold_or_put(user, *box, {m, sender, number});
}

std::optional<failure> inboxes::lacks_room(const std::string& user, const awake& a, std::size_t bytes) {
  const bool full = a.readers.empty() ? bytes_ + bytes > node_.settings.limits.inbox_bytes : !make_place(0, bytes);
  if (full || a.waiting.size() >= bounds_.messages_max || a.waiting_bytes + bytes > bounds_.bytes_max) {
    node_.pressure(full ? "inbox_bytes_limit" : "inbox_opening_full", user);
    return unavailable(full ? "the inboxes of this node are full (limits.inbox_bytes)"
                            : "too much waits for the log to open this inbox");
  }
  return std::nullopt;
}

void inboxes::hold_or_put(const std::string& user, awake& a, held what) {
  if (auto why = lacks_room(user, a, what.what->size()))
    return fail(what.asker, *std::move(why));
  ++asked_.at(what.asker).open;
  const bool reliable = what.what->fields().qos != qos::at_most_once;
  if (reliable && a.log == log_state::none)
    ask_the_log(user, a);
  if (a.log == log_state::opening) {
    a.waiting_bytes += what.what->size();
    a.waiting.push_back(std::move(what));
    count(user, a);
    return;
  }
  put(user, a, what);
  settle(user, a);
}

void inboxes::put(const std::string& user, awake& a, const held& what) {
  const bool reliable = what.what->fields().qos != qos::at_most_once;
  switch (a.box.take(what.what, what.except, what.asker, node_.wall_clock())) {
  case inbox::verdict::taken:
    if (a.readers.empty())
      queued_.add();
    if (!reliable)
      done(what.asker);
    break;
  case inbox::verdict::waiting:
    break;
  case inbox::verdict::repeated:
    done(what.asker);
    break;
  case inbox::verdict::conflict:
    fail(what.asker, {error_code::conflict, "another message was sent with this id", {}});
    done(what.asker);
    break;
  case inbox::verdict::full:
    node_.pressure("inbox_full", user);
    fail(what.asker, unavailable("the user's inbox is full of messages on their way to the log"));
    done(what.asker);
    break;
  }
}

void inboxes::fail(inbox::asker number, failure why) {
  if (auto& first = asked_.at(number).why; !first)
    first = std::move(why);
}

void inboxes::done(inbox::asker number) {
  const auto at = asked_.find(number);
  if (--at->second.open != 0)
    return;
  const auto finished = std::move(at->second);
  asked_.erase(at);
  answer_(*finished.what, finished.connections, finished.why);
}

// -- waking

inboxes::awake* inboxes::wake(const std::string& user, bool is_there) {
  if (!has_place(1, sizeof(awake)) && !(is_there && make_place(1, sizeof(awake)))) {
    node_.pressure(awake_.size() < node_.settings.limits.inboxes ? "inbox_bytes_limit" : "inboxes_limit", user);
    return nullptr;
  }
  auto& a = awake_.try_emplace(user, bounds_).first->second;
  a.id = ++last_id_;
  by_id_[a.id] = user;
  awake_count_.add(1);
  if (stored_.contains(user))
    ask_the_log(user, a);
  count(user, a);
  reschedule(user, a); // what it is woken for may be refused
  return &a;
}

// Without a log it lives in memory alone, and its order ends with it.
void inboxes::ask_the_log(const std::string& user, awake& a) {
  if (node_.journal == nullptr) {
    a.log = log_state::open;
    a.epoch = node_.new_epoch();
    return;
  }
  a.log = log_state::opening;
  auto opening = std::make_shared<channel_opening>();
  opening->name = inbox_name(user);
  channel_settings settings;
  settings.fsync = fsync_policy::always;
  settings.dedupe_messages = std::max(bounds_.messages_max, dedupe_messages);
  settings.history_messages = std::numeric_limits<std::size_t>::max(); // so that `first` tells of retention alone
  settings.history_bytes = bounds_.bytes_max;
  settings.history_age = milliseconds{bounds_.ttl_ms};
  opening->settings = settings;
  caf::anon_send(node_.journal, std::shared_ptr<const channel_opening>{std::move(opening)},
                 log_client_handle{node_.hub});
}

void inboxes::opened(const channel_opened& what) {
  const auto user = inbox_user(what.name);
  const auto at = user ? awake_.find(std::string{*user}) : awake_.end();
  if (at == awake_.end() || at->second.log != log_state::opening)
    return;
  auto& a = at->second;
  const auto waiting = std::exchange(a.waiting, {});
  a.waiting_bytes = 0;
  if (what.why) {
    a.log = log_state::none;
    a.ask_again = node_.mono_clock() + ask_again_ms;
    for (const auto& h : waiting) {
      fail(h.asker, *what.why);
      done(h.asker);
    }
    return settle(at->first, a);
  }
  a.log = log_state::open;
  a.ask_again = 0;
  a.epoch = what.epoch;
  const auto acknowledged = what.positions.find(channel_home::durable_key({}, inbox_durable));
  inbox::kept kept{
      what.first,           what.last, acknowledged == what.positions.end() ? 0 : acknowledged->second, what.window,
      what.damaged_offsets, what.lost};
  a.box.restore(kept, node_.wall_clock());
  if (stored_.erase(at->first) != 0) // what was in the log is new to all who are there
    for (const auto& [key, handle] : std::exchange(a.readers, {}))
      a.box.detach(key);
  settle_readers(a, attached(at->first));
  for (const auto& h : waiting)
    put(at->first, a, h);
  settle(at->first, a);
}

// -- readers

void inboxes::changed(const std::string& user) {
  auto at = awake_.find(user);
  if (at == awake_.end()) {
    if (!stored_.contains(user) || attached(user).empty())
      return;
    if (wake(user, true) == nullptr) {
      unwoken_.insert(user);
      wake_again_ = wake_again_ == 0 ? node_.mono_clock() + ask_again_ms : wake_again_;
      return;
    }
    at = awake_.find(user);
  }
  settle_readers(at->second, attached(user));
  settle(user, at->second);
}

/// @param present the user's connections with a link
void inboxes::settle_readers(awake& a, const std::vector<directory::entry>& present) {
  const auto is_here = [&](const auto& reader) {
    return std::any_of(present.begin(), present.end(),
                       [&](const directory::entry& e) { return e.key == reader.first && e.handle == reader.second; });
  };
  for (auto at = a.readers.begin(); at != a.readers.end();) {
    if (is_here(*at)) {
      ++at;
      continue;
    }
    a.box.detach(at->first);
    at = a.readers.erase(at);
  }
  for (const auto& e : present)
    if (a.readers.try_emplace(e.key, e.handle).second)
      a.box.attach(e.key);
}

void inboxes::replied(const inbox_reply& what) {
  const auto at = awake_.find(what.user);
  if (at == awake_.end() || !at->second.box.has_reader(what.who))
    return;
  if (what.ticket != 0)
    at->second.box.drained(what.who, what.ticket);
  if (what.acknowledged != 0)
    at->second.box.acknowledge(what.acknowledged, node_.mono_clock());
  settle(at->first, at->second);
}

void inboxes::send_piece(const std::string& user, const awake& a, const connection_handle& to,
                         const inbox::piece& what) {
  auto piece = std::make_shared<inbox_piece>();
  piece->user = user;
  piece->epoch = a.epoch;
  piece->ticket = what.ticket;
  for (const auto& item : what.items)
    piece->items.push_back({item.what != nullptr ? item.what : gap_message(user, item), item.offset});
  if (what.flushed)
    piece->items.push_back({flushed_message(user, what.flushed->first, what.flushed->second), 0});
  caf::anon_send(to, std::shared_ptr<const inbox_piece>{std::move(piece)});
}

// -- after each step

/// Hands out what a step has led to: to the log, to readers, to who waits for an answer.
void inboxes::settle(const std::string& user, awake& a) {
  const auto now = node_.wall_clock();
  const auto mono = node_.mono_clock();
  store(user, a);
  for (const auto& [key, handle] : a.readers)
    if (const auto piece = a.box.next_piece(key, now, mono)) {
      send_piece(user, a, handle, *piece);
      if (piece->flushed)
        record(log::record_kind::offline_queue_flushed, user, connection_of(user, key), piece->flushed->first, {});
    }
  store(user, a); // a gap that was told of settles what was in it
  count_drops(user, a);
  count(user, a);
  reschedule(user, a);
}

void inboxes::record(log::record_kind kind, const std::string& user, std::string_view connection, std::size_t count,
                     std::string_view detail) {
  if (node_.audit == nullptr)
    return;
  log::record_view r;
  r.time_us = node_.wall_clock() * 1000;
  r.kind = kind;
  r.target = user;
  r.connection = connection;
  r.code = count;
  r.detail = detail;
  node_.audit->on(*node_.loops.front()).add(r, audit_level::metadata); // the hub's
}

/// The id of a user's connection; empty where it has gone.
std::string inboxes::connection_of(const std::string& user, member_key key) const {
  for (const auto& id : node_.people.connections_of(user))
    if (const auto known = node_.people.find(id); known && known->key == key)
      return id;
  return {};
}

void inboxes::store(const std::string& user, awake& a) {
  auto messages = a.box.take_appends();
  const auto position = a.box.take_position();
  if (node_.journal == nullptr) {
    if (!messages.empty())
      for (const auto asker : a.box.stored(a.box.given_out()))
        done(asker);
    return;
  }
  if (messages.empty() && !position)
    return;
  auto entries = std::make_shared<channel_entries>();
  entries->name = inbox_name(user);
  entries->epoch = a.epoch;
  entries->run = (std::uint64_t{a.id} << run_bits) + a.run;
  // An acknowledgement that is lost costs a redelivery.
  entries->fsync = messages.empty() ? fsync_policy::interval : fsync_policy::always;
  entries->messages = std::move(messages);
  if (position)
    entries->positions.push_back({channel_home::durable_key({}, inbox_durable), *position});
  caf::anon_send(node_.journal, std::shared_ptr<const channel_entries>{std::move(entries)},
                 log_client_handle{node_.hub});
}

void inboxes::outcome(const channel_outcome& what) {
  const auto known = by_id_.find(static_cast<std::uint32_t>(what.run >> run_bits));
  if (known == by_id_.end())
    return;
  const auto at = awake_.find(known->second);
  auto& a = at->second;
  if (what.run != (std::uint64_t{a.id} << run_bits) + a.run)
    return;
  if (what.why) {
    ++a.run;
    for (const auto asker : a.box.not_stored()) {
      fail(asker, *what.why);
      done(asker);
    }
  } else {
    for (const auto asker : a.box.stored(what.upto))
      done(asker);
  }
  settle(at->first, a);
}

void inboxes::forget(std::string_view subject) {
  for (auto& [user, a] : awake_) {
    a.box.forget(subject, node_.wall_clock());
    settle(user, a);
  }
}

// -- time

void inboxes::reschedule(const std::string& user, awake& a) {
  const auto mono = node_.mono_clock();
  const bool holds = !a.box.empty() || !a.waiting.empty() || a.log == log_state::opening || a.ask_again != 0;
  a.idle_since = holds ? 0 : a.idle_since == 0 ? mono : a.idle_since;
  mono_ms next = holds ? a.ask_again : a.idle_since + idle_ms;
  if (const auto in = a.box.next_time(node_.wall_clock(), mono)) {
    const auto at = mono + std::max<std::int64_t>(*in, 1);
    next = next == 0 ? at : std::min(next, at);
  }
  if (next == a.due)
    return;
  if (a.due != 0)
    due_.erase({a.due, user});
  a.due = next;
  if (next != 0)
    due_.insert({next, user});
}

std::optional<mono_ms> inboxes::next_time() const noexcept {
  if (due_.empty())
    return wake_again_ == 0 ? std::nullopt : std::optional{wake_again_};
  return wake_again_ == 0 ? due_.begin()->first : std::min(due_.begin()->first, wake_again_);
}

void inboxes::pass_time() {
  const auto mono = node_.mono_clock();
  while (!due_.empty() && due_.begin()->first <= mono) {
    const auto user = due_.begin()->second;
    due_.erase(due_.begin());
    const auto at = awake_.find(user);
    auto& a = at->second;
    a.due = 0;
    if (a.idle_since != 0 && mono - a.idle_since >= idle_ms) {
      end(at);
      continue;
    }
    if (a.ask_again != 0 && a.ask_again <= mono) {
      a.ask_again = 0;
      if (stored_.contains(user))
        ask_the_log(user, a);
    }
    a.box.pass_time(node_.wall_clock(), mono);
    settle(user, a);
  }
  if (wake_again_ != 0 && wake_again_ <= mono) {
    wake_again_ = 0;
    for (const auto& user : std::exchange(unwoken_, {}))
      changed(user);
  }
}

} // namespace troupe
