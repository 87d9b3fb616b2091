#include "actors/journal.hpp"

#include "actors/inbox_name.hpp"
#include "actors/node.hpp"
#include "actors/unavailable.hpp"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace troupe {
namespace {

constexpr std::chrono::milliseconds tick_interval{250};
constexpr mono_ms channels_check_interval = 1000;
constexpr mono_ms retention_interval_max = 10'000; // ms; a shorter age is looked at ten times
constexpr mono_ms slow_scan_ms = 1000;

void tell_damage(local_node& node, const std::string& channel, const std::string& what) {
  node.numbers.counter("troupe_log_damaged_total", "Damaged records of the log that were passed over.").add();
  node.log.error("log_record_damaged", "channel={} record={}", channel, what);
}

} // namespace

journal::journal(caf::actor_config& cfg, loop* home, local_node& owner, std::unique_ptr<channel_log> log,
                 checkpoint_signer checkpoints)
    : pinned_actor(cfg, home)
    , node_(owner)
    , log_(std::move(log))
    , checkpoints_(std::move(checkpoints))
    , requests_(log_->keys()->folder()) {}

std::int64_t journal::now_us() const { return node_.wall_clock() * 1000; }

journal_handle::behavior_type journal::make_behavior() {
  node_.observe(*this);
  delayed_send(this, tick_interval, tick_atom::value);
  return {
      [this](const std::shared_ptr<const channel_opening>& what, const log_client_handle& from) { open(*what, from); },
      [this](const std::shared_ptr<const channel_entries>& what, const log_client_handle& from) { append(what, from); },
      [this](commit_atom) {
        committing_ = false;
        commit();
      },
      [this](const std::shared_ptr<const channel_reading>& what, const log_client_handle& from) {
        const bool current = log_->catch_up_index();
        send(caf::actor_cast<log_reader_handle>(current_sender()), commit_atom::value, current, what, from);
      },
      [this](tick_atom) {
        tick();
        delayed_send(this, tick_interval, tick_atom::value);
      },
      [this](forget_atom) {
        looks_for_requests_ = true;
        rooms_ = caf::actor_cast<caf::actor_addr>(node_.rooms);
        hub_ = caf::actor_cast<caf::actor_addr>(node_.hub);
        audit_ = caf::actor_cast<caf::actor_addr>(node_.audit_journal);
        look_for_requests();
      },
      [this](forget_atom, const std::string& subject, bool recorded) {
        auto& state = forgetting_[subject];
        state = recorded ? forgetting::done : forgetting::recorded; // tried again with the next tick
        if (recorded)
          finish_forgetting(subject);
      },
  };
}

void journal::on_exit() {
  if (ended_)
    return;
  commit();
  if (log_->is_dead())
    return;
  if (const auto why = log_->close(now_us()))
    node_.log.error("log_close_failed", "folder={} reason={}", log_->folder().string(), why->message);
  checkpoints_.sign();
}

void journal::open(const channel_opening& what, const log_client_handle& from) {
  if (!ended_)
    commit(); // what the channel published before is to be found
  if (ended_)
    return;
  const auto settings = what.settings ? *what.settings : node_.settings.channels.of(what.name);
  auto opened = log_->open_channel(what.name, settings, node_.new_epoch(), now_us());
  opened.name = what.name;
  if (log_->is_dead())
    return dead();
  for (const auto& bad : opened.damaged)
    tell_damage(node_, what.name, bad);
  send(from, std::make_shared<const channel_opened>(std::move(opened)));
  if (!is_channel_name(what.name))
    return; // an inbox reads all that it has when it opens
  channels_.insert_or_assign(what.name, caf::actor_cast<caf::actor_addr>(from));
}

void journal::append(const std::shared_ptr<const channel_entries>& what, const log_client_handle& from) {
  if (ended_)
    return;
  waiting w;
  w.whom = from;
  w.what.run = what->run;
  if (!what->messages.empty()) {
    w.what.from = what->messages.front().offset;
    w.what.upto = what->messages.back().offset;
  }
  w.group = log_->append(what, now_us());
  waiting_.push_back(std::move(w));
  sync_wanted_ |= what->fsync == fsync_policy::always;
  commit_soon();
}

// The message goes behind everything that has come meanwhile, so that all of it is committed together.
void journal::commit_soon() {
  if (std::exchange(committing_, true))
    return;
  send(this, commit_atom::value);
}

void journal::commit() {
  if (waiting_.empty() || ended_)
    return;
  const auto outcomes = log_->commit(std::exchange(sync_wanted_, false));
  if (log_->is_dead())
    return dead();
  bool refused = false;
  auto outcome = outcomes.begin();
  for (auto& w : std::exchange(waiting_, {})) {
    while (outcome != outcomes.end() && outcome->group < w.group)
      ++outcome;
    if (w.what.from == 0 || outcome == outcomes.end() || outcome->group != w.group)
      continue;
    refused |= outcome->why.has_value();
    if (outcome->why && outcome->stored != 0) { // the first of them are stored
      send(w.whom, std::make_shared<const channel_outcome>(
                       channel_outcome{w.what.run, w.what.from, outcome->stored, std::nullopt}));
      w.what.from = outcome->stored + 1;
    }
    w.what.why = outcome->why;
    send(w.whom, std::make_shared<const channel_outcome>(std::move(w.what)));
  }
  if (refused && node_.mono_clock() - refused_at_ > 1000) {
    refused_at_ = node_.mono_clock();
    node_.pressure("log_refused", log_->folder().string());
  }
  node_.counts.log_records.set(static_cast<std::int64_t>(log_->writer().next()));
  if (checkpoints_.is_due_with(log_->writer().synced()))
    checkpoints_.sign();
}

void journal::tick() {
  if (ended_)
    return;
  const auto now = node_.mono_clock();
  const auto& s = node_.settings.journal;
  if (log_->has_unsynced() && now - synced_at_ >= s.sync_interval.count()) {
    synced_at_ = now;
    if (!log_->sync() && log_->is_dead())
      return dead();
  }
  if (checkpoints_.is_late())
    checkpoints_.sign();
  if (now - channels_checked_at_ >= channels_check_interval) { // an address keeps the memory of an actor that has ended
    channels_checked_at_ = now;
    std::erase_if(channels_, [](const auto& c) { return !caf::actor_cast<caf::strong_actor_ptr>(c.second); });
  }
  const bool refused = !log_->catch_up_index(); // where it did not take something
  if (refused && !index_refused_) {
    node_.log.error("index_refused", "reason={}: tried again", log_->index_fault()->message);
    node_.pressure("index_refused", log_->folder().string());
  }
  index_refused_ = refused;
  const auto age = s.retention_age.count();
  const auto interval = age == 0 ? retention_interval_max : std::min(retention_interval_max, age / 10);
  if (now - retained_at_ >= interval && (age != 0 || s.retention_bytes != 0)) {
    retained_at_ = now;
    if (const auto why = log_->retain(age * 1000, s.retention_bytes, now_us()))
      node_.log.error("retention_failed", "log=channels reason={}", why->message);
    if (log_->is_dead())
      return dead();
  }
  tell_of_dropped();
  if (looks_for_requests_)
    look_for_requests();
}

/// Tells channels what the log has dropped of them.
void journal::tell_of_dropped() {
  for (auto& gone : log_->drop_some()) {
    const auto known = channels_.find(gone.channel);
    const auto whom = known == channels_.end() ? nullptr : caf::actor_cast<caf::strong_actor_ptr>(known->second);
    if (whom == nullptr)
      continue;
    auto cut = std::make_shared<channel_cut>();
    cut->epoch = std::move(gone.epoch);
    cut->first = gone.first;
    send(caf::actor_cast<channel_handle>(whom), std::shared_ptr<const channel_cut>{std::move(cut)});
  }
}

// -- forgetting users

void journal::look_for_requests() {
  for (const auto& subject : requests_.waiting()) {
    if (!ended_)
      forget_subject(subject);
  }
}

/// Goes on with it as far as it can; the request stays until all of it is done, so that it is begun again after a
/// crash.
void journal::forget_subject(const std::string& subject) {
  auto& state = forgetting_[subject];
  if (state == forgetting::begun) {
    if (const auto why = requests_.begin(subject))
      return forgetting_failed(why->text());
    commit(); // what was accepted is under the key that goes
    const auto why = ended_ ? std::nullopt : log_->forget_subject(subject, now_us());
    if (log_->is_dead())
      return ended_ ? void() : dead();
    if (why)
      return forgetting_failed(why->message);
    node_.log.info("subject_forgotten", "log={}", log_->folder().string());
    // What was stored is in their mailboxes before this.
    if (const auto rooms = caf::actor_cast<caf::strong_actor_ptr>(rooms_))
      send(caf::actor_cast<room_supervisor_handle>(rooms), forget_atom::value, subject);
    if (const auto hub = caf::actor_cast<caf::strong_actor_ptr>(hub_))
      send(caf::actor_cast<hub_handle>(hub), forget_atom::value, subject);
    state = forgetting::recorded;
  }
  if (state == forgetting::recorded) {
    const auto audit = caf::actor_cast<caf::strong_actor_ptr>(audit_);
    state = audit != nullptr ? forgetting::asked : forgetting::done;
    if (audit != nullptr)
      send(caf::actor_cast<audit_journal_handle>(audit), forget_atom::value, subject, journal_handle{this});
  }
  if (state == forgetting::done)
    finish_forgetting(subject);
}

void journal::finish_forgetting(const std::string& subject) {
  if (const auto why = requests_.finish(subject))
    return forgetting_failed(why->text());
  forgetting_.erase(subject);
}

void journal::forgetting_failed(std::string_view why) {
  if (forgetting_failed_at_ != 0 && node_.mono_clock() - forgetting_failed_at_ < 10'000)
    return;
  forgetting_failed_at_ = node_.mono_clock();
  node_.log.error("forgetting_failed", "reason={}: tried again", why);
  node_.pressure("forgetting_failed", log_->folder().string());
}

// Nothing more is acknowledged. Clients are told to come back (1012), and the process ends for its supervisor.
void journal::dead() {
  ended_ = true;
  waiting_.clear();
  node_.log.error("log_sync_failed", "folder={}: what the disk holds is unknown; this process ends",
                  log_->folder().string());
  node_.give_up("the log could not be synced");
}

log_reader::log_reader(caf::actor_config& cfg, local_node& owner, channel_log_reader reader,
                       std::shared_ptr<const std::atomic<bool>> behind)
    : ordered_actor<log_reader_handle::base>(cfg)
    , node_(owner)
    , reader_(std::move(reader))
    , behind_(std::move(behind)) {}

log_reader_handle::behavior_type log_reader::make_behavior() {
  node_.observe(*this);
  return {
      [this](const std::shared_ptr<const channel_reading>& what, const log_client_handle& from) {
        if (behind_->load())
          send(node_.journal, what, from);
        else
          send(from, read(*what));
      },
      [this](commit_atom, bool current, const std::shared_ptr<const channel_reading>& what,
             const log_client_handle& from) {
        if (current)
          return send(from, read(*what));
        channel_found lags;
        lags.ticket = what->what.ticket;
        lags.why = index_lags();
        send(from, std::make_shared<const channel_found>(std::move(lags)));
      },
  };
}

std::shared_ptr<const channel_found> log_reader::read(const channel_reading& what) {
  auto found = reader_.read(what);
  for (std::size_t i = 0; i < found.damaged.size(); ++i)
    if (is_news(what, found.damaged[i]))
      tell_damage(node_, what.name, damage_text(found.damaged[i], found.damaged_why[i]));
  return std::make_shared<const channel_found>(std::move(found));
}

/// Whether damage was not told of yet, as far as that is remembered: the same is met by everybody who reads there.
bool log_reader::is_news(const channel_reading& what, const offset_range& damaged) {
  constexpr std::size_t told_max = 4096;
  const std::tuple key{what.name, what.epoch, damaged.first};
  const auto after = told_.upper_bound(key);
  if (after != told_.begin()) {
    const auto& [before, last] = *std::prev(after);
    if (std::get<0>(before) == what.name && std::get<1>(before) == what.epoch && last >= damaged.last)
      return false;
  }
  if (told_.size() >= told_max)
    told_.clear();
  told_[key] = damaged.last;
  return true;
}

void start_log(caf::actor_system& system, local_node& of, const std::string& data, bool accept_loss) {
  channel_log::setup setup;
  setup.folder = data;
  setup.node = of.name;
  setup.segment_bytes = of.settings.journal.segment_bytes;
  setup.store_cache_bytes = of.settings.journal.store_cache_bytes;
  setup.index_lag_bytes = of.settings.journal.index_lag_bytes;
  setup.clock_us = [&of] { return of.wall_clock() * 1000; };
  setup.accept_loss = accept_loss;
  setup.progress = [&of](std::uint64_t done, std::uint64_t all) {
    of.log.info("log_catching_up", "done={} all={}", done, all);
  };
  auto opened = channel_log::open(setup);
  if (const auto* why = std::get_if<failure>(&opened))
    throw std::runtime_error{"the log in " + data + ": " + why->message};
  auto& log = std::get<std::unique_ptr<channel_log>>(opened);
  checkpoint_signer checkpoints{of, log->writer(), data};
  const auto& found = log->writer().found();
  if (found.torn_bytes != 0)
    of.log.warn("log_tail_cut", "bytes={}: written and never synced before the last stop", found.torn_bytes);
  for (const auto& what : log->losses())
    of.log.error("log_loss_accepted", "log=channels what={}", what.what);
  of.keys = log->keys();
  for (const auto& subject : log::forget_requests{of.keys->folder()}.waiting())
    if (const auto gone = of.keys->forget(subject); !gone) // before anything is read; the journal does the rest
      throw std::runtime_error{"cannot forget what was asked for: " + gone.error().text()};
  const auto began = of.mono_clock();
  of.stored_inboxes = log->unacknowledged_inboxes([&](std::size_t all) {
    if (const auto took = of.mono_clock() - began; took >= slow_scan_ms)
      of.log.info("inboxes_scanned", "all={} ms={}", all, took);
  });
  of.log_reader = system.spawn<log_reader>(of, channel_log_reader{*log}, log->index_behind());
  of.log_loop = std::make_unique<loop>(system, of.loops.size());
  of.log_loop->start();
  of.journal =
      spawn_pinned<journal, caf::hidden>(system, of.log_loop.get(), of, std::move(log), std::move(checkpoints));
}

void stop_log(caf::actor_system& system, local_node& of) {
  if (of.journal == nullptr)
    return;
  caf::scoped_actor self{system, true};
  self->send_exit(of.journal, caf::exit_reason::user_shutdown);
  self->wait_for(of.journal);
  of.journal = nullptr;
  of.log_loop->stop();
}

} // namespace troupe
