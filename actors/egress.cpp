#include "actors/egress.hpp"

#include "actors/node.hpp"

#include <utility>

namespace troupe {
namespace {

constexpr std::size_t bytes_per_write_max = 256 * 1024;
constexpr std::size_t held_bytes_max = 64 * 1024 * 1024; // a ring of 256 KiB for each of 256 rooms

} // namespace

egress::egress(local_node& of, loop& on, owner& who)
    : node_(of)
    , on_(on)
    , owner_(who)
    , box_(of.outbox_bounds) {}

void egress::attach(std::shared_ptr<edge::link> link) {
  link_ = std::move(link);
  encoder_ = static_cast<std::uint8_t>(link_->format().index());
  flush_uses_ = {link_.get(), link_->beneath()};
  blocked_ = false;
}

void egress::detach() noexcept { link_.reset(); }

void egress::writable() {
  blocked_ = false;
  flush();
}

outbox::verdict egress::hold_back(slice data) {
  held_->bytes += data.bytes.size();
  if (held_->bytes > held_bytes_max) {
    owner_.outbox_overflowed();
    return outbox::verdict::overflow_close;
  }
  held_->slices.push_back(std::move(data));
  return outbox::verdict::queued;
}

void egress::offer_anyway(outbox_item item) {
  if (link_ == nullptr)
    return;
  if (held_ != nullptr) {
    hold_back(std::move(item.data));
    return;
  }
  box_.offer_anyway(std::move(item));
  if (!blocked_)
    on_.at_turn_end(turn_stage::flush, *this, flush_uses_);
}

void egress::tell_when_sent() {
  awaited_ = true;
  if (link_ != nullptr && !blocked_)
    on_.at_turn_end(turn_stage::flush, *this, flush_uses_);
}

void egress::release(slice first) {
  if (held_ == nullptr)
    return;
  const auto kept = std::move(held_);
  if (link_ == nullptr)
    return;
  auto& slices = kept->slices;
  slices.insert(slices.begin(), std::move(first));
  const auto taken = blocked_ ? 0 : link_->write(slices);
  if (taken == slices.size())
    return flush();
  box_.give_back(std::span{slices}.subspan(taken));
  blocked_ = true;
}

void egress::keep_until_turn_ends(std::shared_ptr<const void> self) {
  kept_alive_ = std::move(self);
  on_.at_turn_end(turn_stage::flush, *this);
}

void egress::turn_ended() {
  const auto keep = std::exchange(kept_alive_, nullptr);
  flush();
}

void egress::flush() {
  if (link_ == nullptr || blocked_ || held_ != nullptr)
    return;
  write_out();
  if ((awaited_ || pressed_) && !blocked_ && box_.empty()) [[unlikely]] {
    pressed_ = false;
    if (std::exchange(awaited_, false))
      owner_.outbox_sent();
  }
}

void egress::write_out() {
  if (slice only; box_.take_only(only)) { // what most turns bring to most connections
    if (link_->write({&only, 1}) == 0) {
      box_.give_back({&only, 1});
      blocked_ = true;
    }
    return;
  }
  // One for the thread: an idle connection needs none, and no flush runs inside another.
  thread_local std::vector<slice> scratch;
  while (link_ != nullptr && !blocked_ && !box_.empty()) {
    scratch.clear();
    const auto filled = box_.fill(scratch, bytes_per_write_max, on_.now(),
                                  [this](const outbox_gap& gap) { return owner_.gap_frame(gap); });
    if (filled.expired != 0)
      node_.counts.expired.add(filled.expired);
    const auto taken = scratch.empty() ? 0 : link_->write(scratch);
    if (taken < scratch.size()) {
      box_.give_back(std::span{scratch}.subspan(taken));
      blocked_ = true;
    }
  }
  scratch.clear();
}

void egress::lost(outbox::verdict what, overflow policy, std::uint32_t dropped, std::uint32_t conflated) {
  node_.counts.dropped.add(dropped);
  node_.counts.conflated.add(conflated);
  if (what == outbox::verdict::overflow_close)
    return owner_.outbox_overflowed();
  if (std::exchange(pressed_, true))
    return;
  // For one that `disconnect` is for, older ones of other sources made way.
  owner_.outbox_pressed(policy == overflow::disconnect ? overflow::drop_oldest : policy);
}

} // namespace troupe
