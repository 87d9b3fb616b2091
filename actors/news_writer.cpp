#include "actors/news_writer.hpp"

#include "actors/answers.hpp"

#include <algorithm>
#include <utility>

namespace troupe {
namespace {

constexpr std::size_t frames_reserved = 4; // of a turn, in most rooms at most times
constexpr std::size_t bytes_reserved_max = 64 * 1024;

} // namespace

news_writer::news_writer(std::uint32_t id, target_kind kind, std::string name)
    : id_(id)
    , kind_(kind)
    , name_(std::move(name)) {}

void news_writer::reader_came(std::uint8_t encoder) {
  close_batch();
  if (readers_[encoder]++ == 0)
    active_.push_back(encoder);
}

void news_writer::reader_went(std::uint8_t encoder) {
  close_batch();
  if (--readers_[encoder] == 0)
    std::erase(active_, encoder);
}

room_batch& news_writer::open_batch() {
  if (building_ != nullptr)
    return *building_;
  building_ = std::make_shared<room_batch>();
  building_->formats.reserve(active_.size());
  building_->frames.reserve(frames_reserved);
  for (const auto encoder : active_) {
    auto& format = building_->formats.emplace_back();
    format.encoder = encoder;
    format.bytes.reserve(last_batch_bytes_);
    format.ends.reserve(frames_reserved);
  }
  return *building_;
}

void news_writer::close_batch() {
  if (building_ == nullptr)
    return;
  if (!building_->formats.empty())
    last_batch_bytes_ = std::min(building_->formats.front().bytes.size(), bytes_reserved_max);
  auto batch = std::exchange(building_, nullptr);
  tell(room_event::kind::frames, 0);
  news_->events.back().batch = std::move(batch);
}

void news_writer::tell(room_event::kind what, member_key who, bool recovered) {
  close_batch();
  if (news_ == nullptr)
    news_ = std::make_shared<room_news>();
  news_->events.push_back({what, recovered, who, nullptr, incarnation_});
}

void news_writer::frame(batch_frame f, const stamp& at) {
  if (active_.empty())
    return;
  auto& batch = open_batch();
  // An encoder makes room for the worst case; a buffer of the thread keeps that out of what is shared.
  thread_local std::string scratch;
  for (auto& format : batch.formats) {
    scratch.clear();
    wire::encoder_at(format.encoder).append(scratch, *f.message, at);
    format.bytes += scratch;
    format.ends.push_back(static_cast<std::uint32_t>(format.bytes.size()));
  }
  batch.any_presence |= f.presence;
  batch.any_except |= f.except != 0;
  batch.any_expires |= f.expires != 0;
  batch.any_audience |= !f.message->fields().audience.empty();
  if (f.seq != 0) {
    if (batch.seq_first == 0)
      batch.seq_first = f.seq;
    batch.seq_last = f.seq;
  }
  batch.frames.push_back(std::move(f));
}

void news_writer::single(member_key to, std::uint8_t encoder, const message& m, const stamp& at) {
  if (to == 0)
    return;
  std::string bytes;
  wire::encoder_at(encoder).append(bytes, m, at);
  single(to, std::move(bytes), false);
}

void news_writer::single(member_key to, std::string bytes, bool stored) {
  if (to == 0 || bytes.empty())
    return;
  auto& batch = open_batch();
  batch.singles.push_back({to, incarnation_, static_cast<std::uint32_t>(batch.frames.size()),
                           std::make_shared<const std::string>(std::move(bytes)), stored});
}

void news_writer::answer(member_key to, std::uint8_t encoder, std::string_view type, std::string_view id,
                         std::string_view payload, const stamp& at) {
  if (to != 0)
    single(to, encoder, *plain_message(type, id, kind_, name_, payload), at);
}

room_news_ptr news_writer::seal(bool credit) {
  close_batch();
  if (news_ == nullptr && !credit)
    return nullptr;
  auto result = news_ == nullptr ? std::make_shared<room_news>() : std::exchange(news_, nullptr);
  result->room = id_;
  result->credit = credit;
  return result;
}

} // namespace troupe
