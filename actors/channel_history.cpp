// The history of a channel: what `channel:history` is answered with.

#include "actors/answers.hpp"
#include "actors/channel_audit.hpp"
#include "actors/channel_home.hpp"
#include "runtime/wire/json.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr std::size_t history_bytes_max = 256 * 1024; // of one answer
constexpr std::size_t read_on_messages_min = 256;     // of a history that has found too little
constexpr std::ptrdiff_t histories_of_one_max = 4;    // that a connection may be waiting for

} // namespace

void channel_home::history(const room_op& op, mono_ms) {
  const auto& asked = *op.more;
  asked_history h{op.who, op.incarnation, op.encoder, op.id, {}, std::max<std::size_t>(asked.limit, 1), {}, {}};
  if (asked.member != nullptr)
    h.asker = asked.member->who;
  const auto of_same = [&](const auto& other) { return other.second.who == op.who; };
  if (histories_.size() >= what_.settings.histories ||
      std::count_if(histories_.begin(), histories_.end(), of_same) >= histories_of_one_max) {
    pressure_.push_back("histories_limit");
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
void channel_home::history_found(asked_history h, const std::vector<stored_message>& found, const failure* why) {
  if (why != nullptr) {
    out_.speak_to(h.incarnation);
    return out_.answer(h.who, h.encoder, "error", h.id, failure_payload(*why), {});
  }
  for (const auto& m : found) {
    if (h.left == 0)
      break;
    (h.rest.reverse ? h.rest.to : h.rest.from) = h.rest.reverse ? m.offset - 1 : m.offset + 1;
    if (m.what == nullptr)
      continue;
    const bool theirs = h.asker != nullptr ? m.what->is_for(*h.asker) : m.what->fields().audience.empty();
    if (!theirs || expired(*m.what, now_wall_))
      continue;
    --h.left;
    h.rest.bytes_max -= std::min(h.rest.bytes_max, m.what->size());
    if (!h.messages.empty())
      h.messages += ',';
    wire::encode_json(h.messages, *m.what, {m.offset, what_.epoch});
  }
  if (found.empty())
    return answer_history(h);
  h.rest.messages_max = std::max(h.left, read_on_messages_min);
  read_on(std::move(h));
}

void channel_home::answer_history(const asked_history& asked) {
  out_.speak_to(asked.incarnation);
  auto payload = place(stored_);
  payload += ",\"messages\":[";
  payload += asked.messages;
  payload += "]}";
  out_.answer(asked.who, asked.encoder, "channel:history", asked.id, payload, {});
}

} // namespace troupe
