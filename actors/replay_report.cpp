#include "actors/replay_report.hpp"

#include "actors/answers.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

namespace troupe {
namespace {

/// "1 step", "2 steps".
std::string count_of(std::uint64_t n, std::string_view what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

} // namespace

std::string text_of(const replay_report& what) {
  std::string out = "replay: "; // by which `troupe replay --check` knows a program of Troupe's
  if (what.matched == 0 && what.differing == 0 && what.not_replayable == 0)
    out += "no recorded steps of rooms with logic (rooms.audit = \"full\" records them)\n";
  else
    out += count_of(what.matched, "step") + " of " + count_of(what.activations, "activation") + " matched\n";
  if (const auto& d = what.first) {
    out += fmt::format("record {} differs: room \"{}\", epoch {}, step {} ({}): {}\n  recorded: {}\n  now:      {}\n",
                       d->index, d->room, d->epoch, d->step, d->input, d->what, d->expected, d->actual);
    if (what.differing > 1)
      out += fmt::format("{} activations differ; this is the first\n", what.differing);
    if (what.skipped != 0)
      out += "behind a difference " + count_of(what.skipped, "step") + " not compared\n";
  }
  if (what.not_replayable != 0)
    out += count_of(what.not_replayable, "step") + " not replayable\n";
  if (what.unfinished != 0)
    out += count_of(what.unfinished, "step") + " without a recorded outcome: the node ended there\n";
  for (const auto& note : what.notes)
    out += "note: " + note + '\n';
  if (!what.cannot.empty())
    out += "the log cannot be read: " + what.cannot + '\n';
  return out;
}

std::string json_of(const replay_report& what) {
  const auto* verdict = !what.cannot.empty() ? "unreadable" : what.differing != 0 ? "differs" : "matches";
  value out{{"replay", verdict},
            {"activations", what.activations},
            {"matched", what.matched},
            {"differing", what.differing},
            {"skipped", what.skipped},
            {"not_replayable", what.not_replayable},
            {"unfinished", what.unfinished}};
  if (const auto& d = what.first)
    out.set("first", {{"index", d->index},
                      {"room", d->room},
                      {"epoch", d->epoch},
                      {"step", d->step},
                      {"input", d->input},
                      {"what", d->what},
                      {"expected", d->expected},
                      {"actual", d->actual}});
  auto notes = value::array();
  for (const auto& note : what.notes)
    notes.push_back(value(note));
  out.set("notes", std::move(notes));
  if (!what.cannot.empty())
    out.set("cannot", what.cannot);
  return json_of(out);
}

} // namespace troupe
