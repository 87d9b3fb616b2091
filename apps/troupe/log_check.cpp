#include "apps/troupe/log_commands.hpp"
#include "apps/troupe/log_folder.hpp"
#include "apps/troupe/terminal.hpp"
#include "runtime/log/base64.hpp"
#include "runtime/log/segment.hpp"
#include "runtime/log/verify.hpp"
#include "runtime/model/value.hpp"

#include <cstdio>
#include <unistd.h>

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

void print_json(const log::verify_report& report, bool signatures_checked) {
  auto problems = value::array();
  for (const auto& one : report.problems)
    problems.push_back(problem_json(one));
  const value out = {{"intact", report.intact()},
                     {"records", report.records},
                     {"first", report.first},
                     {"size", report.size},
                     {"segments", report.segments},
                     {"bytes", report.bytes},
                     {"root", root_text(report)},
                     {"checkpoints", report.checkpoints},
                     {"checkpoints_dropped", report.checkpoints_dropped},
                     {"checkpoints_abandoned", report.checkpoints_abandoned},
                     {"expected_fits", report.expected_fits},
                     {"signatures_checked", signatures_checked},
                     {"torn_bytes", report.torn_bytes},
                     {"problems", std::move(problems)}};
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

int verify(const arguments& given) {
  const auto where = log_folder_of(given);
  log::verify_options how;
  how.key = given.has("--public-key") ? std::optional{public_key_from(given.get("--public-key"))} : key_of_node(where);
  if (given.has("--expect")) {
    const auto file = given.get("--expect");
    auto note = log::parse_checkpoint(read_input(file));
    if (!note)
      throw command_failed{exit_cannot, file + " holds no checkpoint: " + note.error().message};
    how.expect = std::move(*note);
  }
  const auto report = [&] {
    progress_bar bar{"verifying"};
    how.progress = [&](std::uint64_t done, std::uint64_t all) { bar.show(done, all); };
    return log::verify(where.log, how);
  }();
  if (!report)
    fail_with(report.error());
  if (given.has("--json"))
    print_json(*report, how.key.has_value());
  else
    print_text(*report, how.key.has_value());
  return report->intact() ? exit_good : exit_false;
}

int head(const arguments& given) {
  const auto note = latest_checkpoint(log_folder_of(given)).note;
  return std::fwrite(note.data(), 1, note.size(), stdout) == note.size() ? exit_good : exit_cannot;
}

/// The name under which a log is signed now: that of its newest segment.
std::string origin_of_log(const log_folder& where) {
  const auto firsts = log::list_segments(where.log);
  if (!firsts)
    fail_with(firsts.error());
  if (firsts->empty())
    throw command_failed{exit_cannot, "there is no segment in " + where.log.string()};
  const auto name = log::segment_name(firsts->back());
  const auto header = log::parse_header(read_input((where.log / name).string()).substr(0, log::header_bytes_max));
  if (!header)
    throw command_failed{exit_false, name + ": " + header.error().message};
  return header->header.origin;
}

int key(const arguments& given) {
  const auto where = log_folder_of(given);
  auto key = key_of_node(where);
  if (given.has("--key")) {
    const auto file = given.get("--key");
    const auto read = log::signing_key::from_pem(read_input(file));
    if (!read)
      throw command_failed{exit_cannot, file + ": " + read.error().message};
    key = read->open_half();
  }
  if (!key)
    throw command_failed{exit_cannot,
                         "cannot read the key " + (where.data / "log.key").string() + " (--key FILE names another)"};
  return std::puts(key->vkey(origin_of_log(where)).c_str()) < 0 ? exit_cannot : exit_good;
}

} // namespace

command log_verify() {
  const std::vector<flag> own{
      {"--expect", "FILE", "a checkpoint that was kept elsewhere (troupe log head printed it); - is standard input"},
      {"--public-key", "FILE|KEY", "checks signatures with this key; DATA/log.key where it is not given and readable"},
      {"--json", "", "says it in JSON"}};
  return {.name = "log verify",
          .takes = "",
          .summary = "Checks every record of a log, and that it is the one that its checkpoints were signed for",
          .flags = flags_of(folder_flags(), own),
          .run = &verify,
          .notes = "Without --expect it cannot find what someone changed who could rewrite the whole folder, its\n"
                   "checkpoints and its key: keep a checkpoint elsewhere, and the public key with it.\n"
                   "Exit status: 0 intact, 1 damaged, 3 it cannot be read.\n"};
}

command log_head() {
  return {.name = "log head",
          .takes = "",
          .summary = "Prints the latest checkpoint of a log, a signed note to keep elsewhere",
          .flags = folder_flags(),
          .run = &head};
}

command log_key() {
  const std::vector<flag> own{{"--key", "FILE", "the node's private key; DATA/log.key where it is not given"}};
  return {.name = "log key",
          .takes = "",
          .summary = "Prints the public key that checks a log's checkpoints",
          .flags = flags_of(folder_flags(), own),
          .run = &key};
}

} // namespace troupe::cli
