#include "apps/troupe/log_commands.hpp"
#include "apps/troupe/log_folder.hpp"
#include "apps/troupe/terminal.hpp"
#include "runtime/log/base64.hpp"
#include "runtime/log/segment.hpp"
#include "runtime/log/verify.hpp"
#include "runtime/model/value.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

// troupe log verify, troupe log head, troupe log key

namespace troupe::cli {
namespace {

/// "12,345"
std::string grouped(std::uint64_t number) {
  auto out = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(out.size()) - 3; at > 0; at -= 3)
    out.insert(static_cast<std::size_t>(at), ",");
  return out;
}

std::string counted(std::uint64_t number, const std::string& what) {
  return grouped(number) + " " + what + (number == 1 ? "" : "s");
}

std::string root_text(const log::verify_report& report) {
  return log::base64({reinterpret_cast<const char*>(report.root.data()), report.root.size()});
}

value problem_json(const log::fault& what) {
  value out = {{"kind", to_string(what.kind)}, {"message", what.message}};
  if (what.where) {
    out.set("file", what.where->file);
    out.set("record", what.where->index);
    out.set("byte", what.where->offset);
  }
  return out;
}

void print_json(const std::string& log_name, const log::verify_report& report, const log::verify_options& how) {
  auto problems = value::array();
  for (const auto& one : report.problems)
    problems.push_back(problem_json(one));
  value out = {{"class", log_name},
               {"intact", report.intact()},
               {"records", report.records},
               {"first", report.first},
               {"size", report.size},
               {"segments", report.segments},
               {"bytes", report.bytes},
               {"root", root_text(report)},
               {"checkpoints", report.checkpoints},
               {"checkpoints_dropped", report.checkpoints_dropped},
               {"checkpoints_abandoned", report.checkpoints_abandoned},
               {"signatures_checked", how.key.has_value()},
               {"torn_bytes", report.torn_bytes},
               {"problems", std::move(problems)}};
  if (how.expect)
    out.set("expected_fits", report.expected_fits);
  std::printf("%s\n", to_json(out).c_str());
}

void print_text(const log::verify_report& report, bool signatures_checked) {
  const auto counts =
      counted(report.records, "record") +
      (report.records == 0 ? std::string{}
                           : " (" + std::to_string(report.first) + " to " + std::to_string(report.size - 1) + ")") +
      " in " + counted(report.segments, "segment") + ", " + counted(report.bytes, "byte");
  if (!report.intact()) {
    std::printf("damaged: %s\n", report.problems.front().text().c_str());
    for (std::size_t i = 1; i < report.problems.size(); ++i)
      std::printf("         %s\n", report.problems[i].text().c_str());
    std::printf("read and good: %s\n", counts.c_str());
    return;
  }
  std::printf("intact: %s\n", counts.c_str());
  std::printf("root: %s\n", root_text(report).c_str());
  std::printf("checkpoints: %s %s%s\n", grouped(report.checkpoints).c_str(), report.checkpoints == 1 ? "fits" : "fit",
              report.expected_fits ? ", and so does the expected one" : "");
  if (report.checkpoints_dropped != 0)
    std::printf("             %s of records that retention has dropped\n", grouped(report.checkpoints_dropped).c_str());
  if (report.checkpoints_abandoned != 0)
    std::printf("             %s of earlier incarnations, beyond what was left of them\n",
                grouped(report.checkpoints_abandoned).c_str());
  std::printf("signatures: %s\n", signatures_checked ? "checked" : "not checked (--public-key)");
  if (report.torn_bytes != 0)
    std::printf("torn tail: %s, never synced; the next start cuts it\n", counted(report.torn_bytes, "byte").c_str());
}

/// The checkpoints in the files of --expect.
std::vector<log::signed_checkpoint> expected_by(const arguments& given) {
  std::vector<log::signed_checkpoint> out;
  for (const auto& file : given.all("--expect")) {
    auto found = checkpoints_in(file);
    std::move(found.begin(), found.end(), std::back_inserter(out));
  }
  return out;
}

/// One log, against at most one checkpoint that was kept elsewhere. @returns the exit status
int verify_one(const log_folder& where, const std::optional<log::signed_checkpoint>& expect, const arguments& given) {
  log::verify_options how;
  how.key = given.has("--public-key") ? std::optional{public_key_from(given.get("--public-key"))} : key_of_node(where);
  how.expect = expect;
  const auto report = [&] {
    progress_bar bar{"verifying"};
    how.progress = [&](std::uint64_t done, std::uint64_t all) { bar.show(done, all); };
    return log::verify(where.log, how);
  }();
  if (!report)
    fail_with(report.error());
  if (given.has("--json"))
    print_json(where.name(), *report, how);
  else
    print_text(*report, how.key.has_value());
  return report->intact() ? exit_good : exit_false;
}

int verify(const arguments& given) {
  const auto folders = log_folders_of(given);
  auto expected = expected_by(given);
  // Of one log, what is expected has to be that log's: verifying says so where it is not.
  if (folders.size() == 1 && expected.size() <= 1)
    return verify_one(folders.front(), expected.empty() ? std::nullopt : std::optional{expected.front()}, given);
  int status = exit_good;
  for (const auto& where : folders) {
    if (!given.has("--json"))
      std::printf("%s%s:\n", &where == &folders.front() ? "" : "\n", where.name().c_str());
    const auto mine =
        std::find_if(expected.begin(), expected.end(), [&](const auto& n) { return speaks_of(n, where); });
    std::optional<log::signed_checkpoint> expect;
    if (mine != expected.end()) {
      expect = std::move(*mine);
      expected.erase(mine);
    }
    status = std::max(status, verify_one(where, expect, given));
  }
  // --class leaves out logs that a file of several checkpoints speaks of.
  if (!expected.empty() && !given.has("--class"))
    throw command_failed{exit_false, "a checkpoint of \"" + expected.front().said.origin +
                                         "\" was expected, and no log "
                                         "here goes by that name"};
  return status;
}

int head(const arguments& given) {
  const auto folders = log_folders_of(given);
  std::string out;
  for (const auto& where : folders) {
    if (const auto latest = latest_checkpoint(where))
      out += (out.empty() ? "" : "\n") + latest->note;
    else
      std::fprintf(stderr, "troupe: the log %s has no checkpoint yet\n", where.name().c_str());
  }
  if (out.empty())
    return exit_cannot;
  return std::fwrite(out.data(), 1, out.size(), stdout) == out.size() ? exit_good : exit_cannot;
}

int key(const arguments& given) {
  const auto folders = log_folders_of(given);
  auto key = key_of_node(folders.front());
  if (given.has("--key")) {
    const auto file = given.get("--key");
    const auto read = log::signing_key::from_pem(read_input(file));
    if (!read)
      throw command_failed{exit_cannot, file + ": " + read.error().message};
    key = read->open_half();
  }
  if (!key)
    throw command_failed{exit_cannot, "cannot read the key " + (folders.front().data / "log.key").string() +
                                          " (--key FILE names another)"};
  for (const auto& where : folders) // the same key, under the name of each log
    if (std::puts(key->vkey(header_of_log(where).origin).c_str()) < 0)
      return exit_cannot;
  return exit_good;
}

} // namespace

command log_verify() {
  const std::vector<flag> own{
      {"--expect", "FILE", "checkpoints that were kept elsewhere (troupe log head printed them); - is standard input"},
      {"--public-key", "FILE|KEY", "checks signatures with this key; DATA/log.key where it is not given and readable"},
      {"--json", "", "says it in JSON"}};
  return {.name = "log verify",
          .takes = "",
          .summary = "Checks every record of a log, and that it is the one that its checkpoints were signed for",
          .flags = flags_of(folder_flags(), own),
          .run = &verify,
          .notes = "Without --expect it cannot find what someone changed who could rewrite the whole folder, its\n"
                   "checkpoints and its key: keep a checkpoint elsewhere, and the public key with it.\n"
                   "Exit status: 0 intact, 1 damaged, 3 it cannot be read.\n",
          .examples = "  troupe log verify --data /var/lib/troupe\n"
                      "  troupe log verify --expect today.note --public-key node.key --json\n"};
}

command log_head() {
  return {.name = "log head",
          .takes = "",
          .summary = "Prints the latest checkpoint of a log, a signed note to keep elsewhere",
          .flags = folder_flags(),
          .run = &head,
          .notes =
              "Of several logs the checkpoints stand one after the other, with an empty line between; log verify\n"
              "--expect takes them so.\n"
              "A log that has none yet is named on standard error.\n"
              "Exit status: 0 good, 1 the checkpoints are damaged, 3 there is none yet, or a log cannot be read.\n",
          .examples = "  troupe log head --data /var/lib/troupe > today.note\n"
                      "  troupe log head --class audit\n"};
}

command log_key() {
  const std::vector<flag> own{{"--key", "FILE", "the node's private key; DATA/log.key where it is not given"}};
  return {.name = "log key",
          .takes = "",
          .summary = "Prints the public key that checks a log's checkpoints",
          .flags = flags_of(folder_flags(), own),
          .run = &key,
          .notes = "One line for each log: the key is the same, the name in front is the log's.\n"
                   "Exit status: 0 good, 3 the key or a log cannot be read.\n",
          .examples = "  troupe log key --data /var/lib/troupe > node.key\n"
                      "  troupe log key --class channels --key /etc/troupe/log.key\n"};
}

} // namespace troupe::cli
