#include "runtime/model/outbox.hpp"

#include <algorithm>
#include <cassert>
#include <functional>
#include <unordered_map>

namespace troupe {

namespace {

constexpr std::uint32_t nil = 0xffffffff;

/// An item or, with `is_gap`, the place where some were dropped: then the item's seqs are the gap's.
struct node {
  outbox_item item;
  std::uint64_t lost = 0;                          ///< Of a gap: messages.
  std::uint32_t before = nil, after = nil;         ///< In its source's order.
  std::uint32_t all_before = nil, all_after = nil; ///< In order of arrival.
  bool is_gap = false;
};

/// The queue of one source.
struct queue {
  std::uint32_t source;
  std::uint32_t head = nil, tail = nil;
  std::size_t bytes = 0;
  std::size_t deficit_bytes = 0; ///< What it may send still in this round.
  bool served = false;           ///< Its quantum of this round has been granted.
};

struct slot {
  std::uint32_t source;
  std::uint64_t key;
  friend bool operator==(const slot&, const slot&) = default;
};

struct slot_hash {
  std::size_t operator()(const slot& s) const noexcept {
    return std::hash<std::uint64_t>{}(s.key ^ (std::uint64_t{s.source} << 32));
  }
};

} // namespace

std::string_view to_string(overflow policy) noexcept {
  switch (policy) {
  case overflow::disconnect:
    return "disconnect";
  case overflow::drop_oldest:
    return "drop_oldest";
  case overflow::drop_newest:
    return "drop_newest";
  case overflow::conflate:
    return "conflate";
  case overflow::spill:
    return "spill";
  }
  return "disconnect";
}

/// Two orders over one pool of nodes: of each source, and of arrival. Linking and unlinking is O(1).
struct outbox::backlog {
  std::vector<node> nodes;
  std::uint32_t free = nil;  ///< Unused nodes, linked by `after`.
  std::uint32_t first = nil; ///< In order of arrival.
  std::uint32_t last = nil;
  std::vector<queue> queues;                               ///< Of sources with nodes, by source.
  std::uint32_t turn = 0;                                  ///< The source (or the next higher one) whose turn it is.
  std::unordered_map<slot, std::uint32_t, slot_hash> keys; ///< The newest node of each key that conflates.
  std::vector<slice> returned;                             ///< Goes first: it has left its queue already.

  std::vector<queue>::iterator at_or_after(std::uint32_t source) {
    return std::lower_bound(queues.begin(), queues.end(), source,
                            [](const queue& q, std::uint32_t s) { return q.source < s; });
  }

  queue* find(std::uint32_t source) {
    auto it = at_or_after(source);
    return it != queues.end() && it->source == source ? &*it : nullptr;
  }

  queue& find_or_make(std::uint32_t source) {
    auto it = at_or_after(source);
    if (it == queues.end() || it->source != source)
      it = queues.insert(it, queue{source});
    return *it;
  }

  std::uint32_t make_node(outbox_item&& item) {
    auto index = free;
    if (index == nil) {
      index = static_cast<std::uint32_t>(nodes.size());
      nodes.emplace_back();
    } else {
      free = nodes[index].after;
      nodes[index] = node{};
    }
    nodes[index].item = std::move(item);
    return index;
  }

  /// Appends to its source's order and to the order of arrival.
  std::uint32_t append(outbox_item&& item) {
    auto index = make_node(std::move(item));
    auto& n = nodes[index];
    auto& q = find_or_make(n.item.source);
    n.before = q.tail;
    (q.tail == nil ? q.head : nodes[q.tail].after) = index;
    q.tail = index;
    n.all_before = last;
    (last == nil ? first : nodes[last].all_after) = index;
    last = index;
    q.bytes += n.item.data.bytes.size();
    if (n.item.policy == overflow::conflate && n.item.conflate_key != 0)
      keys[slot{n.item.source, n.item.conflate_key}] = index;
    return index;
  }

  void forget_key(std::uint32_t index) {
    const auto& item = nodes[index].item;
    if (item.policy != overflow::conflate || item.conflate_key == 0)
      return;
    auto it = keys.find(slot{item.source, item.conflate_key});
    if (it != keys.end() && it->second == index)
      keys.erase(it);
  }

  /// Takes a node out of both orders. Keeps its queue, even an empty one.
  void unlink(std::uint32_t index) {
    auto& n = nodes[index];
    auto& q = *find(n.item.source);
    (n.before == nil ? q.head : nodes[n.before].after) = n.after;
    (n.after == nil ? q.tail : nodes[n.after].before) = n.before;
    (n.all_before == nil ? first : nodes[n.all_before].all_after) = n.all_after;
    (n.all_after == nil ? last : nodes[n.all_after].all_before) = n.all_before;
    if (!n.is_gap) {
      q.bytes -= n.item.data.bytes.size();
      forget_key(index);
    }
    n.item.data = {};
    n.after = free;
    free = index;
  }

  void erase_if_empty(std::uint32_t source) {
    auto it = at_or_after(source);
    if (it != queues.end() && it->source == source && it->head == nil)
      queues.erase(it);
  }

  /// Turns an item into a gap in its place.
  void into_gap(std::uint32_t index) {
    auto& n = nodes[index];
    find(n.item.source)->bytes -= n.item.data.bytes.size();
    forget_key(index);
    n.is_gap = true;
    n.lost = n.item.frames;
    n.item.data = {};
    join_gaps(n.before, index);
    // Where the node before was a gap this one is gone now, and that one stands in its place.
    auto here = n.is_gap ? index : nil;
    if (here != nil)
      join_gaps(here, nodes[here].after);
  }

  /// Makes one gap of two neighbours that are gaps.
  void join_gaps(std::uint32_t left, std::uint32_t right) {
    if (left == nil || right == nil || !nodes[left].is_gap || !nodes[right].is_gap)
      return;
    auto& l = nodes[left];
    auto& r = nodes[right];
    if (l.item.seq_first == 0)
      l.item.seq_first = r.item.seq_first;
    l.item.seq_last = std::max(l.item.seq_last, r.item.seq_last);
    l.lost += r.lost;
    auto next = r.after;
    unlink(right);
    r.is_gap = false;
    if (next != nil && nodes[next].is_gap)
      join_gaps(left, next);
  }

  /// Takes an item out without a trace; gaps around it become one.
  void take_out(std::uint32_t index) {
    auto before = nodes[index].before;
    auto after = nodes[index].after;
    unlink(index);
    join_gaps(before, after);
  }
};

/// One call of `fill` on its way.
struct outbox::pass {
  std::vector<slice>& out;
  std::size_t bytes_max;
  mono_ms now;
  const gap_maker& maker;
  filled result;
  std::size_t slices = 0;

  bool has_place(std::size_t bytes) const noexcept { return slices == 0 || result.bytes + bytes <= bytes_max; }
  void emit(slice&& data) {
    result.bytes += data.bytes.size();
    ++slices;
    out.push_back(std::move(data));
  }
};

outbox::outbox(const outbox_limits& limits) noexcept
    : limits_{&limits} {}

outbox::~outbox() = default;

bool outbox::fits(const outbox_item& item) const noexcept {
  auto bytes = item.data.bytes.size();
  if (item.source == 0)
    return control_messages_ == 0 || (control_messages_ + item.frames <= limits_->control_messages_max &&
                                      control_bytes_ + bytes <= limits_->control_bytes_max);
  return bytes_ + messages_ == 0 ||
         (messages_ + item.frames <= limits_->messages_max && bytes_ + bytes <= limits_->bytes_max);
}

outbox::backlog& outbox::ensure_backlog() {
  if (!backlog_) {
    backlog_ = std::make_unique<backlog>();
    backlog_->nodes.reserve(4);
    if (has_single_) {
      backlog_->append(std::move(single_));
      single_.data = {};
      has_single_ = false;
    }
  }
  return *backlog_;
}

void outbox::drained() noexcept {
  assert(messages() == 0 && bytes() == 0);
  backlog_.reset();
  congested_ = false;
}

void outbox::offer_anyway(outbox_item item) {
  item.exempt = true;
  ensure_backlog().append(std::move(item));
}

outbox::outcome outbox::append(outbox_item&& item, outcome so_far) {
  account(item);
  ensure_backlog().append(std::move(item));
  so_far.what = verdict::queued;
  return so_far;
}

outbox::outcome outbox::offer_slowly(outbox_item&& item) {
  outcome result;
  if (item.source != 0 && item.policy == overflow::conflate && item.conflate_key != 0 && (congested_ || !fits(item))) {
    auto& b = ensure_backlog();
    auto it = b.keys.find(slot{item.source, item.conflate_key});
    if (it != b.keys.end()) {
      // The newest goes to the end, not to the place of the old one: numbers must rise within a source.
      auto old = it->second;
      result.conflated = b.nodes[old].item.frames;
      release(b.nodes[old].item);
      b.take_out(old);
    }
  }
  if (fits(item))
    return append(std::move(item), result);
  return overflowed(std::move(item), result);
}

outbox::outcome outbox::overflowed(outbox_item&& item, outcome result) {
  if (item.source == 0) {
    result.what = verdict::overflow_close;
    return result;
  }
  switch (item.policy) {
  case overflow::conflate:
  case overflow::drop_oldest:
    if (make_room_from(item.source, item, result))
      return append(std::move(item), result);
    return drop_new(item, result);
  case overflow::drop_newest:
    return drop_new(item, result);
  case overflow::spill:
    result.what = verdict::spilled;
    return result;
  case overflow::disconnect:
    break;
  }
  if (shed_for(item, result))
    return append(std::move(item), result);
  result.what = verdict::overflow_close;
  return result;
}

outbox::outcome outbox::drop_new(const outbox_item& item, outcome result) {
  auto& b = ensure_backlog();
  auto gap = item;
  gap.data = {};
  gap.conflate_key = 0;
  b.into_gap(b.append(std::move(gap)));
  result.what = verdict::dropped;
  result.dropped += item.frames;
  return result;
}

std::uint32_t outbox::drop_node(std::uint32_t index) {
  auto& item = backlog_->nodes[index].item;
  auto frames = item.frames;
  release(item);
  backlog_->into_gap(index);
  return frames;
}

/// Drops the oldest of a source, as far as they may be dropped, until the wanted item fits.
bool outbox::make_room_from(std::uint32_t source, const outbox_item& wanted, outcome& result) {
  auto& b = ensure_backlog();
  auto* q = b.find(source);
  auto index = q == nullptr ? nil : q->head;
  while (index != nil && !fits(wanted)) {
    // `index` may become part of the gap before it, but the node behind an item stays: two gaps never neighbour.
    auto next = b.nodes[index].after;
    if (next != nil && b.nodes[next].is_gap && !b.nodes[index].is_gap)
      next = b.nodes[next].after;
    const auto& n = b.nodes[index];
    if (!n.is_gap && n.item.policy != overflow::disconnect && n.item.policy != overflow::spill)
      result.dropped += drop_node(index);
    index = next;
  }
  return fits(wanted);
}

/// Drops messages of sources that allow it, of the fullest first, until the wanted item fits.
bool outbox::shed_for(const outbox_item& wanted, outcome& result) {
  auto& b = ensure_backlog();
  std::vector<std::pair<std::size_t, std::uint32_t>> by_size;
  for (const auto& q : b.queues)
    if (q.source != 0)
      by_size.emplace_back(q.bytes, q.source);
  std::sort(by_size.rbegin(), by_size.rend());
  for (const auto& entry : by_size)
    if (make_room_from(entry.second, wanted, result))
      return true;
  return fits(wanted);
}

void outbox::give_back(std::span<const slice> untaken) {
  if (untaken.empty())
    return;
  auto& b = ensure_backlog();
  b.returned.insert(b.returned.begin(), untaken.begin(), untaken.end());
  for (const auto& s : untaken)
    bytes_ += s.bytes.size();
  congested_ = true;
}

std::uint64_t outbox::forget(std::uint32_t source) {
  if (empty())
    return 0;
  auto& b = ensure_backlog();
  auto* q = b.find(source);
  if (q == nullptr)
    return 0;
  std::uint64_t count = 0;
  while (q->head != nil) {
    auto& n = b.nodes[q->head];
    if (!n.is_gap) {
      count += n.item.frames;
      release_node(n.item);
    }
    b.unlink(q->head);
  }
  b.erase_if_empty(source);
  if (b.first == nil && b.returned.empty())
    drained();
  return count;
}

outbox::filled outbox::fill_slowly(std::vector<slice>& out, std::size_t bytes_max, mono_ms now,
                                   const gap_maker& maker) {
  pass p{out, bytes_max, now, maker, {}};
  emit_returned(p);
  if (backlog_->returned.empty()) {
    if (congested_)
      fill_in_turns(p);
    else
      fill_in_order(p);
  }
  if (backlog_->first == nil && backlog_->returned.empty()) {
    drained();
  } else {
    congested_ = true;
    p.result.more = true;
  }
  return p.result;
}

void outbox::emit_returned(pass& p) {
  auto& b = *backlog_;
  std::size_t count = 0;
  for (; count < b.returned.size() && p.has_place(b.returned[count].bytes.size()); ++count) {
    auto bytes = b.returned[count].bytes.size();
    bytes_ -= bytes;
    p.emit(std::move(b.returned[count]));
  }
  b.returned.erase(b.returned.begin(), b.returned.begin() + static_cast<std::ptrdiff_t>(count));
}

/// Sends the first node of a source. @returns false where it has no place in this pass any more
bool outbox::emit_head(pass& p, std::uint32_t index) {
  auto& b = *backlog_;
  auto& n = b.nodes[index];
  if (n.is_gap) {
    if (!p.has_place(1)) // what the frame will take is not known yet: it is small
      return false;
    auto frame = p.maker.make(p.maker.context,
                              outbox_gap{n.item.source, n.item.policy, n.item.seq_first, n.item.seq_last, n.lost});
    if (!frame.bytes.empty())
      p.emit(std::move(frame));
  } else if (n.item.expires != 0 && n.item.expires < p.now) {
    p.result.expired += n.item.frames;
    release_node(n.item);
  } else {
    if (!p.has_place(n.item.data.bytes.size()))
      return false;
    release_node(n.item);
    auto data = n.item.data; // unlink still needs its size
    p.emit(std::move(data));
  }
  b.unlink(index);
  b.nodes[index].is_gap = false;
  return true;
}

void outbox::fill_in_order(pass& p) {
  auto& b = *backlog_;
  while (b.first != nil) {
    auto source = b.nodes[b.first].item.source;
    if (!emit_head(p, b.first))
      return;
    b.erase_if_empty(source);
  }
}

void outbox::fill_in_turns(pass& p) {
  auto& b = *backlog_;
  // The share of control.
  auto reserve = p.result.bytes + std::max(quantum_bytes, p.bytes_max / 4);
  while (auto* control = b.find(0)) {
    if (p.result.bytes >= reserve || !emit_head(p, control->head))
      break;
    b.erase_if_empty(0);
  }
  while (!b.queues.empty()) {
    auto it = b.at_or_after(b.turn);
    if (it == b.queues.end())
      it = b.queues.begin();
    b.turn = it->source;
    if (!it->served) {
      it->served = true;
      it->deficit_bytes += quantum_bytes;
    }
    while (it->head != nil) {
      auto bytes = b.nodes[it->head].item.data.bytes.size();
      if (bytes > it->deficit_bytes && b.queues.size() > 1)
        break;
      if (!emit_head(p, it->head))
        return; // the turn stays with this source
      it->deficit_bytes -= std::min(bytes, it->deficit_bytes);
    }
    auto source = it->source;
    it->served = false;
    b.turn = source + 1; // past the highest id it wraps to control
    b.erase_if_empty(source);
  }
}

} // namespace troupe
