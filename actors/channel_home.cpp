#include "actors/channel_home.hpp"

#include "actors/answers.hpp"
#include "runtime/model/json_text.hpp"
#include "runtime/wire/parse.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <limits>

namespace troupe {
namespace {

constexpr std::uint64_t stretch_messages_max = 64;
constexpr int stretches_of_a_history = 64; // its bounds by bytes and age hold to within one of so many parts

// What an answer needs of an operation.
room_op answer_only(const room_op& op) {
  room_op kept;
  kept.verb = op.verb;
  kept.answer = true;
  kept.loop = op.loop;
  kept.who = op.who;
  kept.incarnation = op.incarnation;
  kept.encoder = op.encoder;
  kept.id = op.message->id();
  return kept;
}

} // namespace

channel_home::channel_home(setup what)
    : what_(std::move(what))
    , out_(what_.id, target_kind::channel, what_.name)
    , ring_(what_.epoch, what_.last,
            {what_.settings.ring_messages, what_.settings.ring_bytes, std::numeric_limits<std::int64_t>::max() / 2})
    , resends_(what_.settings.dedupe_messages)
    , first_(std::clamp<std::uint64_t>(what_.first, 1, what_.last + 1))
    , stored_(what_.last)
    , given_out_(what_.last) {
  for (const auto& m : what_.window)
    if (unique(*m.what))
      resends_.settle(*m.what, m.offset);
  what_.window.clear();
  auto last = first_ - 1;
  bytes_ = what_.bytes_before;
  for (const auto& mark : what_.marks) {
    const auto ended = what_.now - mark.age_ms;
    stretches_.push_back(
        {last + 1, mark.last, bytes_, mark.bytes, stretches_.empty() ? ended : stretches_.back().ended, ended});
    last = mark.last;
    bytes_ = mark.bytes;
  }
  what_.marks.clear();
  trim(what_.now);
}

qos channel_home::quality(const message& m) const noexcept {
  return static_cast<qos>(std::max<std::size_t>(static_cast<std::size_t>(m.fields().qos), what_.settings.qos_floor));
}

// -- publishing

void channel_home::publish(const room_op& op, mono_ms) {
  if (op.message->size() > message_bytes_max)
    return refuse(op, {error_code::too_large,
                       "a message of a channel has at most " + std::to_string(message_bytes_max) + " bytes",
                       {}});
  const bool once = unique(*op.message);
  if (once)
    if (const auto known = resends_.find(*op.message))
      return answer_again(op, *known);
  unstored_.push_back({++given_out_, op.message, {}});
  if (op.answer)
    unstored_.back().waiting.push_back(answer_only(op));
  if (once)
    resends_.expect(*op.message, given_out_);
  appends_.push_back({given_out_, op.message});
}

/// A duplicate is never acknowledged before its original.
void channel_home::answer_again(const room_op& op, const resend_window::original& original) {
  if (!original.same_content)
    return refuse(op, {error_code::conflict, "another message was sent with this id", {}});
  if (!op.answer)
    return;
  if (original.number <= stored_)
    return acknowledge_publish(op, original.number);
  unstored_[original.number - unstored_.front().offset].waiting.push_back(answer_only(op));
}

void channel_home::stored(std::uint64_t upto, mono_ms now) {
  while (!unstored_.empty() && unstored_.front().offset <= upto) {
    const auto done = std::move(unstored_.front());
    unstored_.pop_front();
    const auto bytes = done.what->size();
    stored_ = done.offset;
    extend_history(bytes, now);
    ring_.push(done.offset, bytes, now, done.what);
    if (unique(*done.what))
      resends_.settle(*done.what, done.offset);
    frame({done.offset, done.what}, now);
    for (const auto& op : done.waiting)
      acknowledge_publish(op, done.offset);
  }
  trim(now);
}

void channel_home::not_stored(std::uint64_t from, const failure& why) {
  std::erase_if(appends_, [&](const stored_message& m) { return m.offset >= from; });
  const auto begin = std::find_if(unstored_.begin(), unstored_.end(), [&](const auto& m) { return m.offset >= from; });
  for (auto at = begin; at != unstored_.end(); ++at) {
    if (unique(*at->what))
      resends_.forget(*at->what);
    for (const auto& op : at->waiting)
      refuse(op, why);
  }
  unstored_.erase(begin, unstored_.end());
  given_out_ = unstored_.empty() ? stored_ : unstored_.back().offset;
}

std::vector<room_op> channel_home::take_waiting() {
  std::vector<room_op> out;
  for (auto& m : unstored_)
    std::move(m.waiting.begin(), m.waiting.end(), std::back_inserter(out));
  unstored_.clear();
  return out;
}

void channel_home::frame(const stored_message& m, mono_ms now) {
  if (expired(*m.what, now_wall_))
    return;
  batch_frame f;
  f.message = m.what;
  f.seq = m.offset;
  f.expires = end_of_ttl(*m.what, now_wall_, now);
  if (what_.settings.overflow == overflow::conflate) {
    const auto key = wire::header(*m.what, "conflate");
    f.conflate_key = std::hash<std::string_view>{}(key ? std::string_view{*key} : m.what->type()) | 1;
  }
  out_.frame(std::move(f), {m.offset, what_.epoch});
  if (!reliable(*m.what))
    return;
  for (auto& [who, s] : subscribers_) {
    if (!s.live || !wants(s, *m.what))
      continue;
    owe(s, m.offset, now);
    if (full(s)) // the client has to acknowledge before more comes
      pause(who, s, m.offset + 1);
  }
}

// -- retention

void channel_home::extend_history(std::size_t bytes, mono_ms now) {
  const auto& bounds = what_.settings;
  const auto before = std::exchange(bytes_, bytes_ + bytes);
  if (!stretches_.empty()) {
    auto& last = stretches_.back();
    if (last.last - last.first + 1 < stretch_messages_max &&
        before - last.bytes_before < bounds.history_bytes / stretches_of_a_history &&
        now - last.begun <= bounds.history_age.count() / stretches_of_a_history) {
      last.last = stored_;
      last.bytes = bytes_;
      last.ended = now;
      return;
    }
  }
  stretches_.push_back({stored_, stored_, before, bytes_, now, now});
}

void channel_home::trim(mono_ms now) {
  const auto& bounds = what_.settings;
  while (!stretches_.empty() && (now - stretches_.front().ended > bounds.history_age.count() ||
                                 bytes_ - stretches_.front().bytes > bounds.history_bytes)) {
    first_ = std::max(first_, stretches_.front().last + 1);
    stretches_.pop_front();
  }
  if (stored_ >= bounds.history_messages)
    first_ = std::max<std::uint64_t>(first_, stored_ - bounds.history_messages + 1);
  while (!stretches_.empty() && stretches_.front().last < first_)
    stretches_.pop_front();
}

void channel_home::dropped_before(std::uint64_t first, mono_ms now) {
  first_ = std::max(first_, std::min(first, stored_ + 1));
  trim(now);
  // Who waits for an answer of the log, or for its outbox, is told of the gap then.
  for (auto& [who, s] : subscribers_)
    if (!s.live && s.next < first_)
      advance(who, s, now);
}

void channel_home::forget(std::string_view subject) {
  ring_.forget_if([&](const message_ptr& m) { return m != nullptr && m->fields().subject == subject; });
  if (!readers_.empty() || !histories_.empty())
    forgotten_.emplace_back(subject, last_ticket_);
}

// -- answers

/// `{"epoch":..,"offset":..` without its end.
std::string channel_home::place(std::uint64_t offset) const {
  std::string payload = "{\"epoch\":\"" + what_.epoch + "\",\"offset\":";
  append_json_number(payload, offset);
  return payload;
}

void channel_home::answer(const room_op& op, std::string_view type, std::string_view payload) {
  if (!op.answer)
    return;
  out_.speak_to(op.incarnation);
  out_.answer(op.who, op.encoder, type, op.message != nullptr ? op.message->id() : std::string_view{op.id}, payload,
              {});
}

void channel_home::tell(member_key who, const subscriber& s, room_event::kind what, bool recovered) {
  out_.speak_to(s.info->incarnation);
  out_.tell(what, who, recovered);
}

void channel_home::refuse(const room_op& op, const failure& why) { answer(op, "error", failure_payload(why)); }

void channel_home::acknowledge_publish(const room_op& op, std::uint64_t offset) {
  answer(op, "ack", place(offset) + "}");
}

} // namespace troupe
