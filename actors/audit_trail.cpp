#include "actors/audit_trail.hpp"

#include "actors/node.hpp"

#include <caf/send.hpp>

#include <future>
#include <utility>

namespace troupe {
namespace {

constexpr mono_ms gather_ms = 50;

} // namespace

/// Hands over now and then: each time wakes the journal's thread, which costs more than many records do.
struct audit_trail::loop_part final : loop_timer {
  void fired() override { gatherer->flush(); }

  audit_journal_handle journal; ///< Null once it is closed.
  std::unique_ptr<audit_gatherer> gatherer;
};

audit_trail::audit_trail(local_node& of, audit_journal_handle to)
    : node_(of)
    , journal_(std::move(to)) {
  for (const auto& where : of.loops) {
    auto part = std::make_unique<loop_part>();
    part->journal = journal_;
    auto setup = setup_for(audit_journal_handle{});
    setup.hand_over = [&p = *part](const audit_batch_ptr& batch) {
      if (p.journal != nullptr)
        caf::anon_send(p.journal, batch);
    };
    setup.began = [&on = *where, &p = *part] {
      if (!p.armed())
        on.arm(p, gather_ms);
    };
    part->gatherer = std::make_unique<audit_gatherer>(std::move(setup));
    loops_.push_back(std::move(part));
  }
  auto setup = setup_for(journal_);
  setup.lost = nullptr; // it would be an event
  // Not at once, for what goes wrong often goes wrong often.
  setup.began = [this] { node_.loops.front()->post([this] { flush_events(); }); };
  events_ = std::make_unique<audit_gatherer>(std::move(setup));
}

audit_trail::~audit_trail() = default;

audit_gatherer::setup audit_trail::setup_for(audit_journal_handle to) {
  audit_gatherer::setup setup;
  setup.bytes_max = node_.settings.journal.audit_buffer_bytes;
  setup.hand_over = [to = std::move(to)](const audit_batch_ptr& batch) {
    if (to != nullptr)
      caf::anon_send(to, batch);
  };
  setup.lost = [this](std::string_view room) { node_.pressure("audit_dropped", room); };
  setup.dropped = [this] { node_.counts.audit_dropped.add(); };
  return setup;
}

audit_gatherer& audit_trail::on(const loop& where) noexcept { return *loops_[where.index()]->gatherer; }

std::unique_ptr<audit_gatherer> audit_trail::off_loops() {
  std::lock_guard guard{lock_};
  return std::make_unique<audit_gatherer>(setup_for(journal_));
}

void audit_trail::event(std::string_view kind, std::string_view subject, std::string_view detail) {
  log::record_view r;
  r.kind = log::record_kind_from(kind).value_or(log::record_kind::error);
  r.time_us = node_.wall_clock() * 1000;
  r.subject = subject;
  r.detail = detail;
  std::lock_guard guard{lock_};
  if (events_ == nullptr)
    return;
  events_->add(r, audit_level::metadata);
}

void audit_trail::flush_events() {
  std::lock_guard guard{lock_};
  if (events_ != nullptr)
    events_->flush();
}

void audit_trail::close() {
  const auto now_us = node_.wall_clock() * 1000;
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    std::promise<void> done;
    node_.loops[i]->post([&, part = loops_[i].get(), on = node_.loops[i].get()] {
      part->gatherer->finish(now_us);
      on->disarm(*part);
      part->journal = nullptr;
      done.set_value();
    });
    done.get_future().wait();
  }
  std::lock_guard guard{lock_};
  events_->finish(now_us);
  events_.reset();
  journal_ = nullptr;
}

} // namespace troupe
