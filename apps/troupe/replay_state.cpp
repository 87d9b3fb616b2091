#include "apps/troupe/replay_state.hpp"

#include "apps/troupe/record_json.hpp"
#include "runtime/log/base64.hpp"
#include "runtime/model/utf8.hpp"
#include "runtime/wire/parse.hpp"

#include <algorithm>
#include <utility>

namespace troupe::cli {
namespace {

using log::record_kind;
using log::record_view;

constexpr auto presence_updated = static_cast<record_kind>(35);

/// The payload as a value to look into; nothing where it was not recorded, or is encrypted.
std::optional<value> payload_of(const record_view& what) {
  const auto json = json_of(what, &record_view::payload);
  if (!json)
    return {};
  auto parsed = wire::parse({*json, encoding::json});
  if (parsed)
    return parsed;
  return value(value::raw{*json, encoding::json}); // a lone surrogate, which no string of ours can hold
}

std::string hash_text(std::string_view hash) {
  const bool readable =
      is_utf8(hash) && std::all_of(hash.begin(), hash.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  return readable ? std::string{hash} : log::base64(hash);
}

} // namespace

void replay_state::take(std::string_view log_name, const log::entry& one) {
  const auto& what = one.what;
  firsts_.try_emplace(std::string{log_name}, one.index);
  last_log_ = log_name;
  last_index_ = one.index;
  last_time_us_ = what.time_us;
  switch (what.kind) {
  case record_kind::node_started:
  case record_kind::node_stopped:
    return take_node(what);
  case record_kind::connection_opened:
    connections_[std::string{what.connection}] = {std::string{what.user}, what.time_us};
    return;
  case record_kind::connection_closed:
    connections_.erase(std::string{what.connection}); // it may come back, so it is still in its rooms
    return;
  case record_kind::channel_published:
  case record_kind::channel_epoch:
  case record_kind::position_acked:
    if (!what.channel.empty())
      take_channel(what);
    return;
  default:
    if (!what.room.empty())
      take_room(one);
  }
}

/// Rooms live in memory: who was there is gone when the node is, also where it ended without a word.
void replay_state::take_node(const record_view& what) {
  // The log of channels says as well that the node stopped; it is the same stop.
  everybody_left();
  running_ = what.kind == record_kind::node_started;
  node_since_us_ = what.time_us;
  if (!what.node.empty())
    node_ = what.node;
  if (running_)
    version_ = what.detail;
}

void replay_state::everybody_left() {
  connections_.clear();
  for (auto& [name, in] : rooms_)
    in.members.clear();
}

void replay_state::take_room(const log::entry& one) {
  const auto& what = one.what;
  auto& in = rooms_[std::string{what.room}];
  if (!what.epoch.empty() && in.epoch != what.epoch) {
    in.epoch = what.epoch;
    in.seq = 0;
    in.messages = 0;
  }
  if (what.seq)
    in.seq = std::max(in.seq, *what.seq);
  if (what.kind == presence_updated) {
    if (const auto who = in.members.find(std::string{what.connection}); who != in.members.end())
      who->second.state = payload_of(what);
    return;
  }
  switch (what.kind) {
  case record_kind::room_joined: {
    auto& who = in.members[std::string{what.connection}];
    if (who.since_us == 0)
      who.since_us = what.time_us;
    who.user = what.user;
    who.state = payload_of(what);
    break;
  }
  case record_kind::room_left:
    in.members.erase(std::string{what.connection});
    break;
  case record_kind::message_published:
    ++in.messages;
    break;
  default:
    take_logic(in, one);
  }
}

void replay_state::take_logic(room& in, const log::entry& one) {
  const auto& what = one.what;
  const auto begin_at = [&](std::optional<value> state) {
    in.steps_since = 0;
    if (state)
      in.base = snapshot{*std::move(state), what.seq.value_or(0), one.index, what.time_us};
  };
  switch (what.kind) {
  case record_kind::room_activated: {
    in.code_version = what.code_version;
    in.state_hash.clear();
    in.base.reset();
    const auto payload = payload_of(what);
    begin_at(payload ? std::optional{(*payload)["snapshot"]} : std::nullopt);
    break;
  }
  case record_kind::room_step:
    ++in.steps_since;
    break;
  case record_kind::room_output:
    if (!what.state_hash.empty())
      in.state_hash = hash_text(what.state_hash);
    break;
  case record_kind::state_snapshot:
    begin_at(payload_of(what));
    break;
  default:
    break;
  }
}

void replay_state::take_channel(const record_view& what) {
  auto& in = channels_[std::string{what.channel}];
  if (what.kind == record_kind::position_acked) {
    const auto name = std::string{what.user} + "/" + std::string{what.durable};
    if (what.offset)
      in.durable[name] = *what.offset;
    else // it was forgotten
      in.durable.erase(name);
    return;
  }
  if (!what.epoch.empty() && in.epoch != what.epoch) {
    in.epoch = what.epoch;
    in.first.reset();
    in.last = 0;
    in.messages = 0;
  }
  if (what.kind != record_kind::channel_published || !what.offset)
    return;
  if (!in.first)
    in.first = *what.offset;
  in.last = *what.offset;
  ++in.messages;
}

} // namespace troupe::cli
