#include "apps/troupe/line_input.hpp"
#include "apps/troupe/log_commands.hpp"
#include "apps/troupe/server_commands.hpp"
#include "apps/troupe/terminal.hpp"
#include "runtime/wire/scanner.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>
#include <unistd.h>
#include <utility>

// troupe publish

namespace troupe::cli {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds slice{20};
constexpr std::chrono::milliseconds retry_default{100};
constexpr unsigned tries_max = 20;
constexpr std::size_t payload_bytes_max = std::size_t{16} << 20;
constexpr std::uint64_t window_max = 10'000;

/// What all messages of a call have in common.
struct shape {
  value envelope = value::object();
  std::string id; ///< Of the first; the others have their line behind it.
  bool text = false;
};

std::string random_id() {
  std::random_device random;
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz234567";
  std::string out;
  for (int i = 0; i < 16; ++i)
    out += letters[random() % letters.size()];
  return out;
}

shape shape_of(const arguments& given) {
  shape out;
  const int targets = int{given.has("--channel")} + int{given.has("--room")} + int{given.has("--to")};
  if (targets > 1)
    throw command_failed{exit_usage, "publish takes only one of --channel NAME, --room NAME and --to USER"};
  if (targets == 0)
    throw command_failed{exit_usage, "publish needs one of --channel NAME, --room NAME and --to USER"};
  out.envelope.set("type", given.get("--type", "message"));
  if (given.has("--channel"))
    out.envelope.set("channel", given.get("--channel"));
  else if (given.has("--room"))
    out.envelope.set("room", given.get("--room"));
  else
    out.envelope.set("to", value::object({{"user", given.get("--to")}}));
  const auto qos = number_from(given.get("--qos", "0"), "--qos");
  if (qos > 2)
    throw command_failed{exit_usage, "--qos must be 0, 1 or 2"};
  if (qos > 0)
    out.envelope.set("qos", qos);
  if (given.has("--offline")) {
    const auto offline = given.get("--offline");
    if (offline != "queue" && offline != "drop")
      throw command_failed{exit_usage, "--offline must be queue or drop, not \"" + offline + "\""};
    if (!given.has("--to"))
      throw command_failed{exit_usage, "--offline is about users: it needs --to USER"};
    out.envelope.set("offline", offline);
  }
  out.id = given.get("--id");
  out.text = given.has("--text");
  return out;
}

/// The payload as JSON. Throws command_failed that names the line.
value payload_of(const std::string& text, bool as_text, const std::string& where) {
  if (as_text)
    return value(text);
  wire::scanner in{text};
  std::string_view span;
  if (!in.value(span) || !in.end())
    throw command_failed{exit_usage, where + " is no JSON: " + std::string{wire::describe(in.fault())} + " at byte " +
                                         std::to_string(in.offset()) + " (--text sends it as a string)"};
  return value(value::raw{text, encoding::json});
}

/// Messages on their way: sent, and not yet answered.
class publisher {
public:
  publisher(const arguments& given, shape how)
      : how_{std::move(how)}
      , json_{given.has("--json")}
      , prefix_{how_.id.empty() ? random_id() : how_.id}
      , client_{server_of(given), [this](const value& envelope, std::string_view) { answered(envelope); }} {}

  void open() {
    client_.open();
    if (const auto& room = how_.envelope["room"]; !room.is_null()) { // only members may speak
      auto join = value::object({{"type", "room:join"}, {"payload", value::object({{"presence", false}})}});
      join.set("room", room);
      client_.ask(join);
    }
  }

  void send(std::uint64_t line, value payload, bool is_single) {
    auto envelope = how_.envelope;
    auto id = is_single && !how_.id.empty() ? how_.id : prefix_ + "-" + std::to_string(line);
    envelope.set("id", id);
    envelope.set("payload", std::move(payload));
    client_.link().send(envelope);
    waiting_.emplace(std::move(id), message{line, std::move(envelope), 1, {}});
  }

  /// Lets the connection work. Throws command_failed where it is lost, and names what was not answered.
  void work() {
    client_.run_for(slice);
    if (!waiting_.empty() && client_.link().ended() && !interrupted())
      throw command_failed{exit_cannot, client_.link().ended()->why + "; " + unanswered()};
    client_.check();
    const auto now = clock::now();
    for (auto& [id, one] : waiting_)
      if (one.again_at && *one.again_at <= now) {
        one.again_at.reset();
        client_.link().send(one.envelope);
      }
  }

  std::size_t waiting() const noexcept { return waiting_.size(); }
  bool is_refused() const noexcept { return refused_ > 0; }
  std::uint64_t published() const noexcept { return published_; }
  const value& last_answer() const noexcept { return last_; }
  void close() { client_.close(); }

  std::string unanswered() const {
    auto out = std::to_string(published_) + (published_ == 1 ? " message was" : " messages were") + " acknowledged";
    if (waiting_.empty())
      return out;
    std::uint64_t first = UINT64_MAX;
    for (const auto& [id, one] : waiting_)
      first = std::min(first, one.line);
    if (waiting_.size() == 1)
      return out + ", 1 was not (line " + std::to_string(first) + ")";
    return out + ", " + std::to_string(waiting_.size()) + " were not (the first is line " + std::to_string(first) + ")";
  }

private:
  struct message {
    std::uint64_t line = 0;
    value envelope;
    unsigned tries = 0;
    std::optional<clock::time_point> again_at;
  };

  void answered(const value& envelope) {
    const auto found = waiting_.find(std::string{envelope["id"].as_string().value_or("")});
    if (found == waiting_.end())
      return;
    auto& one = found->second;
    const auto type = envelope["type"].as_string();
    if (type == "ack") {
      ++published_;
      last_ = envelope["payload"];
      if (json_)
        say({{"line", one.line}, {"id", found->first}, {"ack", last_}});
    } else if (type != "error") {
      return; // a message of somebody else with the same id
    } else if (envelope["payload"]["temporary"].as_bool() == true && one.tries < tries_max) {
      ++one.tries;
      const auto wait = envelope["payload"]["retry_ms"].as_int();
      one.again_at = clock::now() + (wait ? std::chrono::milliseconds{*wait} : retry_default);
      return;
    } else {
      ++refused_;
      std::fprintf(stderr, "troupe: line %llu was refused: %s\n", static_cast<unsigned long long>(one.line),
                   error_text(envelope).c_str());
      if (json_)
        say({{"line", one.line}, {"id", found->first}, {"error", envelope["payload"]}});
    }
    waiting_.erase(found);
  }

  static void say(const value& what) { std::printf("%s\n", to_json(what).c_str()); }

  shape how_;
  bool json_;
  std::string prefix_;
  std::map<std::string, message> waiting_;
  std::uint64_t published_ = 0;
  std::uint64_t refused_ = 0;
  value last_;
  server_client client_;
};

/// Sends a line of standard input each. Stops at the first that is refused.
void publish_lines(publisher& to, bool as_text, std::uint64_t window) {
  progress_bar bar{"publishing"};
  line_input lines{STDIN_FILENO, payload_bytes_max};
  const auto all = lines.bytes_all();
  std::uint64_t line = 0;
  std::string text;
  for (bool more = true; more && !to.is_refused();) {
    auto step = line_input::step::nothing_yet;
    if (to.waiting() < window)
      step = lines.next(text);
    if (step == line_input::step::nothing_yet)
      to.work();
    else if (step == line_input::step::line && (++line, as_text || !text.empty()))
      to.send(line, payload_of(text, as_text, "line " + std::to_string(line)), false);
    more = step != line_input::step::end;
    if (all != 0)
      bar.show(lines.bytes_read(), all);
    else
      bar.show_count(to.published());
  }
}

int run_publish(const arguments& given) {
  const auto how = shape_of(given);
  const auto window = number_from(given.get("--window", "64"), "--window");
  if (window == 0 || window > window_max)
    throw command_failed{exit_usage, "--window must be from 1 to " + std::to_string(window_max)};
  if (given.words().empty())
    throw command_failed{exit_usage, "publish needs a PAYLOAD, or - for one in each line of standard input"};
  const bool many = given.words().front() == "-";
  const auto payload = many ? value(nullptr) : payload_of(given.words().front(), how.text, "the payload");
  watch_for_interrupt();
  publisher to{given, how};
  to.open();
  try {
    if (many)
      publish_lines(to, how.text, window);
    else
      to.send(1, payload, true);
    while (to.waiting() > 0)
      to.work();
  } catch (const command_failed& why) {
    if (why.status() == exit_usage) // a line that is no payload: those before it are on their way
      while (to.waiting() > 0)
        to.work();
    if (why.status() != exit_interrupted && why.status() != exit_usage)
      throw;
    throw command_failed{why.status(), std::string{why.what()} + "; " + to.unanswered()};
  }
  to.close();
  if (to.is_refused())
    return exit_false;
  if (given.has("--json"))
    return exit_good;
  if (many)
    std::printf("%llu published\n", static_cast<unsigned long long>(to.published()));
  else
    std::printf("published: %s\n", to_json(to.last_answer()).c_str());
  return exit_good;
}

} // namespace

command publish() {
  const std::vector<flag> own{
      {"--channel", "NAME", "publish in this channel"},
      {"--room", "NAME", "send to the members of this room, which is joined for that"},
      {"--to", "USER", "send to the connections of this user"},
      {"--type", "TYPE", "type of the message; message where it is not given"},
      {"--offline", "HOW", "of --to: queue keeps it for a user who is away; drop where it is not given"},
      {"--qos", "N", "0, 1 or 2; 0 where it is not given"},
      {"--id", "ID", "id of the message; of lines: ID-1, ID-2 and so on. Random where it is not given"},
      {"--text", "", "the payload is text, not JSON"},
      {"--window", "N", "so many lines may be under way without an answer; 64 where it is not given"},
      {"--json", "", "says each answer as a line of JSON"}};
  return {.name = "publish",
          .takes = "PAYLOAD | -",
          .summary = "Sends a message to a channel, a room or a user, or one for each line of standard input",
          .words_max = 1,
          .flags = flags_of(own, server_flags()),
          .run = &run_publish,
          .notes =
              "Waits until the server has answered each message. Where it says that it cannot take one now, that\n"
              "one is sent again later; with --window 1 the order of lines is kept even so. The first line that\n"
              "is refused ends the sending. The same lines with the same --id and --qos 2 may be sent again by\n"
              "the same user (--user or a token; who has neither is somebody new each time).\n"
              "Exit status: 0 all acknowledged, 1 refused, 2 bad usage or payload, 3 the server cannot be reached\n"
              "or was lost, 130 Ctrl-C.\n",
          .examples = "  troupe publish --channel news --type post '{\"title\": \"Hello\"}'\n"
                      "  troupe publish --channel orders --qos 2 --id import-7 --user importer - < orders.jsonl\n"
                      "  uptime | troupe publish --room ops --text - --server wss://chat.example --token-file token\n"};
}

} // namespace troupe::cli
