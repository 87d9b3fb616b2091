#include "actors/room_actor.hpp"

#include "actors/audit_trail.hpp"

#include <algorithm>
#include <chrono>
#include <exception>

namespace troupe {
namespace {

constexpr mono_ms snapshot_interval_ms = 1000;
constexpr std::int64_t blank_idle_ms = 1000;
constexpr mono_ms withheld_retry_ms = 10; // how often the audit log is asked whether it has caught up

} // namespace

room_actor::room_actor(caf::actor_config& cfg, loop* home, local_node& owner, room_setup setup)
    : home_actor(
          cfg, home, owner,
          std::make_shared<const last_words>(setup.home.id, target_kind::room, setup.home.name, owner.fan_handles),
          std::move(setup.gate))
    , home_(std::move(setup.home))
    , type_(setup.type)
    , seed_(setup.seed) {
  start_audit();
  if (type_ != nullptr) {
    logic_.emplace(*type_, home_, setup.seed);
    logic_->snapshot(std::move(setup.snapshot));
    if (audit_ && audit_->records_steps())
      logic_->watch(&*audit_);
  }
  node_.counts.rooms.add(1);
}

room_actor::~room_actor() { node_.counts.rooms.sub(1); }

room_handle::behavior_type room_actor::make_behavior() {
  node_.observe(*this);
  if (audit_)
    audit_->at(wall());
  if (logic_)
    restart();
  else if (audit_)
    audit_->activated(home_, nullptr, 0);
  schedule_tick(now() + home_.settings().idle_timeout.count());
  return {
      [this](const room_ops_ptr& ops) { take(*ops); },
      [this](attach_atom, std::uint32_t at, const fan_out_handle& fan) { attach(at, fan); },
      [this](tick_atom) { tick(); },
      [this](timer_atom, std::uint64_t token, std::uint64_t incarnation) {
        home_.now_is(wall());
        if (incarnation == incarnation_ && !broken_)
          attempt(nullptr, [&] { logic_->timed(token, wall(), now()); });
        after_step();
      },
      [this](restart_atom) {
        if (broken_) // else it has been started anew already: its actor had ended as well
          restart();
      },
      [this](retire_atom, bool granted) { retire(granted); },
      [this](forget_atom, const std::string& subject) { home_.forget(subject); },
      [this](describe_atom) { return report(); },
  };
}

void room_actor::on_exit() {
  letters_->answer(std::exchange(held_, {}));
  if (audit_ && logic_ && !broken_) {
    audit_->at(wall());
    audit_->ended(logic_->state(), home_.seq());
  }
  if (gatherer_ != nullptr)
    gatherer_->finish(wall() * 1000);
  flush();
  fans_.clear();
  logic_.reset();
}

// -- operations

void room_actor::take(room_ops& ops) {
  const auto at = now();
  home_.now_is(wall());
  if (audit_)
    audit_->at(wall());
  for (auto& op : ops.ops) {
    const auto bytes = op.bytes();
    if (broken_ && op.verb != room_verb::detach) {
      held_.push_back(std::exchange(op, {})); // with its credit, and its answer
      continue;
    }
    apply(op, at);
    op.answer = false;
    if (op.verb != room_verb::detach)
      give_credit(bytes);
  }
  after_step();
}

void room_actor::apply(room_op& op, mono_ms at) {
  home_.speak_to(op.incarnation);
  if (op.members_only && home_.find(op.who) == nullptr)
    return home_.refuse(op, {error_code::not_a_member, "you are not in this room", {}});
  switch (op.verb) {
  case room_verb::publish:
    if (logic_)
      attempt(&op, [&] { logic_->received(op, wall(), at); });
    else
      home_.publish(op, at);
    break;
  case room_verb::leave:
  case room_verb::vanish: {
    const auto* info = home_.find(op.who);
    const auto who = info != nullptr && logic_ ? std::optional{describe(*info)} : std::nullopt;
    if (op.verb == room_verb::leave)
      home_.leave(op, at);
    else
      home_.vanish(op.who, at, op.id);
    if (who && !broken_)
      attempt(nullptr, [&] { logic_->left(*who, wall(), at); });
    break;
  }
  case room_verb::update:
    home_.update(op, at);
    break;
  case room_verb::list:
    home_.list(op);
    break;
  case room_verb::join:
  case room_verb::rebind:
  case room_verb::restore:
    if (logic_ && home_.find(op.who) == nullptr)
      attempt(&op, [&] { logic_->joining(op, wall(), at); }); // the logic that runs now has never let it in
    else
      home_.let_in(op, at);
    break;
  case room_verb::history:
  case room_verb::acknowledge:
  case room_verb::spilled:
  case room_verb::drained:
    return home_.refuse(op, {error_code::bad_message, "this is for channels", {}}); // no connection sends it to a room
  case room_verb::detach:
    flush();
    fans_.erase(op.loop);
    if (fans_.empty())
      consider_idleness(at);
    break;
  }
}

// What an op has led to leaves at the end of the turn, together with what other connections bring in it.
void room_actor::after_step() {
  if (logic_ && !broken_)
    for (const auto& [delay, token] : logic_->take_timers())
      delayed_send(this, delay, timer_atom::value, token, incarnation_);
  schedule_tick(home_.next_time());
  if (gatherer_ != nullptr)
    gatherer_->flush();
  flush_at_turn_end();
}

void room_actor::flush() { hand_out(home_.seal(std::exchange(credit_wanted_, false))); }

// -- the logic and its failures

template <class F>
bool room_actor::attempt(const room_op* op, F&& step) {
  try {
    step();
    op = nullptr; // answered: what fails from here on is not its sender's
    if (const auto at = now(); at >= snapshot_at_) {
      logic_->keep_snapshot();
      snapshot_at_ = at + snapshot_interval_ms;
    }
    return true;
  } catch (const std::exception& thrown) {
    failed(op, thrown.what());
  } catch (...) {
    failed(op, "something that is no std::exception");
  }
  return false;
}

void room_actor::failed(const room_op* op, const char* what) {
  broken_ = true;
  if (op != nullptr) {
    const failure why{error_code::internal, "the room failed to handle this; it is being restarted", {}};
    if (op->more != nullptr && op->more->member != nullptr)
      home_.keep_out(*op, why);
    else
      home_.refuse(*op, why);
  }
  auto notice = std::make_shared<room_failure>();
  notice->id = home_.id();
  notice->name = home_.name();
  notice->what = what;
  send(node_.rooms, std::shared_ptr<const room_failure>{std::move(notice)});
}

void room_actor::restart() {
  broken_ = false;
  home_.now_is(wall());
  if (++incarnation_ > 1) { // so that the record of each activation is a beginning of its own
    seed_ = node_.random_bits();
    logic_->reseed(seed_, logic_->ids());
  }
  if (audit_) {
    audit_->at(wall());
    audit_->activated(home_, &*logic_, seed_);
  }
  if (!attempt(nullptr, [&] { logic_->start(wall(), now()); }))
    return;
  if (type_->options.tick.count() > 0) {
    next_custom_tick_ = now() + type_->options.tick.count();
    schedule_tick(next_custom_tick_);
  }
  room_ops again;
  again.letters = letters_;
  again.ops = std::exchange(held_, {});
  take(again);
}

// -- the audit log

void room_actor::start_audit() {
  const auto& s = home_.settings();
  if (node_.audit == nullptr || s.audit == audit_level::off)
    return;
  if (home() == nullptr)
    gatherer_ = node_.audit->off_loops();
  auto& into = gatherer_ != nullptr ? *gatherer_ : node_.audit->on(*home());
  room_audit::setup what{home_.name(), home_.epoch(), s.audit, s.audit_floor, type_ != nullptr};
  if (type_ != nullptr)
    what.code_version = type_->options.code_version;
  audit_.emplace(std::move(what), into);
  home_.record_in(&*audit_);
}

void room_actor::give_credit(std::size_t bytes) {
  if (!audit_ || !audit_->behind()) {
    credit_wanted_ |= gate_->give(1, bytes);
    return;
  }
  if (withheld_ == 0)
    node_.pressure("audit_behind", home_.name());
  ++withheld_;
  withheld_bytes_ += bytes;
  schedule_tick(now() + withheld_retry_ms);
}

void room_actor::give_withheld() {
  if (withheld_ == 0)
    return;
  if (audit_->behind())
    return schedule_tick(now() + withheld_retry_ms);
  credit_wanted_ |= gate_->give(std::exchange(withheld_, 0), std::exchange(withheld_bytes_, 0));
}

// -- time

void room_actor::tick() {
  const auto at = now();
  if (!is_due(at))
    return;
  give_withheld();
  home_.now_is(wall());
  home_.pass_time(at);
  if (logic_ && !broken_ && next_custom_tick_ != 0) {
    if (at >= next_custom_tick_) {
      next_custom_tick_ = std::max(next_custom_tick_ + type_->options.tick.count(), at + 1);
      attempt(nullptr, [&] { logic_->ticked(wall(), at); });
    }
    schedule_tick(next_custom_tick_);
  }
  consider_idleness(at);
  after_step();
}

void room_actor::consider_idleness(mono_ms at) {
  // A room in which nothing was ever said has nothing to keep.
  const bool blank = !logic_ && home_.seq() == 0;
  const auto timeout = blank ? std::min<std::int64_t>(home_.settings().idle_timeout.count(), blank_idle_ms)
                             : home_.settings().idle_timeout.count();
  if (!has_idled(at, timeout, home_.members() != 0, broken_))
    return;
  const bool kept = logic_ && attempt(nullptr, [&] { logic_->keep_snapshot(); });
  ask_to_retire(home_.id(), home_.name(), kept ? logic_->snapshot() : std::string{});
}

std::shared_ptr<const room_report> room_actor::report() const {
  auto result = std::make_shared<room_report>();
  result->name = home_.name();
  result->epoch = home_.epoch();
  result->seq = home_.seq();
  result->ring = home_.ring_size();
  for (const auto& [key, info] : home_.all())
    result->members.emplace_back(describe(*info), info->since);
  return result;
}

} // namespace troupe
