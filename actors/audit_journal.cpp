#include "actors/audit_journal.hpp"

#include "actors/audit_trail.hpp"
#include "actors/node.hpp"
#include "runtime/log/retention.hpp"
#include "runtime/log/subject_keys.hpp"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <utility>

#ifndef TROUPE_VERSION
#error "TROUPE_VERSION must come from the build"
#endif

namespace troupe {
namespace {

constexpr std::chrono::milliseconds tick_interval{100};
constexpr std::chrono::milliseconds gather_time{20}; // a write for each turn of each loop would cost more than the rest
constexpr std::size_t gather_bytes_max = 256 * 1024;
constexpr mono_ms retention_interval_ms = 10'000;
constexpr std::int64_t forgotten_for_us = 60'000'000; // longer than a record is on its way

} // namespace

audit_journal::audit_journal(caf::actor_config& cfg, local_node& owner, std::unique_ptr<log::writer> to,
                             checkpoint_signer checkpoints)
    : ordered_actor<audit_journal_handle::base>(cfg)
    , node_(owner)
    , writer_(std::move(to))
    , checkpoints_(std::move(checkpoints))
    , synced_at_(owner.mono_clock()) {}

std::int64_t audit_journal::now_us() const { return node_.wall_clock() * 1000; }

audit_journal_handle::behavior_type audit_journal::make_behavior() {
  node_.observe(*this);
  append_own(log::record_kind::node_started);
  delayed_send(this, tick_interval, tick_atom::value);
  return {
      [this](const audit_batch_ptr& what) { take(what); },
      [this](commit_atom) {
        committing_ = false;
        commit();
      },
      [this](tick_atom) {
        tick();
        delayed_send(this, tick_interval, tick_atom::value);
      },
      [this](forget_atom, const std::string& subject, const journal_handle& asker) { forget(subject, asker); },
  };
}

void audit_journal::take(const audit_batch_ptr& what) {
  waiting_.push_back(what);
  waiting_bytes_ += what->bodies.size();
  if (waiting_bytes_ >= std::min(gather_bytes_max, node_.settings.journal.audit_buffer_bytes / 4)) {
    commit();
  } else if (!committing_) {
    committing_ = true;
    delayed_send(this, gather_time, commit_atom::value);
  }
}

void audit_journal::on_exit() {
  if (ended_ || !commit())
    return;
  append_own(log::record_kind::node_stopped);
  sync();
  if (!ended_)
    checkpoints_.sign();
}

void audit_journal::append_own(log::record_kind kind) {
  log::record_view r;
  r.time_us = now_us();
  r.kind = kind;
  r.node = node_.name;
  if (kind == log::record_kind::node_started)
    r.detail = TROUPE_VERSION;
  if (const auto index = writer_->append(r); !index)
    refused(index.error());
}

log::status audit_journal::append() {
  while (!waiting_.empty()) {
    const auto& batch = *waiting_.front();
    for (; next_ < batch.ends.size(); ++next_) {
      const auto index = append_one(batch, batch.body(next_));
      if (index)
        continue;
      if (index.error().kind != log::fault_kind::refused)
        return index.error();
      node_.counts.audit_dropped.add(); // this one alone can never be appended
    }
    appended_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    next_ = 0;
  }
  return std::nullopt;
}

log::result<std::uint64_t> audit_journal::append_one(const audit_batch& batch, std::string_view body) {
  log::record_view r;
  const bool confidential =
      batch.confidential && log::decode(body, r) == log::decode_fault::none && log::is_confidential(r);
  return confidential ? append_sealed(r) : writer_->append_body(body);
}

log::result<std::uint64_t> audit_journal::append_sealed(log::record_view r) {
  log::subject_keys::sealed secret;
  if (is_forgotten(r)) {
    r.payload = {};
    r.key_id = log::no_key_id;
    return writer_->append(r);
  }
  if (const auto why = log::seal_payload(*node_.keys, r, secret)) {
    if (why->kind == log::fault_kind::no_space || why->kind == log::fault_kind::io)
      return *why; // tried again, as the log itself
    node_.log.error("audit_seal_failed", "reason={}", why->text());
    node_.counts.audit_dropped.add();
    r.payload = {};
    r.key_id = log::no_key_id;
  }
  return writer_->append(r);
}

// -- forgetting users

bool audit_journal::is_forgotten(const log::record_view& r) const {
  return std::any_of(forgotten_.begin(), forgotten_.end(),
                     [&](const auto& one) { return one.first == r.subject && r.time_us <= one.second; });
}

void audit_journal::forget(const std::string& subject, const journal_handle& asker) {
  const auto now = now_us();
  while (!forgotten_.empty() && now - forgotten_.front().second > forgotten_for_us)
    forgotten_.pop_front();
  forgotten_.emplace_back(subject, now);
  log::record_view r;
  r.time_us = now;
  r.kind = log::record_kind::forgotten;
  r.subject = subject;
  bool lasts = commit();
  if (lasts) {
    const auto index = writer_->append(r);
    if (!index)
      refused(index.error());
    else
      sync();
    lasts = index && !ended_ && writer_->synced() > *index;
  }
  send(asker, forget_atom::value, subject, lasts);
}

bool audit_journal::commit() {
  waiting_bytes_ = 0;
  if (ended_)
    return false;
  auto why = append();
  if (!why)
    why = writer_->flush();
  if (why) {
    refused(*why);
    return false;
  }
  refused_ = false;
  for (const auto& batch : std::exchange(appended_, {}))
    batch->done();
  node_.counts.audit_records.set(static_cast<std::int64_t>(writer_->next()));
  if (checkpoints_.is_due_with(writer_->next())) {
    sync();
    if (!ended_)
      checkpoints_.sign();
  }
  return true;
}

// Tried again with the next tick; until then what was handed over keeps the credit of who did.
void audit_journal::refused(const log::fault& why) {
  if (writer_->is_dead()) {
    ended_ = true;
    node_.log.error("audit_sync_failed", "folder={}: what the disk holds is unknown; this process ends",
                    writer_->folder().string());
    return node_.give_up("the audit log could not be synced");
  }
  if (std::exchange(refused_, true))
    return;
  node_.log.error("audit_refused", "reason={}", why.text());
  node_.pressure("audit_refused", writer_->folder().string());
}

void audit_journal::sync() {
  synced_at_ = node_.mono_clock();
  if (const auto why = writer_->sync())
    refused(*why);
}

void audit_journal::tick() {
  if (ended_)
    return;
  const auto now = node_.mono_clock();
  const auto& s = node_.settings.journal;
  if ((!waiting_.empty() || !appended_.empty()) && !commit())
    return;
  if (writer_->synced() != writer_->next() && now - synced_at_ >= s.sync_interval.count())
    sync();
  if (!ended_ && checkpoints_.is_late())
    checkpoints_.sign();
  if (now - retained_at_ < retention_interval_ms ||
      (s.audit_retention_age.count() == 0 && s.audit_retention_bytes == 0))
    return;
  retained_at_ = now;
  const log::retention keep{s.audit_retention_age.count() * 1000, s.audit_retention_bytes};
  if (const auto gone = log::drop_old_segments(writer_->folder(), keep, now_us()); !gone)
    node_.log.error("retention_failed", "log=audit reason={}", gone.error().text());
}

// -- life

namespace {

void note_losses(local_node& of, log::writer& into) {
  for (const auto& loss : into.found().losses) {
    of.log.error("log_loss_accepted", "log=audit what={}", loss.what);
    if (const auto index = into.append(log::record_of(loss, of.wall_clock() * 1000)); !index)
      throw std::runtime_error{"the audit log: " + index.error().text()};
  }
  auto failed = into.sync();
  if (!failed)
    failed = into.losses_are_recorded();
  if (failed)
    throw std::runtime_error{"the audit log: " + failed->text()};
}

} // namespace

void start_audit(caf::actor_system& system, local_node& of, const std::string& data, bool accept_loss) {
  log::writer_options options;
  options.folder = std::filesystem::path{data} / "log" / audit_journal::class_name;
  options.class_name = audit_journal::class_name;
  options.node = of.name;
  options.segment_bytes = of.settings.journal.segment_bytes;
  options.clock_us = [&of] { return of.wall_clock() * 1000; };
  options.accept_loss = accept_loss;
  auto opened = log::writer::open(options);
  if (!opened) {
    const auto kind = opened.error().kind;
    const bool damaged = kind == log::fault_kind::damaged || kind == log::fault_kind::lost;
    throw std::runtime_error{"the audit log in " + data + ": " + opened.error().text() +
                             std::string{damaged ? log::accept_loss_advice : std::string_view{}}};
  }
  if (!(*opened)->found().losses.empty())
    note_losses(of, **opened);
  checkpoint_signer checkpoints{of, **opened, data};
  if (const auto torn = (*opened)->found().torn_bytes; torn != 0)
    of.log.warn("log_tail_cut", "log=audit bytes={}: written and never synced before the last stop", torn);
  of.audit_journal =
      system.spawn<audit_journal, caf::detached + caf::hidden>(of, std::move(*opened), std::move(checkpoints));
  of.audit = std::make_shared<audit_trail>(of, of.audit_journal);
}

void stop_audit(caf::actor_system& system, local_node& of) {
  if (of.audit_journal == nullptr)
    return;
  of.audit->close();
  caf::scoped_actor self{system, true};
  self->send_exit(of.audit_journal, caf::exit_reason::user_shutdown);
  self->wait_for(of.audit_journal);
}

} // namespace troupe
