#include "apps/troupe/log_commands.hpp"
#include "apps/troupe/record_merge.hpp"
#include "apps/troupe/terminal.hpp"
#include "runtime/log/subject_keys.hpp"
#include "runtime/log/writer.hpp"
#include "runtime/model/value.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

// troupe log forget. The request lies on the disk first: whatever happens after that, the subject is forgotten, by this
// command where nobody has the logs open, otherwise by the node.

namespace troupe::cli {
namespace {

using clock = std::chrono::steady_clock;
using writers = std::vector<std::unique_ptr<log::writer>>;

constexpr std::chrono::milliseconds look_interval{20};
constexpr std::uint64_t seconds_max = 86'400;
constexpr std::uint64_t records_per_progress = 1024;

void must(const log::status& failed) {
  if (failed)
    fail_with(*failed);
}

std::int64_t now_us() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(since).count();
}

/// How many payloads about the subject the logs have.
std::uint64_t count_records(const std::vector<log_folder>& where, const std::string& subject, const arguments& given) {
  using step = record_merge::step;
  record_merge records{where, record_filter{}, given};
  progress_bar bar{"looking for records"};
  std::uint64_t count = 0;
  auto how = records.next();
  for (std::uint64_t n = 1; how == step::ready; how = records.next(), ++n) {
    const auto& what = records.at().what;
    count += what.subject == subject && !what.key_id.empty() && what.key_id != log::no_key_id ? 1 : 0;
    if (n % records_per_progress == 0)
      bar.show(records.read(), records.all());
  }
  if (how == step::damaged) // which keeps nobody from being forgotten
    std::fprintf(stderr, "troupe: not all records can be counted: %s\n", records.why().text().c_str());
  return count;
}

void confirm(const std::string& subject, std::uint64_t count) {
  if (!is_terminal(STDIN_FILENO))
    throw command_failed{exit_usage, "to forget cannot be undone: say --yes where nobody can be asked"};
  std::fprintf(stderr, "Forget %s? The payloads of %llu records can then never be read again. [y/N] ",
               printable(subject, 80).c_str(), static_cast<unsigned long long>(count));
  std::array<char, 16> answer{};
  if (std::fgets(answer.data(), answer.size(), stdin) == nullptr || (answer[0] != 'y' && answer[0] != 'Y'))
    throw command_failed{exit_false, "nothing was done"};
}

/// All logs, for nobody else to open meanwhile. Empty where a node has them open.
writers open_writers(const std::vector<log_folder>& where) {
  writers out;
  for (const auto& one : where) {
    log::writer_options options;
    options.folder = one.log;
    options.class_name = one.name();
    options.node = header_of_log(one).node;
    auto opened = log::writer::open(options);
    if (!opened && opened.error().kind == log::fault_kind::in_use)
      return {};
    if (!opened)
      fail_with(opened.error());
    out.push_back(std::move(*opened));
  }
  return out;
}

/// Whether the last record says that the node has stopped in good order.
bool ends_clean(const log::writer& of) {
  if (of.next() == 0)
    return false;
  auto at = log::cursor::open(of.folder(), of.next() - 1);
  return at && at->next() == log::cursor::step::ready && at->at().what.kind == log::record_kind::node_stopped;
}

void append_record(log::writer& to, const std::string& subject) {
  const bool clean = ends_clean(to);
  log::record_view r;
  r.time_us = now_us();
  r.kind = log::record_kind::forgotten;
  r.subject = subject;
  if (const auto index = to.append(r); !index)
    fail_with(index.error());
  if (clean) { // that is still so, and the next start looks for it at the end
    log::record_view end;
    end.time_us = r.time_us;
    end.kind = log::record_kind::node_stopped;
    if (const auto index = to.append(end); !index)
      fail_with(index.error());
  }
  must(to.sync());
}

/// @returns whether the node has done it in time
bool wait_for_node(const log::forget_requests& requests, const std::string& subject, std::uint64_t seconds) {
  progress_bar bar{"waiting for the node to forget, seconds"};
  const auto begun = clock::now();
  while (requests.has(subject)) {
    const auto waited = clock::now() - begun;
    if (waited > std::chrono::seconds{seconds})
      return false;
    bar.show_count(static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(waited).count()));
    std::this_thread::sleep_for(look_interval);
  }
  return true;
}

/// @returns who has done it
std::string do_forget(const std::vector<log_folder>& where, const std::string& subject, const arguments& given) {
  const auto folder = log::subject_keys_folder(where.front().data);
  const auto seconds = number_from(given.get("--wait", "30"), "--wait");
  if (seconds > seconds_max)
    throw command_failed{exit_usage, "--wait must be at most " + std::to_string(seconds_max) + " seconds"};
  log::forget_requests requests{folder};
  must(requests.put(subject));
  const auto open = open_writers(where);
  if (open.empty()) {
    if (wait_for_node(requests, subject, seconds))
      return "node";
    throw command_failed{exit_cannot, "the node that has the log open has not done it within " +
                                          std::to_string(seconds) + " s; the request stays in " +
                                          (folder / "requests").string() +
                                          ", and is done when the node comes to it (its log says forgetting_failed "
                                          "where it cannot; it has to be allowed to read and remove that file)"};
  }
  must(requests.begin(subject));
  log::subject_keys keys{folder};
  if (const auto gone = keys.forget(subject); !gone)
    fail_with(gone.error());
  for (const auto& one : open)
    append_record(*one, subject);
  must(requests.finish(subject));
  return "command";
}

int forget(const arguments& given) {
  const auto& subject = given.words().front();
  if (subject.empty() || subject.size() > log::subject_bytes_max)
    throw command_failed{exit_usage, "a subject is the name of a user, as privacy.subject says it"};
  const auto where = log_folders_of(given);
  const auto count = count_records(where, subject, given);
  if (!given.has("--yes"))
    confirm(subject, count);
  const auto by = do_forget(where, subject, given);
  if (given.has("--json")) {
    const value out = {{"subject", subject}, {"records", count}, {"by", by}};
    std::printf("%s\n", to_json(out).c_str());
  } else {
    std::printf("%s is forgotten: the payloads of %llu records cannot be read any more\n",
                printable(subject, 80).c_str(), static_cast<unsigned long long>(count));
  }
  return exit_good;
}

} // namespace

command log_forget() {
  auto flags = folder_flags();
  flags.resize(1); // --data: what is forgotten is forgotten in all logs
  const std::vector<flag> own{{"--yes", "", "do not ask"},
                              {"--wait", "SECONDS", "how long to wait for a running node; 30 where it is not given"},
                              {"--json", "", "says it in JSON"}};
  return {.name = "log forget",
          .takes = "SUBJECT",
          .summary = "Destroys the key of all confidential payloads about a user",
          .words_min = 1,
          .words_max = 1,
          .flags = flags_of(flags, own),
          .run = &forget,
          .notes =
              "The log stays as it is, and verifies: it holds these payloads encrypted, and nobody can read them\n"
              "any more. That it happened is a record, \"forgotten\". A running node is asked to do it; run this as\n"
              "the node's user. Copies of the keys (troupe backup --with-subject-keys) have to forget on their own.\n"
              "Exit status: 0 done, 1 not wanted or the log is damaged, 2 bad usage, 3 it cannot be done now.\n",
          .examples = "  troupe log forget ann --data /var/lib/troupe\n"
                      "  troupe log forget ann --yes --json\n"};
}

} // namespace troupe::cli
