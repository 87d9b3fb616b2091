// What a fan-out does most: a room's batch to each of its members on this loop.

#include "actors/egress.hpp"
#include "actors/fan_out.hpp"

namespace troupe {
namespace {

/// Whether such a policy decides over all that a turn brings as one piece.
constexpr bool takes_runs(overflow policy) noexcept {
  return policy == overflow::disconnect || policy == overflow::spill;
}

} // namespace

// Most members get the whole buffer as one slice; who is excluded somewhere, has messages of its own or a
// filter is marked first and gets the slices in between. So does everybody where a message has an audience.
void fan_out::deliver(local_room& room, const std::shared_ptr<const room_batch>& batch) {
  const std::uint64_t mark = ++marks_;
  const auto look_at = [&](member_key who) {
    if (const auto at = room.at.find(who); at != room.at.end())
      room.members[at->second].mark = mark;
  };
  if (batch->any_except)
    for (const auto& frame : batch->frames)
      if (frame.except != 0)
        look_at(frame.except);
  for (const auto& single : batch->singles)
    look_at(single.to);
  if (!batch->frames.empty()) {
    const bool single_frames = batch->any_expires || batch->any_audience || !takes_runs(room.policy);
    ++room.batches;
    room.seq_last = batch->seq_last;
    constexpr std::size_t ahead = 4;
    for (std::size_t i = 0; i < room.members.size(); ++i) {
      if (i + ahead < room.members.size())
        room.members[i + ahead].out->fetch_early();
      auto& m = room.members[i];
      egress& out = *m.out;
      if (m.mark == mark || m.paused || single_frames || !out.filter().open() ||
          (batch->any_presence && !m.info->presence)) {
        if (m.mark == mark || !m.paused)
          deliver_slices(room, m, batch, out);
        continue;
      }
      const auto* encoded = batch->in(out.encoder());
      if (encoded == nullptr)
        continue;
      // Whoever holds a slice holds the batch.
      const auto what = out.offer({.data = {{batch, &encoded->bytes}, encoded->bytes},
                                   .source = room.id,
                                   .frames = static_cast<std::uint32_t>(batch->frames.size()),
                                   .seq_first = batch->seq_first,
                                   .seq_last = batch->seq_last,
                                   .policy = room.policy});
      if (what == outbox::verdict::spilled) [[unlikely]]
        spill(room, m, batch->seq_first);
    }
  }
  deliver_strays(room, *batch);
}

void fan_out::deliver_slices(local_room& room, local_room::member& m, const std::shared_ptr<const room_batch>& shared,
                             egress& out) {
  const room_batch& batch = *shared;
  static const room_batch::encoded nothing;
  const auto* format = batch.in(out.encoder());
  const auto& encoded = format == nullptr ? nothing : *format;
  const auto key = m.info->key;
  const bool whole_runs = takes_runs(room.policy) && !batch.any_expires;
  outbox_item run;
  run.source = room.id;
  run.frames = 0;
  run.policy = room.policy;
  std::uint32_t run_begin = 0;
  std::size_t next_single = 0;
  const auto end_run = [&](std::uint32_t end) {
    if (run.frames != 0) {
      run.data = {{shared, &encoded.bytes}, std::string_view{encoded.bytes}.substr(run_begin, end - run_begin)};
      if (out.offer(run) == outbox::verdict::spilled)
        spill(room, m, run.seq_first); // which pauses it: nothing is taken in part
    }
    run.frames = 0;
    run.seq_first = run.seq_last = 0;
  };
  const auto singles_before = [&](std::uint32_t index, std::uint32_t end) {
    for (; next_single < batch.singles.size() && batch.singles[next_single].before <= index; ++next_single) {
      const auto& single = batch.singles[next_single];
      if (single.to != key || single.incarnation != m.info->incarnation)
        continue;
      end_run(end);
      if (single.stored)
        give_stored(room, m, single);
      else
        out.offer({.data = {single.bytes, *single.bytes}, .source = room.id, .policy = overflow::disconnect});
    }
  };
  std::uint32_t begin = 0;
  for (std::uint32_t i = 0; i < encoded.ends.size(); ++i) {
    const auto& frame = batch.frames[i];
    const std::uint32_t end = encoded.ends[i];
    singles_before(i, begin);
    const bool wanted = frame.except != key && (!frame.presence || m.info->presence) &&
                        (frame.seq == 0 || out.filter().passes(frame.message->type())) &&
                        frame.message->is_for(*m.info->who);
    if (!wanted || (!whole_runs && run.frames != 0))
      end_run(begin);
    if (wanted && !m.paused) {
      if (run.frames++ == 0) {
        run_begin = begin;
        run.seq_first = frame.seq;
        run.expires = frame.expires;
        run.conflate_key = frame.conflate_key;
      }
      run.seq_last = frame.seq;
    }
    begin = end;
  }
  end_run(begin);
  singles_before(static_cast<std::uint32_t>(batch.frames.size()), begin);
}

// Answers to connections of this loop that are no members: a refused join, a leave that came twice.
void fan_out::deliver_strays(local_room& room, const room_batch& batch) {
  for (const auto& single : batch.singles) {
    if (room.at.contains(single.to) && !batch.frames.empty())
      continue;
    if (single.stored) {
      if (const auto at = room.at.find(single.to); at != room.at.end())
        give_stored(room, room.members[at->second], single);
      continue;
    }
    if (const auto port = ports_.find(single.to);
        port != ports_.end() && port->second->incarnation() == single.incarnation)
      port->second->out().offer({.data = {single.bytes, *single.bytes}, .source = room.id});
  }
}

} // namespace troupe
