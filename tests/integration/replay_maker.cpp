// Writes what a node would have recorded: replay_maker DATA [LATER]
// DATA/log/audit: a node with two clients, a room at level full, one at level metadata, and a room with logic.
// DATA/log/channels: three messages and an acknowledged position. A second lies between two records, the two logs take
// turns. With LATER, another day is added: the node was killed and started again. replay_commands.py says the same.

#include "runtime/log/files.hpp"
#include "runtime/log/key.hpp"
#include "runtime/log/writer.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

namespace {

using namespace troupe;
using kind = log::record_kind;

constexpr std::int64_t start_us = 1'767'225'600'000'000;
constexpr std::int64_t second_us = 1'000'000;
constexpr auto presence_updated = static_cast<kind>(35);

[[noreturn]] void fail(const log::fault& why) {
  std::fprintf(stderr, "replay_maker: %s\n", why.text().c_str());
  std::exit(1);
}

/// Two logs of one node, and its clock.
class node {
public:
  explicit node(const std::filesystem::path& data)
      : audit_{open(data, "audit")}
      , channels_{open(data, "channels")}
      , now_us_{start_us + static_cast<std::int64_t>(audit_->next() + channels_->next()) * second_us} {}

  void audit(kind what, log::record record) { append(*audit_, what, std::move(record)); }
  void channel(kind what, log::record record) { append(*channels_, what, std::move(record)); }
  void sync() {
    for (auto* one : {audit_.get(), channels_.get()})
      if (const auto failed = one->sync())
        fail(*failed);
  }

private:
  static std::unique_ptr<log::writer> open(const std::filesystem::path& data, const std::string& name) {
    log::writer_options how;
    how.folder = data / "log" / name;
    how.class_name = name;
    how.node = "n1";
    auto opened = log::writer::open(how);
    if (!opened)
      fail(opened.error());
    return std::move(*opened);
  }

  void append(log::writer& to, kind what, log::record record) {
    record.kind = what;
    record.time_us = now_us_;
    now_us_ += second_us;
    if (const auto index = to.append(log::view_of(record)); !index)
      fail(index.error());
  }

  std::unique_ptr<log::writer> audit_;
  std::unique_ptr<log::writer> channels_;
  std::int64_t now_us_;
};

void said(node& in, const char* room, const char* connection, const char* user, std::uint64_t seq,
          const char* payload) {
  log::record r{.room = room, .user = user, .connection = connection, .id = "m" + std::to_string(seq)};
  r.type = "chat:message";
  r.payload = payload;
  r.epoch = "e1";
  r.seq = seq;
  in.audit(kind::message_published, std::move(r));
}

void first_day(node& in) {
  in.audit(kind::node_started, {.detail = "0.1.0", .node = "n1"});        // audit 0
  in.audit(kind::connection_opened, {.user = "ann", .connection = "c1"}); // 1
  in.audit(kind::connection_opened, {.user = "bob", .connection = "c2"}); // 2
  in.audit(kind::room_joined, {.room = "lobby",
                               .user = "ann",
                               .connection = "c1",
                               .payload = R"({"mood":"fine"})",
                               .epoch = "e1",
                               .seq = 0});                                                                    // 3
  in.audit(kind::room_joined, {.room = "lobby", .user = "bob", .connection = "c2", .epoch = "e1", .seq = 0}); // 4
  said(in, "lobby", "c1", "ann", 1, R"({"text":"hello"})");                                                   // 5
  in.channel(kind::channel_epoch, {.channel = "news", .epoch = "k1"}); // channels 0
  for (std::uint64_t offset = 1; offset <= 3; ++offset)                // 1 to 3
    in.channel(kind::channel_published, {.channel = "news",
                                         .user = "ann",
                                         .connection = "c1",
                                         .id = "n" + std::to_string(offset),
                                         .type = "post",
                                         .payload = "{\"n\":" + std::to_string(offset) + "}",
                                         .epoch = "k1",
                                         .offset = offset,
                                         .qos = 1});
  in.channel(kind::position_acked, {.channel = "news", .user = "bob", .epoch = "k1", .durable = "reader", .offset = 2});
  in.audit(
      presence_updated,
      {.room = "lobby", .user = "ann", .connection = "c1", .payload = R"({"mood":"busy"})", .epoch = "e1"});  // audit 6
  said(in, "lobby", "c2", "bob", 2, R"({"text":"hi"})");                                                      // 7
  in.audit(kind::room_joined, {.room = "quiet", .user = "ann", .connection = "c1", .epoch = "e1", .seq = 0}); // 8
  said(in, "quiet", "c1", "ann", 1, "");                                                                      // 9
  in.audit(kind::room_activated, {.room = "game",
                                  .payload = R"({"snapshot":{"turn":0},"seed":"42"})",
                                  .epoch = "e1",
                                  .code_version = "rules-1",
                                  .seq = 0});                                                                      // 10
  in.audit(kind::room_step, {.room = "game", .epoch = "e1", .detail = "start"});                                   // 11
  in.audit(kind::room_output, {.room = "game", .payload = "[]", .epoch = "e1", .state_hash = "hash-1", .seq = 0}); // 12
  in.audit(kind::room_left, {.room = "lobby", .user = "bob", .connection = "c2", .epoch = "e1", .seq = 2});        // 13
  in.audit(kind::connection_closed, {.user = "bob", .connection = "c2", .code = 1000});                            // 14
  in.audit(kind::room_step, {.room = "game",
                             .user = "ann",
                             .connection = "c1",
                             .id = "g1",
                             .type = "game:move",
                             .payload = R"({"cell":4})",
                             .epoch = "e1",
                             .detail = "message"});                                                                // 15
  in.audit(kind::room_output, {.room = "game", .payload = "[]", .epoch = "e1", .state_hash = "hash-2", .seq = 1}); // 16
  in.audit(kind::message_published,
           {.room = "game", .type = "game:state", .payload = R"({"turn":1})", .epoch = "e1", .seq = 1}); // 17
}

void next_day(node& in) {
  in.audit(kind::node_started, {.detail = "0.2.0", .node = "n1"});        // 15
  in.audit(kind::connection_opened, {.user = "eve", .connection = "c3"}); // 16
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fputs("usage: replay_maker DATA [LATER]\n", stderr);
    return 2;
  }
  const std::filesystem::path data{argv[1]};
  node recorded{data};
  if (argc == 2)
    first_day(recorded);
  else
    next_day(recorded);
  recorded.sync();
  if (const auto key = log::signing_key::load_or_make(log::system_files(), data / "log.key"); !key)
    fail(key.error());
  return 0;
}
