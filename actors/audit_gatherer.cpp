#include "actors/audit_gatherer.hpp"

#include "runtime/log/subject_keys.hpp"

#include <algorithm>
#include <utility>

namespace troupe {
namespace {

constexpr std::size_t records_in_flight_max = (std::size_t{1} << 23) - 1; // of a credit_gate
constexpr std::size_t batch_bytes_max = std::size_t{8} << 20;

} // namespace

audit_gatherer::audit_gatherer(setup how)
    : how_(std::move(how))
    , gate_(std::make_shared<credit_gate>(records_in_flight_max, how_.bytes_max)) {}

void audit_gatherer::add(const log::record_view& what, audit_level needed) {
  if (needed != audit_level::full && behind()) {
    if (lost_++ == 0 && how_.lost)
      how_.lost(what.room.empty() ? what.subject : what.room);
    if (how_.dropped)
      how_.dropped();
    return;
  }
  if (lost_ != 0)
    confess(what.time_us);
  append(what);
  if (batch_->bodies.size() >= std::min(batch_bytes_max, how_.bytes_max / 4))
    flush();
}

void audit_gatherer::append(const log::record_view& what) {
  const bool first = batch_ == nullptr;
  if (first) {
    batch_ = std::make_shared<audit_batch>();
    batch_->gate = gate_;
    batch_->bodies.reserve(batch_bytes_);
  }
  batch_->confidential |= log::is_confidential(what);
  const auto before = batch_->bodies.size();
  log::encode(what, batch_->bodies);
  if (batch_->bodies.size() - before > log::record_bytes_max) { // a state of many megabytes: that it was there stays
    batch_->bodies.resize(before);
    auto rest = what;
    rest.payload = {};
    log::encode(rest, batch_->bodies);
    if (how_.dropped)
      how_.dropped();
  }
  batch_->ends.push_back(static_cast<std::uint32_t>(batch_->bodies.size()));
  gate_->take_anyway(1, batch_->bodies.size() - before);
  if (first && how_.began)
    how_.began();
}

void audit_gatherer::confess(std::int64_t time_us) {
  log::record_view r;
  r.time_us = time_us;
  r.kind = log::record_kind::backpressure;
  r.detail = "audit_dropped";
  r.code = std::exchange(lost_, 0);
  append(r);
}

void audit_gatherer::flush() {
  if (batch_ == nullptr)
    return;
  batch_bytes_ = batch_->bodies.size();
  how_.hand_over(std::exchange(batch_, nullptr));
}

void audit_gatherer::finish(std::int64_t now_us) {
  if (lost_ != 0)
    confess(now_us);
  flush();
}

} // namespace troupe
