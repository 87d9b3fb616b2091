#pragma once

#include "actors/edge.hpp"
#include "runtime/model/outbox.hpp"
#include "runtime/model/type_filter.hpp"
#include "runtime/system/loop.hpp"

#include <memory>
#include <vector>

namespace troupe {

struct local_node;

/// The output half of a connection on its loop: its outbox and the link that drains it. Fan-outs offer to it
/// directly; what a turn offers leaves in one system call when the turn ends.
class egress final : public turn_hook {
public:
  /// Who has to act on what an outbox decides. On the loop; does not throw.
  class owner {
  public:
    /// An outbox was over its bound: the connection must go (3008).
    virtual void outbox_overflowed() noexcept = 0;
    /// Messages are dropped, conflated or left for later, since the client does not read; told once until all that
    /// waits has left.
    virtual void outbox_pressed(overflow policy) noexcept = 0;
    /// A `gap` frame for messages that will not come; an empty slice writes none.
    virtual slice gap_frame(const outbox_gap& gap) noexcept = 0;
    /// All that was queued when `tell_when_sent` was called, and since, has left.
    virtual void outbox_sent() noexcept = 0;

  protected:
    ~owner() = default;
  };

  egress(local_node& of, loop& on, owner& who);

  void attach(std::shared_ptr<edge::link> link);
  /// Nothing is written from here on; what waits is let go.
  void detach() noexcept;
  /// Holds what owns this until the turn has ended: it may be queued for that.
  void keep_until_turn_ends(std::shared_ptr<const void> self);
  bool attached() const noexcept { return link_ != nullptr; }
  edge::link* link() const noexcept { return link_.get(); }

  std::uint8_t encoder() const noexcept { return encoder_; }
  const type_filter& filter() const noexcept { return filter_; }
  type_filter& filter() noexcept { return filter_; }

  /// Takes what a room or the connection itself has to say; refused items follow their policy.
  outbox::verdict offer(outbox_item item) {
    if (link_ == nullptr)
      return outbox::verdict::queued;
    if (held_ != nullptr)
      return hold_back(std::move(item.data));
    // A bound is about a client that does not read, not about how much a single turn brings.
    if (!blocked_ && !box_.empty() && !box_.fits(item)) [[unlikely]]
      flush();
    const auto policy = item.policy;
    const auto [what, dropped, conflated] = box_.offer(std::move(item));
    if (what != outbox::verdict::queued || (dropped | conflated) != 0) [[unlikely]]
      lost(what, policy, dropped, conflated);
    if (!blocked_)
      on_.at_turn_end(turn_stage::flush, *this, flush_uses_);
    return what;
  }
  /// Takes what its sender bounds itself: bounds of the outbox do not concern it.
  void offer_anyway(outbox_item item);
  /// Has `owner::outbox_sent` called, once, as soon as nothing waits here.
  void tell_when_sent();
  /// Has the memory fetched that the next `offer` uses.
  void fetch_early() const noexcept { troupe::fetch_early(this, sizeof *this); }

  /// The link takes slices again.
  void writable();
  /// Keeps everything back until `release`, which writes `first` before it: what a resume brings, which bounds of the
  /// outbox do not concern.
  void hold() { held_ = std::make_unique<held>(); }
  void release(slice first);
  /// Writes now what is queued, for a close that follows.
  void flush();
  void turn_ended() override;
  const outbox& box() const noexcept { return box_; }

private:
  struct held {
    std::vector<slice> slices; ///< The first place is for what `release` is given.
    std::size_t bytes = 0;
  };

  outbox::verdict hold_back(slice data);
  void write_out();
  void lost(outbox::verdict what, overflow policy, std::uint32_t dropped, std::uint32_t conflated);

  local_node& node_;
  loop& on_;
  owner& owner_;
  std::shared_ptr<edge::link> link_;
  used_memory flush_uses_{};
  outbox box_;
  type_filter filter_;
  std::uint8_t encoder_ = 0;
  bool blocked_ = false;
  bool awaited_ = false; ///< The owner waits for an empty outbox.
  bool pressed_ = false; ///< The owner was told.
  std::unique_ptr<held> held_;
  std::shared_ptr<const void> kept_alive_;
};

} // namespace troupe
