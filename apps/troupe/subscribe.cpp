#include "apps/troupe/log_commands.hpp"
#include "apps/troupe/record_json.hpp"
#include "apps/troupe/server_commands.hpp"
#include "apps/troupe/terminal.hpp"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <memory>
#include <random>
#include <thread>
#include <unistd.h>

// troupe subscribe

namespace troupe::cli {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds slice{50};
constexpr std::chrono::milliseconds backoff_min{500};
constexpr std::chrono::milliseconds backoff_max{30'000};

/// What is listened to, and how far that has come; outlives connections.
class subscription {
public:
  explicit subscription(const arguments& given)
      : is_channel_{given.has("--channel")}
      , name_{given.get(is_channel_ ? "--channel" : "--room")}
      , durable_{given.get("--durable")}
      , json_{given.has("--json")}
      , left_{given.has("--count") ? number_from(given.get("--count"), "--count")
                                   : std::numeric_limits<std::uint64_t>::max()} {
    const auto from = given.get("--from", durable_.empty() ? "latest" : "");
    if (from == "latest" || from == "earliest")
      from_ = from;
    else if (!from.empty() && from.find(':') == std::string::npos)
      throw command_failed{exit_usage, "--from must be latest, earliest or EPOCH:OFFSET, not \"" + from + "\""};
    else if (!from.empty())
      position_ = position_from(from, "--from");
  }

  bool is_done() const noexcept { return left_ == 0; }

  /// Throws command_failed where the server refuses.
  void begin(server_client& with) {
    acknowledged_ = 0;
    auto payload = value::object();
    auto request = value::object();
    request.set("type", is_channel_ ? "channel:subscribe" : "room:join");
    request.set(is_channel_ ? "channel" : "room", name_);
    if (!is_channel_) {
      payload.set("presence", false);
      if (position_)
        payload.set("since", to_value(*position_, "seq"));
    } else {
      if (position_)
        payload.set("from", to_value(*position_));
      else if (!from_.empty())
        payload.set("from", from_);
      if (!durable_.empty())
        payload.set("durable", durable_);
    }
    request.set("payload", std::move(payload));
    const auto answer = with.ask(std::move(request))["payload"];
    const bool asked = position_.has_value();
    if (answer["recovered"].as_bool() == false && (asked || from_ == "earliest" || !durable_.empty()))
      note("some of what was asked for is not kept any more");
    if (const auto epoch = answer["epoch"].as_string(); epoch && (!asked || position_->epoch != *epoch))
      position_ = {std::string{*epoch}, answer[is_channel_ ? "offset" : "seq"].as_uint().value_or(0)};
    if (!asked && !is_channel_)
      position_.reset(); // a room is resumed only from what was seen of it
  }

  void receive(const value& envelope, std::string_view text) {
    if (envelope[is_channel_ ? "channel" : "room"].as_string() != name_ || left_ == 0)
      return;
    const auto type = envelope["type"].as_string().value_or("");
    if (type == "gap" || type == "room:epoch")
      return lost(envelope, type);
    const auto number = envelope[is_channel_ ? "offset" : "seq"].as_uint();
    if (!number || type.starts_with("room:") || type.starts_with("presence:"))
      return;
    --left_;
    out_.line(json_ ? on_one_line(std::string{text}) : message_line(envelope));
    position_ = {std::string{envelope["epoch"].as_string().value_or("")}, *number};
  }

  /// Shows what has come, and only then says that it has arrived.
  void settle(server_client& with) {
    out_.flush();
    if (!is_channel_ || !position_ || position_->offset <= acknowledged_)
      return;
    acknowledged_ = position_->offset;
    auto payload = value::object();
    payload.set("channel", name_);
    payload.set("offset", acknowledged_);
    with.link().send({{"type", "ack"}, {"payload", std::move(payload)}});
  }

  void end(server_client& with) {
    auto request = value::object();
    request.set("type", is_channel_ ? "channel:unsubscribe" : "room:leave");
    request.set(is_channel_ ? "channel" : "room", name_);
    with.link().send(request);
    with.close();
  }

  static void note(const std::string& what) { std::fprintf(stderr, "troupe: %s\n", what.c_str()); }

private:
  void lost(const value& envelope, std::string_view type) {
    const auto& payload = envelope["payload"];
    if (type == "room:epoch")
      return note("the room counts anew: what came meanwhile may be lost");
    const auto number = [&](const char* name) {
      const auto n = payload[name].as_uint();
      return n ? std::to_string(*n) : std::string{"?"};
    };
    note("a gap: " + number("from") + " to " + number("to") + " do not come (" +
         std::string{payload["reason"].as_string().value_or("it does not say why")} + ")");
  }

  bool is_channel_;
  std::string name_;
  std::string durable_;
  bool json_;
  std::uint64_t left_;
  std::string from_;
  std::optional<stream_position> position_; ///< Of the last message that was printed.
  std::uint64_t acknowledged_ = 0;
  line_output out_{STDOUT_FILENO};
};

/// Listens on one connection. @returns why it ended where coming back can help; nothing where all is done
std::optional<std::string> listen(subscription& to, const arguments& given, bool& was_open) {
  server_client client{server_of(given),
                       [&](const value& envelope, std::string_view text) { to.receive(envelope, text); }};
  try {
    client.open();
    to.begin(client);
    was_open = true;
    to.settle(client);
    while (!to.is_done() && !interrupted()) {
      client.run_for(slice);
      to.settle(client);
      if (client.link().ended())
        client.check();
    }
  } catch (const command_failed& why) {
    if (why.status() == exit_cannot)
      return why.what();
    if (why.status() != exit_interrupted)
      throw;
  }
  if (client.link().is_open())
    to.end(client);
  return std::nullopt;
}

/// A random part of a time that doubles with each attempt, so that a restarted server is not met by all at once.
void wait_before(unsigned attempt) {
  static std::mt19937 random{std::random_device{}()};
  const auto most = std::min(backoff_max, backoff_min * (1U << std::min(attempt, 6U)));
  const std::chrono::milliseconds chosen{std::uniform_int_distribution<std::int64_t>{0, most.count()}(random)};
  for (const auto until = clock::now() + chosen; clock::now() < until && !interrupted();)
    std::this_thread::sleep_for(slice);
}

int run_subscribe(const arguments& given) {
  if (given.has("--channel") == given.has("--room"))
    throw command_failed{exit_usage, "subscribe needs one of --channel NAME and --room NAME"};
  if (given.has("--room") && (given.has("--from") || given.has("--durable")))
    throw command_failed{exit_usage, "--from and --durable are for channels: a room keeps nothing for later"};
  if (given.get("--token-file") == "-")
    throw command_failed{exit_usage,
                         "subscribe reads its token again when it comes back, so --token-file needs a file"};
  subscription to{given};
  watch_for_interrupt();
  bool ever_open = false;
  for (unsigned attempt = 0;; ++attempt) {
    bool was_open = false;
    const auto why = listen(to, given, was_open);
    if (!why)
      return exit_good;
    ever_open = ever_open || was_open;
    if (!ever_open)
      throw command_failed{exit_cannot, *why};
    if (was_open)
      attempt = 0;
    subscription::note(*why + "; trying again");
    wait_before(attempt);
    if (interrupted())
      return exit_good;
  }
}

} // namespace

command subscribe() {
  const std::vector<flag> own{
      {"--channel", "NAME", "listen to this channel"},
      {"--room", "NAME", "listen to this room, which is joined for that"},
      {"--from", "WHERE", "latest (where it is not given), earliest, or after EPOCH:OFFSET"},
      {"--durable", "NAME", "go on where this name was, by user and name; a new one begins at --from"},
      {"--count", "N", "end after so many messages", 'n'},
      {"--json", "", "prints each message as it came, as a line of JSON"}};
  return {.name = "subscribe",
          .takes = "",
          .summary = "Prints the messages of a channel or a room as they come, until Ctrl-C",
          .flags = flags_of(own, server_flags()),
          .run = &run_subscribe,
          .notes = "A message of a channel is acknowledged after it was printed. A connection that is lost is made\n"
                   "again after a while, and goes on where it was; what is missing is said on standard error.\n"
                   "Exit status: 0 ended by --count or Ctrl-C, 1 refused, 2 bad usage, 3 the server cannot be reached\n"
                   "at all.\n",
          .examples = "  troupe subscribe --channel news --from earliest --json\n"
                      "  troupe subscribe --channel orders --durable billing --user billing\n"
                      "  troupe subscribe --room lobby -n 1\n"};
}

} // namespace troupe::cli
