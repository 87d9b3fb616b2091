#include "actors/channel_actor.hpp"

#include "actors/audit_trail.hpp"

#include "actors/room_actor.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace troupe {
namespace {

constexpr mono_ms open_again_ms = 1000;

/// The first of `channels.patterns` that is for this name; empty where none is.
std::string pattern_of(const config& settings, std::string_view name) {
  for (const auto& p : settings.channels.patterns) {
    const std::string_view pattern{p.name};
    if (pattern == name || (pattern.ends_with('*') && name.starts_with(pattern.substr(0, pattern.size() - 1))))
      return p.name;
  }
  return {};
}

} // namespace

channel_actor::numbers::numbers(metrics& of, const std::string& pattern)
    : stored(of.counter("troupe_channel_stored_total", "Messages that channels have stored, by pattern.",
                        {{"pattern", pattern}}))
    , refused(of.counter("troupe_channel_refused_total", "Messages that the log did not take, by pattern.",
                         {{"pattern", pattern}}))
    , subscribers(
          of.gauge("troupe_channel_subscribers", "Subscribers of channels, by pattern.", {{"pattern", pattern}})) {}

channel_actor::channel_actor(caf::actor_config& cfg, loop* home, local_node& owner, channel_setup setup)
    : home_actor(cfg, home, owner,
                 std::make_shared<const last_words>(setup.id, target_kind::channel, setup.name, owner.fan_handles),
                 setup.gate)
    , what_(std::move(setup))
    , numbers_(owner.numbers, pattern_of(owner.settings, what_.name)) {
  node_.counts.channels.add(1);
}

channel_actor::~channel_actor() {
  node_.counts.channels.sub(1);
  numbers_.subscribers.sub(static_cast<std::int64_t>(counted_subscribers_));
}

channel_handle::behavior_type channel_actor::make_behavior() {
  node_.observe(*this);
  ask_the_log();
  return {
      [this](const room_ops_ptr& ops) { take(*ops); },
      [this](attach_atom, std::uint32_t at, const fan_out_handle& fan) { attach(at, fan); },
      [this](tick_atom) { tick(); },
      [](timer_atom, std::uint64_t, std::uint64_t) {},
      [](restart_atom) {},
      [this](retire_atom, bool granted) { retire(granted); },
      [this](forget_atom, const std::string& subject) {
        if (home_)
          home_->forget(subject);
      },
      [this](describe_atom) { return report(); },
      [this](const std::shared_ptr<const channel_opened>& what) { opened(*what); },
      [this](const std::shared_ptr<const channel_outcome>& what) { happened(*what); },
      [this](const std::shared_ptr<const channel_found>& what) { found(*what); },
      [this](const std::shared_ptr<const channel_cut>& what) { cut(*what); },
  };
}

void channel_actor::on_exit() {
  letters_->answer(std::exchange(held_, {}));
  flush();
  if (home_) // whether the log will have them nobody will be told
    letters_->answer(home_->take_waiting());
  home_.reset();
  fans_.clear();
}

// -- the log

void channel_actor::ask_the_log() {
  auto opening = std::make_shared<channel_opening>();
  opening->name = what_.name;
  send(node_.journal, std::shared_ptr<const channel_opening>{std::move(opening)},
       log_client_handle{channel_handle{this}});
}

void channel_actor::opened(const channel_opened& what) {
  if (home_)
    return;
  if (what.why) {
    std::vector<room_op> kept;
    std::vector<room_op> refused;
    for (auto& op : std::exchange(held_, {})) {
      const bool asks = op.verb == room_verb::publish || op.verb == room_verb::history;
      (asks ? refused : kept).push_back(std::move(op));
    }
    held_ = std::move(kept);
    letters_->answer(refused);
    for (const auto& op : refused)
      gate_->give(1, op.bytes());
    auto woken = std::make_shared<room_news>();
    woken->room = what_.id;
    woken->credit = true;
    hand_out(std::move(woken));
    open_again_at_ = now() + open_again_ms;
    return schedule_tick(open_again_at_);
  }
  channel_home::setup setup;
  setup.id = what_.id;
  setup.name = what_.name;
  setup.epoch = what.epoch;
  setup.first = what.first;
  setup.last = what.last;
  setup.settings = what_.settings;
  setup.window = what.window;
  setup.positions = what.positions;
  setup.outdated = what.outdated;
  setup.bytes_before = what.bytes_before;
  setup.marks = what.marks;
  setup.now = now();
  home_.emplace(std::move(setup));
  if (node_.audit != nullptr && what_.settings.audit != audit_level::off)
    home_->record_in(&audit_.emplace(what_.name, node_.audit->on(*this->home())));
  schedule_tick(now() + what_.settings.idle_timeout.count());
  room_ops again;
  again.ops = std::exchange(held_, {});
  take(again);
}

void channel_actor::happened(const channel_outcome& what) {
  if (!home_ || what.run != run_)
    return;
  tell_time();
  if (what.why) {
    ++run_;
    numbers_.refused.add(home_->given_out() + 1 - std::min(what.from, home_->given_out() + 1));
    home_->not_stored(what.from, *what.why);
    give_back_until(std::numeric_limits<std::uint64_t>::max());
  } else {
    numbers_.stored.add(std::max(what.upto, home_->last()) - home_->last());
    home_->stored(what.upto, now());
    give_back_until(what.upto);
  }
  after_step();
}

void channel_actor::found(const channel_found& what) {
  if (!home_)
    return;
  tell_time();
  home_->read_done(what.ticket, what.messages, what.why ? &*what.why : nullptr, now(), what.damaged);
  after_step();
}

void channel_actor::cut(const channel_cut& what) {
  if (!home_ || home_->epoch() != what.epoch)
    return;
  tell_time();
  home_->dropped_before(what.first, now());
  after_step();
}

void channel_actor::give_back_until(std::uint64_t offset) {
  for (; !owed_.empty() && owed_.front().offset <= offset; owed_.pop_front())
    credit_wanted_ |= gate_->give(1, owed_.front().bytes);
}

// -- operations

void channel_actor::take(room_ops& ops) {
  const auto at = now();
  tell_time();
  for (auto& op : ops.ops) {
    if (!home_ && op.verb != room_verb::detach) {
      held_.push_back(std::exchange(op, {})); // with its credit, and its answer
      continue;
    }
    apply(op, at);
    op.answer = false;
  }
  after_step();
}

void channel_actor::apply(room_op& op, mono_ms at) {
  const auto bytes = op.bytes();
  if (op.verb == room_verb::publish)
    return publish(op, at);
  if (op.verb != room_verb::detach)
    credit_wanted_ |= gate_->give(1, bytes);
  switch (op.verb) {
  case room_verb::publish:
    break;
  case room_verb::join:
    home_->join(op, at);
    break;
  case room_verb::leave:
    home_->leave(op);
    break;
  case room_verb::vanish:
    home_->vanish(op.who, op.id);
    break;
  case room_verb::rebind:
    home_->rebind(op, at);
    break;
  case room_verb::restore:
    home_->restore(op, at);
    break;
  case room_verb::history:
    home_->history(op, at);
    break;
  case room_verb::acknowledge:
    home_->acknowledge(op, at);
    break;
  case room_verb::spilled:
    home_->spilled(op, at);
    break;
  case room_verb::drained:
    home_->drained(op, at);
    break;
  case room_verb::update:
  case room_verb::list:
    home_->refuse(op, {error_code::bad_message, "this is for rooms", {}});
    break;
  case room_verb::detach:
    flush();
    fans_.erase(op.loop);
    consider_idleness(at);
    break;
  }
}

// Its credit comes back when the log has it, or at once where nothing is to be stored.
void channel_actor::publish(room_op& op, mono_ms at) {
  const auto bytes = op.bytes();
  const auto before = home_->given_out();
  home_->publish(op, at);
  if (home_->given_out() == before)
    credit_wanted_ |= gate_->give(1, bytes);
  else
    owed_.push_back({home_->given_out(), bytes});
}

void channel_actor::after_step() {
  if (!home_)
    return;
  for (const auto reason : home_->take_pressure())
    node_.pressure(reason, what_.name);
  const auto subscribers = home_->subscribers();
  numbers_.subscribers.add(static_cast<std::int64_t>(subscribers) - static_cast<std::int64_t>(counted_subscribers_));
  counted_subscribers_ = subscribers;
  schedule_tick(home_->next_time());
  flush_at_turn_end();
}

void channel_actor::flush() {
  if (!home_)
    return;
  auto messages = home_->take_appends();
  auto positions = home_->take_positions();
  if (!messages.empty() || !positions.empty()) {
    auto entries = std::make_shared<channel_entries>();
    entries->name = what_.name;
    entries->epoch = home_->epoch();
    entries->run = run_;
    entries->fsync = what_.settings.fsync;
    entries->messages = std::move(messages);
    entries->positions = std::move(positions);
    send(node_.journal, std::shared_ptr<const channel_entries>{std::move(entries)},
         log_client_handle{channel_handle{this}});
  }
  for (const auto& wanted : home_->take_reads()) {
    auto reading = std::make_shared<channel_reading>();
    reading->name = what_.name;
    reading->epoch = home_->epoch();
    reading->what = wanted;
    send(node_.log_reader, std::shared_ptr<const channel_reading>{std::move(reading)},
         log_client_handle{channel_handle{this}});
  }
  hand_out(home_->seal(std::exchange(credit_wanted_, false)));
}

// -- time

void channel_actor::tick() {
  const auto at = now();
  if (!is_due(at))
    return;
  if (!home_) {
    if (open_again_at_ != 0 && at >= open_again_at_) {
      open_again_at_ = 0;
      ask_the_log();
    }
    return;
  }
  tell_time();
  home_->pass_time(at);
  consider_idleness(at);
  after_step();
}

void channel_actor::tell_time() {
  const auto at = wall();
  if (home_)
    home_->now_is(at);
  if (audit_)
    audit_->at(at);
}

void channel_actor::consider_idleness(mono_ms at) {
  if (!home_)
    return;
  if (has_idled(at, what_.settings.idle_timeout.count(), home_->subscribers() != 0, home_->pending()))
    ask_to_retire(what_.id, what_.name);
}

std::shared_ptr<const room_report> channel_actor::report() const {
  auto result = std::make_shared<room_report>();
  result->name = what_.name;
  if (home_) {
    result->epoch = home_->epoch();
    result->seq = home_->last();
  }
  return result;
}

} // namespace troupe
