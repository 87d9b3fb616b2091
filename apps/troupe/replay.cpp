#include "apps/troupe/replay_commands.hpp"

#include "apps/troupe/log_commands.hpp"
#include "apps/troupe/record_merge.hpp"
#include "apps/troupe/server_commands.hpp"
#include "apps/troupe/terminal.hpp"
#include "apps/troupe/value_diff.hpp"
#include "runtime/wire/parse.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

// troupe replay: showing a moment, and the difference of two. replay_check.cpp and replay_into.cpp have the rest.

namespace troupe::cli {
namespace {

constexpr std::uint64_t records_per_progress = 1024;
constexpr std::size_t value_characters_max = 400;

/// A state, and whether the log it was read from is damaged.
struct state_read {
  replay_state state;
  bool damaged = false;
};

state_read state_at(const std::vector<log_folder>& where, const replay_stop& until, const arguments& given) {
  using step = record_merge::step;
  record_merge records{where, record_filter{}, given};
  progress_bar bar{"reading"};
  state_read out;
  bool found = !until.index;
  auto how = records.next();
  for (std::uint64_t n = 1; how == step::ready; how = records.next(), ++n) {
    if (until.time_us && records.at().what.time_us > *until.time_us)
      break; // the merge gives the earliest, so all that is left is later
    const bool is_its_log = records.log_name() == until.log_name;
    if (until.index && is_its_log && records.at().index > *until.index)
      break; // dropped by retention
    out.state.take(records.log_name(), records.at());
    found = found || (is_its_log && records.at().index == *until.index);
    if (until.index && found)
      break;
    if (n % records_per_progress == 0)
      bar.show(records.read(), records.all());
  }
  if (how == step::interrupted)
    throw command_failed{exit_interrupted, "interrupted"};
  if (how == step::damaged) {
    std::fprintf(stderr, "troupe: %s\n", records.why().text().c_str());
    out.damaged = true;
  }
  if (!found && !out.damaged)
    throw command_failed{exit_cannot, "record " + std::to_string(*until.index) + " is not in the log " +
                                          until.log_name + " of " + where.front().data.string()};
  out.damaged = out.damaged || records.passed_damage();
  return out;
}

std::string json_text(const value& what) {
  std::string out;
  wire::write_json(out, what);
  return out;
}

bool wants_json(const arguments& given) {
  const auto format = given.get("--format", given.has("--json") ? "json" : "text");
  if (format != "json" && format != "text")
    throw command_failed{exit_usage, "--format must be text or json, not \"" + format + "\""};
  return format == "json";
}

int show(const arguments& given, const std::vector<log_folder>& where) {
  const auto scope = scope_of(given);
  const bool json = wants_json(given);
  const auto [state, damaged] = state_at(where, stop_from(given.get("--at", "end"), given, where), given);
  if (json) {
    auto out = value::object();
    out.set("at", state.position());
    const auto inside = state.to_json_value(scope);
    for (const auto& [name, member] : inside.members())
      out.set(name, member);
    std::printf("%s\n", json_text(out).c_str());
  } else {
    std::fputs(state.text(scope).c_str(), stdout);
  }
  return damaged ? exit_false : exit_good;
}

void print_change(const value_change& one) {
  const auto cut = [](const std::optional<value>& what) { return printable(json_text(*what), value_characters_max); };
  const auto path = printable(one.path, value_characters_max);
  if (!one.before)
    std::printf("+ %s %s\n", path.c_str(), cut(one.after).c_str());
  else if (!one.after)
    std::printf("- %s %s\n", path.c_str(), cut(one.before).c_str());
  else
    std::printf("~ %s %s -> %s\n", path.c_str(), cut(one.before).c_str(), cut(one.after).c_str());
}

int show_difference(const arguments& given, const std::vector<log_folder>& where) {
  const auto scope = scope_of(given);
  const bool json = wants_json(given);
  const auto ends = given.all("--diff");
  const auto from = state_at(where, stop_from(ends[0], given, where), given);
  const auto to = state_at(where, stop_from(ends[1], given, where), given);
  const auto changes = diff(from.state.to_json_value(scope), to.state.to_json_value(scope));
  if (json) {
    auto list = value::array();
    for (const auto& one : changes) {
      auto entry = value::object();
      entry.set("path", one.path);
      entry.set("change", !one.before ? "added" : !one.after ? "removed" : "changed");
      if (one.before)
        entry.set("before", *one.before);
      if (one.after)
        entry.set("after", *one.after);
      list.push_back(std::move(entry));
    }
    auto out = value::object();
    out.set("from", from.state.position());
    out.set("to", to.state.position());
    out.set("changes", std::move(list));
    std::printf("%s\n", json_text(out).c_str());
  } else {
    for (const auto& one : changes)
      print_change(one);
    if (changes.empty())
      std::printf("no difference\n");
  }
  return from.damaged || to.damaged ? exit_false : exit_good;
}

/// Flags that mean something only beside one of the others.
void check_flags(const arguments& given) {
  const auto only_with = [&](std::string_view flag, std::string_view mode) {
    if (given.has(flag) && !given.has(mode))
      throw command_failed{exit_usage, std::string{flag} + " goes with " + std::string{mode} + " only"};
  };
  const int modes =
      int{given.has("--at")} + int{given.has("--diff")} + int{given.has("--check")} + int{given.has("--into")};
  if (modes > 1)
    throw command_failed{exit_usage, "--at, --diff, --check and --into are different things: give one of them"};
  only_with("--program", "--check");
  for (const auto* flag : {"--speed", "--from", "--to", "--token", "--token-file", "--user", "--ca"})
    only_with(flag, "--into");
  if (!given.words().empty() && !given.has("--program"))
    throw command_failed{exit_usage, "replay cannot take \"" + given.words().front() + "\" (see troupe replay --help)"};
}

int run_replay(const arguments& given) {
  check_flags(given);
  if (given.has("--check"))
    return replay_check(given);
  if (given.has("--into"))
    return replay_into(given);
  const auto where = replay_folders(given);
  watch_for_interrupt();
  return given.has("--diff") ? show_difference(given, where) : show(given, where);
}

} // namespace

std::vector<log_folder> replay_folders(const arguments& given) {
  auto all = log_folders_of(given);
  if (given.has("--class"))
    return all;
  std::erase_if(all, [](const log_folder& one) { return one.name() != "audit" && one.name() != "channels"; });
  if (all.empty())
    throw command_failed{exit_cannot, "there is neither a log audit nor channels (--class names another)"};
  return all;
}

replay_scope scope_of(const arguments& given) {
  replay_scope out;
  for (const auto& pattern : given.all("--room"))
    out.rooms.set(pattern, true);
  for (const auto& pattern : given.all("--channel"))
    out.channels.set(pattern, true);
  return out;
}

replay_stop stop_from(const std::string& text, const arguments& given, const std::vector<log_folder>& where) {
  replay_stop out;
  out.text = text;
  if (text == "end")
    return out;
  const auto is_there = [&](std::string_view name) {
    return std::any_of(where.begin(), where.end(), [&](const log_folder& one) { return one.name() == name; });
  };
  const auto colon = text.find(':');
  if (colon != std::string::npos && is_there(text.substr(0, colon))) {
    out.log_name = text.substr(0, colon);
    out.index = number_from(text.substr(colon + 1), "the index in " + text);
    return out;
  }
  const auto found = parse_moment(text, now_us());
  if (!found)
    throw command_failed{exit_usage, "a moment is an index (4711, audit:4711), a time (2026-03-01T12:00:00Z), a time "
                                     "before now (-5m) or end, not \"" +
                                         text + "\""};
  out.time_us = found->time_us;
  out.index = found->index;
  // What is asked about says which log is meant.
  const std::string wanted = given.has("--channel") && !given.has("--room") ? "channels" : "audit";
  out.log_name = is_there(wanted) ? wanted : where.front().name();
  return out;
}

command replay() {
  auto flags = folder_flags();
  const std::vector<flag> own{
      {"--room", "NAME", "only of this room; a trailing * matches any rest, here and below"},
      {"--channel", "NAME", "only of this channel"},
      {"--at", "WHEN", "the state after this index (4711, audit:4711), at this time or time before now; or end"},
      {.name = "--diff", .value = "A B", .meaning = "what changed between two such moments", .count = 2},
      {"--format", "FORMAT", "text (where it is not given) or json"},
      {"--json", "", "the same as --format json"},
      {"--check", "", "runs the recorded inputs of rooms through --program again, and compares"},
      {.name = "--program",
       .value = "PROGRAM [ARGS...]",
       .meaning = "the program whose rooms they are; all that follows belongs to it",
       .takes_rest = true},
      {"--into", "URL", "sends the recorded messages to this server, as their clients did (ws:// or wss://)"},
      {"--speed", "X", "so many times as fast, or max; 1 where it is not given"},
      {"--from", "WHEN", "only what was sent from this index, time or time before now on"},
      {"--to", "WHEN", "only what was sent before it"}};
  auto server = server_flags();
  std::erase_if(server, [](const flag& one) { return one.name == "--server"; }); // --into says it
  return {.name = "replay",
          .takes = "",
          .summary = "Shows who was where and what was what at a moment of the past, or runs it again",
          .words_max = 1024,
          .flags = flags_of(flags, own, server, decrypt_flags(), reading_flags()),
          .run = &run_replay,
          .notes = "--check exits as the program says: 0 all matched, 1 something differs, 2 its log cannot be read;\n"
                   "3 where it cannot be started or is no program of Troupe.\n"
                   "--into sends messages of rooms at level full and of channels; what has no payload in the log is\n"
                   "counted. It joins and leaves rooms as recorded, and ends with 1 where something was refused.\n"
                   "Exit status else: 0 good, 1 damage was found, 2 bad usage, 3 something cannot be read or reached,\n"
                   "130 Ctrl-C.\n",
          .examples = "  troupe replay --data /var/lib/troupe --at 2026-03-01T12:00:00Z\n"
                      "  troupe replay --room lobby --at audit:4711 --format json\n"
                      "  troupe replay --diff -10m end --channel 'orders:*'\n"
                      "  troupe replay --check --data data --program ./game --port 0\n"
                      "  troupe replay --into ws://127.0.0.1:9000/realtime --speed 10 --from -1h\n"};
}

} // namespace troupe::cli
