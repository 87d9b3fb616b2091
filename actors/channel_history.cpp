// The history of a channel: what `channel:history` is answered with.

#include "actors/answers.hpp"
#include "actors/channel_audit.hpp"
#include "actors/channel_home.hpp"
#include "runtime/model/json_text.hpp"
#include "runtime/wire/json.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr std::size_t history_bytes_max = 256 * 1024; // of one answer
constexpr std::size_t read_on_messages_min = 256;     // of a history that has found too little
constexpr std::ptrdiff_t histories_of_one_max = 4;    // that a connection may be waiting for

void append_damaged(std::string& out, const offset_range& damaged) {
  if (!out.empty())
    out += ',';
  out += "{\"reason\":\"damaged\",\"from\":";
  append_json_number(out, damaged.first);
  out += ",\"to\":";
  append_json_number(out, damaged.last);
  out += '}';
}

} // namespace

void channel_home::history(const room_op& op, mono_ms) {
  const auto& asked = *op.more;
  asked_history h{op.who, op.incarnation, op.encoder, op.id, {}, std::max<std::size_t>(asked.limit, 1), {}, {}, {}};
  if (asked.member != nullptr)
    h.asker = asked.member->who;
  const auto of_same = [&](const auto& other) { return other.second.who == op.who; };
  if (histories_.size() >= what_.settings.histories ||
      std::count_if(histories_.begin(), histories_.end(), of_same) >= histories_of_one_max) {
    pressure_.emplace_back("histories_limit");
    out_.speak_to(h.incarnation);
    const failure busy{error_code::rate_limited, "too many ask for the history of this channel just now", 1000};
    return out_.answer(h.who, h.encoder, "error", h.id, failure_payload(busy), {});
  }
  if (audit_ != nullptr && h.asker != nullptr)
    audit_->read(*h.asker, what_.epoch, stored_, asked);
  if (asked.since && asked.since->epoch != what_.epoch)
    return answer_history(h);
  if (asked.since && !asked.reverse && asked.since->seq >= stored_) // which may be as large as a number can be
    return answer_history(h);
  h.rest = {0, first_, stored_, asked.reverse, h.left, history_bytes_max};
  if (asked.since && asked.reverse)
    h.rest.to = std::min(h.rest.to, asked.since->seq == 0 ? 0 : asked.since->seq - 1);
  else if (asked.since)
    h.rest.from = std::max(h.rest.from, asked.since->seq + 1);
  read_on(std::move(h));
}

void channel_home::read_on(asked_history h) {
  if (h.left == 0 || h.rest.bytes_max == 0 || h.rest.from > h.rest.to)
    return answer_history(h);
  h.rest.ticket = ++last_ticket_;
  reads_.push_back(h.rest);
  histories_[h.rest.ticket] = std::move(h);
}

// What is over or not for who asks does not count: it is read on until there is enough.
void channel_home::history_found(asked_history h, const stored_messages& found, const offset_ranges& damaged,
                                 const failure* why) {
  if (why != nullptr) {
    out_.speak_to(h.incarnation);
    return out_.answer(h.who, h.encoder, "error", h.id, failure_payload(*why), {});
  }
  const auto read_upto = [&h](std::uint64_t first, std::uint64_t last) {
    (h.rest.reverse ? h.rest.to : h.rest.from) = h.rest.reverse ? first - 1 : last + 1;
  };
  const auto add = [&](const stored_message& m) {
    read_upto(m.offset, m.offset);
    if (m.what == nullptr)
      return;
    const bool theirs = h.asker != nullptr ? m.what->is_for(*h.asker) : m.what->fields().audience.empty();
    if (!theirs || expired(*m.what, now_wall_))
      return;
    --h.left;
    h.rest.bytes_max -= std::min(h.rest.bytes_max, m.what->size());
    if (!h.messages.empty())
      h.messages += ',';
    wire::encode_json(h.messages, *m.what, {m.offset, what_.epoch});
  };
  const auto add_gap = [&](const offset_range& bad) {
    read_upto(bad.first, bad.last);
    const auto before = h.gaps.size();
    append_damaged(h.gaps, bad);
    h.rest.bytes_max -= std::min(h.rest.bytes_max, h.gaps.size() - before); // so that there is an end of them too
  };
  auto m = found.begin();
  auto bad = damaged.begin();
  while (h.left > 0 && h.rest.bytes_max > 0 && (m != found.end() || bad != damaged.end())) {
    const bool is_gap =
        bad != damaged.end() && (m == found.end() || (h.rest.reverse ? bad->first > m->offset : bad->last < m->offset));
    is_gap ? add_gap(*bad++) : add(*m++);
  }
  if (found.empty() && damaged.empty())
    return answer_history(h);
  h.rest.messages_max = std::max(h.left, read_on_messages_min);
  read_on(std::move(h));
}

void channel_home::answer_history(const asked_history& asked) {
  out_.speak_to(asked.incarnation);
  auto payload = place(stored_);
  payload += ",\"messages\":[";
  payload += asked.messages;
  payload += ']';
  if (!asked.gaps.empty())
    payload.append(",\"gaps\":[").append(asked.gaps) += ']';
  payload += '}';
  out_.answer(asked.who, asked.encoder, "channel:history", asked.id, payload, {});
}

} // namespace troupe
