#pragma once

#include "runtime/model/ids.hpp"
#include "runtime/model/slice.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {

/// What happens to a message for which a connection's outbox has no place (docs/guarantees.md, "Flow").
enum class overflow : std::uint8_t {
  disconnect,  ///< The connection is closed with 3008.
  drop_oldest, ///< The oldest queued messages of the same source go.
  drop_newest, ///< The message itself goes.
  conflate,    ///< The newest message of each key stays; where that does not help, as `drop_oldest`.
  spill,       ///< It is not taken: the source delivers it later from its log.
};

/// The policy as it stands in configuration and as a reason in metrics, for example "drop_oldest".
std::string_view to_string(overflow policy) noexcept;

/// The bounds of an outbox; shared by all that have the same. Messages are counted in frames.
struct outbox_limits {
  std::size_t messages_max = 1024;
  std::size_t bytes_max = 1024 * 1024;
  /// Control (source 0) has a bound of its own, so that no room can take its place away.
  std::size_t control_messages_max = 1024;
  std::size_t control_bytes_max = 256 * 1024;
};

/// One or several frames for a client, with what decides over them.
struct outbox_item {
  slice data;
  std::uint32_t source = 0;       ///< Whose order it belongs to: a room or channel; 0 is control.
  std::uint32_t frames = 1;       ///< How many messages `data` holds.
  std::uint64_t seq_first = 0;    ///< Of its first message; 0 where it has none.
  std::uint64_t seq_last = 0;     ///< Of its last message.
  mono_ms expires = 0;            ///< Not sent after it; 0: never.
  std::uint64_t conflate_key = 0; ///< A hash of the key for `overflow::conflate`; 0: none.
  overflow policy = overflow::disconnect;
  bool exempt = false; ///< Set by `offer_anyway`.
};

/// Messages of one source that will not come.
struct outbox_gap {
  std::uint32_t source = 0;
  overflow reason = overflow::drop_oldest; ///< The policy that dropped the first of them.
  std::uint64_t from = 0;                  ///< The lowest seq that was dropped; 0 where they had none.
  std::uint64_t to = 0;                    ///< The highest.
  std::uint64_t count = 0;                 ///< Messages, at least one.
};

/// The bounded output queue of a connection: what waits for the socket. Order within a source always
/// holds. While the socket keeps up, everything leaves in order of arrival; once a `fill` has left
/// something behind ("congested"), sources are served by deficit round robin (Shreedhar and Varghese,
/// 1995) with a quantum of 16 KiB, and control first gets a quarter of what leaves. Where messages
/// are dropped a gap stands in their place in the source's order and `fill` asks for a frame that says so.
///
/// An outbox with at most one item allocates nothing; the rest is freed as soon as it is empty.
class outbox {
public:
  /// Bytes that a source may send in one round while congested.
  static constexpr std::size_t quantum_bytes = 16 * 1024;

  enum class verdict : std::uint8_t {
    queued,
    dropped,        ///< The item was not taken; a gap stands in its place.
    spilled,        ///< The item was not taken, nor is there a gap: its source catches up later.
    overflow_close, ///< The item was not taken: close the connection with 3008.
  };

  /// What an offer did. `dropped` and `conflated` count messages, the offered ones included; both can
  /// be non-zero with any verdict, since older ones may have made way.
  struct outcome {
    verdict what = verdict::queued;
    std::uint32_t dropped = 0;
    std::uint32_t conflated = 0;
  };

  /// What a fill did.
  struct filled {
    std::size_t bytes = 0;
    std::uint32_t expired = 0; ///< Messages that were skipped since their time was over; no gap marks them.
    bool more = false;         ///< Something is left: call again when the socket is writable.
  };

  /// @param limits must outlive the outbox
  explicit outbox(const outbox_limits& limits) noexcept;
  explicit outbox(outbox_limits&&) = delete;
  ~outbox();
  outbox(outbox&&) = delete;
  outbox& operator=(outbox&&) = delete;

  /// Queues an item, or applies its policy where there is no place for it. One item always finds a place
  /// in an empty outbox, of any size. Before `disconnect` closes, queued messages of sources that allow
  /// dropping make way: a room that may lose messages never costs a connection the others.
  outcome offer(outbox_item item) {
    if (!backlog_ && !has_single_) {
      account(item);
      single_ = std::move(item);
      has_single_ = true;
      return {};
    }
    return offer_slowly(std::move(item));
  }

  /// Queues an item that bounds do not concern and that takes no place of others: its source bounds it in another way.
  void offer_anyway(outbox_item item);

  /// Appends what is to be written next to `out`, at most `bytes_max` bytes but at least one item where
  /// there is any.
  /// @param make_gap called as `slice(const outbox_gap&)` when the place of a loss is reached; an empty slice
  ///        writes nothing. It must not touch the outbox.
  template <class F>
  filled fill(std::vector<slice>& out, std::size_t bytes_max, mono_ms now, F&& make_gap) {
    if (!backlog_) {
      filled result;
      if (!has_single_)
        return result;
      release(single_);
      has_single_ = false;
      if (single_.expires != 0 && single_.expires < now) {
        result.expired = single_.frames;
        single_.data = {};
        return result;
      }
      result.bytes = single_.data.bytes.size();
      out.push_back(std::move(single_.data));
      return result;
    }
    auto call = [&make_gap](const outbox_gap& gap) -> slice { return make_gap(gap); };
    gap_maker maker{&call, [](void* f, const outbox_gap& gap) { return (*static_cast<decltype(call)*>(f))(gap); }};
    return fill_slowly(out, bytes_max, now, maker);
  }

  /// Takes out the only item, where there is one and it does not expire: what `fill` would give, for less.
  bool take_only(slice& out) noexcept {
    if (backlog_ || !has_single_ || single_.expires != 0)
      return false;
    release(single_);
    has_single_ = false;
    out = std::move(single_.data);
    return true;
  }

  /// Takes back what the last `fill` or `take_only` gave and the socket did not take, in order: the next `fill` begins
  /// with it. The outbox is congested from then on, until it is empty.
  void give_back(std::span<const slice> untaken);

  /// Forgets what is queued for a source that the client has left; no gap is written for it.
  /// @returns how many messages that were
  std::uint64_t forget(std::uint32_t source);

  /// Whether an item finds a place without anything being dropped for it.
  bool fits(const outbox_item& item) const noexcept;

  bool empty() const noexcept { return !backlog_ && !has_single_; }
  bool congested() const noexcept { return congested_; }
  /// Messages that wait, control included, what was given back or offered anyway excepted.
  std::size_t messages() const noexcept { return messages_ + control_messages_; }
  /// Bytes that wait, what was offered anyway excepted.
  std::size_t bytes() const noexcept { return bytes_ + control_bytes_; }

private:
  struct backlog;
  struct gap_maker {
    void* context;
    slice (*make)(void*, const outbox_gap&);
  };

  void account(const outbox_item& item) noexcept {
    (item.source == 0 ? control_messages_ : messages_) += item.frames;
    (item.source == 0 ? control_bytes_ : bytes_) += item.data.bytes.size();
  }
  void release(const outbox_item& item) noexcept {
    (item.source == 0 ? control_messages_ : messages_) -= item.frames;
    (item.source == 0 ? control_bytes_ : bytes_) -= item.data.bytes.size();
  }
  void release_node(const outbox_item& item) noexcept {
    if (!item.exempt)
      release(item);
  }
  backlog& ensure_backlog();
  void drained() noexcept;
  outcome offer_slowly(outbox_item&& item);
  outcome append(outbox_item&& item, outcome so_far);
  bool make_room_from(std::uint32_t source, const outbox_item& wanted, outcome& result);
  bool shed_for(const outbox_item& wanted, outcome& result);
  outcome drop_new(const outbox_item& item, outcome so_far);
  outcome overflowed(outbox_item&& item, outcome so_far);
  std::uint32_t drop_node(std::uint32_t node);
  filled fill_slowly(std::vector<slice>& out, std::size_t bytes_max, mono_ms now, const gap_maker& maker);
  struct pass;
  void emit_returned(pass& p);
  bool emit_head(pass& p, std::uint32_t node);
  void fill_in_order(pass& p);
  void fill_in_turns(pass& p);

  const outbox_limits* limits_;
  std::unique_ptr<backlog> backlog_; ///< Null while at most one item waits.
  std::size_t bytes_ = 0;            ///< What was given back included.
  std::size_t control_bytes_ = 0;
  std::uint32_t messages_ = 0;
  std::uint32_t control_messages_ = 0;
  outbox_item single_;
  bool has_single_ = false;
  bool congested_ = false;
};

} // namespace troupe
