#include "apps/bench/micro.hpp"

#include "actors/channel_log.hpp"
#include "runtime/wire/make.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>
#include <variant>
#include <vector>

namespace troupe::bench {
namespace {

constexpr std::uint64_t messages = 500'000;
constexpr std::uint64_t messages_a_group = 500;
constexpr std::size_t payload_bytes = 100;
constexpr std::size_t piece_messages = 1024; // as a subscriber is given them
constexpr std::size_t piece_bytes = 64 * 1024;

/// A channel's messages in a log of its own. @returns its epoch; empty where the disk does not take it
std::string fill(channel_log& log) {
  const auto opened = log.open_channel("orders", {}, "0123456789", 0);
  if (opened.why)
    return {};
  const auto from = wire::make_sender("c-0123456789abcdef", std::nullopt, "node-1");
  const std::string payload = '"' + std::string(payload_bytes - 2, 'x') + '"';
  message_fields fields;
  fields.type = "m";
  fields.target = target_kind::channel;
  fields.target_name = "orders";
  fields.payload = payload;
  for (std::uint64_t next = 1; next <= messages;) {
    auto group = std::make_shared<channel_entries>();
    group->name = "orders";
    group->epoch = opened.epoch;
    for (std::uint64_t i = 0; i < messages_a_group; ++i)
      group->messages.push_back({next++, message::make(fields, from, 1'700'000'000'000)});
    log.append(std::move(group), 0);
    for (const auto& became : log.commit(false))
      if (became.why)
        return {};
  }
  return log.catch_up_index() ? opened.epoch : std::string{};
}

/// Reads all of it as a subscriber catches up: piece by piece, each record checked and made a message again.
/// @returns nanoseconds a message
double read_all(const channel_log& log, const std::string& epoch) {
  channel_log_reader reader{log};
  channel_reading what;
  what.name = "orders";
  what.epoch = epoch;
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t next = 1;
  while (next <= messages) {
    what.what = {1, next, messages, false, piece_messages, piece_bytes};
    const auto found = reader.read(what);
    if (found.why || found.messages.empty())
      return 0;
    next = found.messages.back().offset + 1;
  }
  return std::chrono::duration<double, std::nano>{std::chrono::steady_clock::now() - begin}.count() /
         static_cast<double>(messages);
}

} // namespace

void measure_channels(std::string_view only) {
  constexpr std::string_view reading = "read a channel's message of 100 bytes from the log, checked";
  if (reading.find(only) == std::string_view::npos)
    return;
  const auto folder = std::filesystem::temp_directory_path() / ("troupe-bench-channel-" + std::to_string(::getpid()));
  double best = 0;
  {
    channel_log::setup how;
    how.folder = folder;
    how.node = "node-1";
    auto opened = channel_log::open(how);
    if (auto* log = std::get_if<std::unique_ptr<channel_log>>(&opened))
      if (const auto epoch = fill(**log); !epoch.empty())
        for (int i = 0; i < 5; ++i) {
          const auto took = read_all(**log, epoch);
          best = best == 0 ? took : std::min(best, took);
        }
  }
  if (best != 0)
    print_result(reading, best);
  else
    std::fputs("bench micro: a channel's log cannot be written or read\n", stderr);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

} // namespace troupe::bench
