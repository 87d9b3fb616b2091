#include "apps/troupe/log_commands.hpp"
#include "apps/troupe/record_json.hpp"
#include "apps/troupe/server_commands.hpp"
#include "apps/troupe/terminal.hpp"
#include "runtime/wire/parse.hpp"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <unistd.h>

// troupe history

namespace troupe::cli {
namespace {

constexpr std::uint64_t page_messages = 500; ///< The server gives at most 1000 at a time.

/// Asks for one page after the other.
class history_reader {
public:
  explicit history_reader(const arguments& given)
      : channel_{given.get("--channel")}
      , reverse_{given.has("--reverse")}
      , json_{given.has("--json")}
      , client_{server_of(given), [](const value&, std::string_view) {}} {
    if (given.has("--since"))
      since_ = position_from(given.get("--since"), "--since");
  }

  /// @returns false where something of what was asked for cannot be read any more
  bool run(std::uint64_t limit) {
    client_.open();
    for (std::uint64_t left = limit; left > 0;) {
      const auto count = std::min(left, page_);
      const auto page = ask(count)["payload"];
      const auto& messages = page["messages"].elements();
      for (const auto& one : messages)
        print(one);
      out_.flush();
      for (const auto& gap : page["gaps"].elements())
        tell(gap);
      left -= std::min<std::uint64_t>(left, messages.size());
      if (!go_on(page, count))
        break;
    }
    client_.close();
    return whole_;
  }

private:
  value ask(std::uint64_t count) {
    auto payload = value::object({{"limit", count}, {"reverse", reverse_}});
    if (since_)
      payload.set("since", to_value(*since_));
    auto request = value::object({{"type", "channel:history"}});
    request.set("channel", channel_);
    request.set("payload", std::move(payload));
    auto answer = client_.ask(std::move(request));
    if (const auto epoch = answer["payload"]["epoch"].as_string(); since_ && epoch && *epoch != since_->epoch)
      throw command_failed{exit_false, "the channel is in epoch " + std::string{*epoch} + ", and not in " +
                                           since_->epoch + ": its order could not be continued"};
    return answer;
  }

  /// Sets where the next page begins. @returns false where there is none
  bool go_on(const value& page, std::uint64_t asked) {
    const auto epoch = page["epoch"].as_string();
    const auto newest = page["offset"].as_uint().value_or(0);
    if (!epoch)
      return false;
    const auto& messages = page["messages"].elements();
    const auto& gaps = page["gaps"].elements();
    if (!messages.empty() || !gaps.empty()) {
      const auto message = messages.empty() ? std::nullopt : messages.back()["offset"].as_uint();
      const auto gap = gaps.empty() ? std::nullopt : gaps.back()[reverse_ ? "from" : "to"].as_uint();
      const auto last = reverse_ ? std::min(message.value_or(newest), gap.value_or(newest))
                                 : std::max(message.value_or(0), gap.value_or(0));
      since_ = {std::string{*epoch}, last};
      page_ = page_messages;
      return reverse_ ? last > 1 : last < newest;
    }
    // Messages whose time has passed are left out, so others may follow an empty page. How many it was about the server
    // does not say: only a page of one message is surely about the next one.
    const auto before = since_ ? since_->offset : 0;
    since_ = {std::string{*epoch}, asked == 1 ? before + 1 : before};
    page_ = 1;
    return !reverse_ && since_->offset < newest;
  }

  void print(const value& one) {
    if (!json_)
      return out_.line(message_line(one));
    text_.clear();
    wire::write_json(text_, one);
    out_.line(on_one_line(text_));
  }

  void tell(const value& gap) {
    whole_ = false;
    std::fprintf(stderr, "troupe: a gap: %s to %s do not come (%s)\n", text_of(gap["from"]).c_str(),
                 text_of(gap["to"]).c_str(), std::string{gap["reason"].as_string().value_or("")}.c_str());
  }
  static std::string text_of(const value& number) { return std::to_string(number.as_uint().value_or(0)); }

  std::string channel_;
  std::optional<stream_position> since_;
  std::uint64_t page_ = page_messages;
  bool reverse_;
  bool json_;
  bool whole_ = true;
  line_output out_{STDOUT_FILENO};
  std::string text_;
  server_client client_;
};

int run_history(const arguments& given) {
  if (!given.has("--channel"))
    throw command_failed{exit_usage, "history needs --channel NAME"};
  const auto limit = given.get("--limit", "100");
  const auto count =
      limit == "all" ? std::numeric_limits<std::uint64_t>::max() : number_from(limit, "--limit (or all)");
  watch_for_interrupt();
  return history_reader{given}.run(count) ? exit_good : exit_false;
}

} // namespace

command history() {
  const std::vector<flag> own{{"--channel", "NAME", "of this channel"},
                              {"--since", "EPOCH:OFFSET", "only what comes after it; with --reverse, before it"},
                              {"--limit", "N", "at most so many, or all; 100 where it is not given", 'n'},
                              {"--reverse", "", "the newest first"},
                              {"--json", "", "prints each message as a line of JSON"}};
  return {.name = "history",
          .takes = "",
          .summary = "Prints what a channel of a running server has stored",
          .flags = flags_of(own, server_flags()),
          .run = &run_history,
          .notes = "Exit status: 0 good, 1 refused, --since is of another epoch, or some messages are damaged, 2 bad\n"
                   "usage, 3 the server cannot be reached or was lost, 130 Ctrl-C.\n",
          .examples = "  troupe history --channel news --reverse -n 10\n"
                      "  troupe history --channel orders --since 5f3a:4711 --limit all --json\n"};
}

} // namespace troupe::cli
