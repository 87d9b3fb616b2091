#include "actors/last_words.hpp"

#include "actors/answers.hpp"
#include "actors/news_writer.hpp"

#include <caf/send.hpp>

#include <map>
#include <utility>

namespace troupe {

last_words::last_words(std::uint32_t id, target_kind kind, std::string name, std::vector<fan_out_handle> fans)
    : id_(id)
    , kind_(kind)
    , name_(std::move(name))
    , fans_(std::move(fans)) {}

void last_words::answer(const std::vector<room_op>& ops) const noexcept {
  static const failure ended{error_code::unavailable, "it has ended before it came to this: send it again", 1000};
  std::map<std::uint32_t, news_writer> voices; // by loop
  for (const auto& op : ops) {
    // A join is answered by its fan-out, once it knows of the new home.
    if (!op.answer || op.verb == room_verb::join)
      continue;
    auto& voice = voices.try_emplace(op.loop, id_, kind_, name_).first->second;
    voice.speak_to(op.incarnation);
    const std::string_view id = op.message != nullptr ? op.message->id() : std::string_view{op.id};
    if (op.verb == room_verb::leave)
      voice.answer(op.who, op.encoder, "ack", id, "{}", {}); // the new home is not told of who wanted to leave
    else
      voice.answer(op.who, op.encoder, "error", id, failure_payload(ended), {});
  }
  for (auto& [loop, voice] : voices)
    if (loop < fans_.size())
      caf::anon_send(fans_[loop], voice.seal(false));
}

void stamp_letters(caf::mailbox_element& what, const std::shared_ptr<const dead_letters>& letters) {
  if (const auto& content = what.content(); content.match_elements<room_ops_ptr>())
    content.get_as<room_ops_ptr>(0)->letters = letters;
}

} // namespace troupe
