#include "apps/troupe/backup.hpp"

#include "apps/troupe/log_commands.hpp"
#include "apps/troupe/log_folder.hpp"
#include "apps/troupe/terminal.hpp"
#include "runtime/log/files.hpp"
#include "runtime/log/losses.hpp"
#include "runtime/log/segment.hpp"
#include "runtime/log/subject_keys.hpp"
#include "runtime/log/sync_mark.hpp"
#include "runtime/log/verify.hpp"
#include "runtime/model/value.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

// troupe backup. What makes the copy consistent: checkpoints are read before the mark that says how far the log is
// synced, and nothing is copied that lies behind the mark; segments before it never change.

namespace troupe::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t piece_bytes = std::size_t{1} << 20;
constexpr std::size_t key_bytes_max = std::size_t{16} << 10;

void must(const log::status& failed) {
  if (failed)
    fail_with(*failed);
}

/// The folder that becomes the backup: gets its name when it is complete, and is gone if it does not become so.
class new_folder {
public:
  explicit new_folder(const fs::path& path)
      : path_{path.has_filename() ? path : path.parent_path()}
      , partial_{path_.string() + ".partial"} {
    std::error_code failed;
    if (fs::exists(fs::symlink_status(path_, failed)) &&
        !(fs::is_directory(path_, failed) && fs::is_empty(path_, failed)))
      throw command_failed{exit_cannot, path_.string() + " is there and not empty: a backup wants a folder of its own"};
    if (const auto parent = path_.parent_path(); !parent.empty())
      fs::create_directories(parent, failed);
    if (::mkdir(partial_.c_str(), 0700) != 0)
      throw command_failed{exit_cannot, "cannot make " + partial_.string() + ": " + std::strerror(errno) +
                                            (errno == EEXIST ? " (of a backup that runs, or was killed)" : "")};
  }
  ~new_folder() {
    std::error_code ignored;
    if (!done_)
      fs::remove_all(partial_, ignored);
  }
  new_folder(const new_folder&) = delete;
  new_folder& operator=(const new_folder&) = delete;

  const fs::path& partial() const { return partial_; }

  void finish() {
    must(log::sync_folder(log::system_files(), partial_));
    if (::rename(partial_.c_str(), path_.c_str()) != 0)
      throw command_failed{exit_cannot, "cannot name " + path_.string() + ": " + std::strerror(errno)};
    done_ = true;
    const auto parent = path_.parent_path();
    must(log::sync_folder(log::system_files(), parent.empty() ? "." : parent));
  }

private:
  fs::path path_;
  fs::path partial_;
  bool done_ = false;
};

struct totals {
  std::uint64_t linked = 0; ///< Segments.
  std::uint64_t copied = 0;
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
};

/// One log on its way from a node to its backup.
class log_copy {
public:
  log_copy(const log_folder& from, const fs::path& to, bool may_link, totals& sum)
      : from_{from}
      , to_{to / "log" / from.name()}
      , may_link_{may_link}
      , sum_{sum} {}

  void run() {
    auto notes = log::read_checkpoints(from_.log);
    if (!notes)
      fail_with(notes.error());
    if (notes->damage)
      fail_with(*notes->damage);
    const auto mark = log::read_sync_mark(from_.log);
    if (!mark)
      throw command_failed{exit_cannot, (from_.log / "synced").string() +
                                            " cannot be read: nothing says how far this "
                                            "log lasts (start the node once, it writes the file again)"};
    const auto losses = log::read_losses(from_.log);
    if (!losses)
      fail_with(losses.error());
    if (!losses->empty())
      throw command_failed{exit_cannot,
                           (from_.log / "loss").string() +
                               ": a start that accepted a loss was broken off before it was recorded (start "
                               "the node once, it records it)"};
    must(log::make_folder(log::system_files(), to_));
    copy_segments(*mark);
    std::string text;
    for (const auto& note : notes->notes)
      if (note.said.size <= mark->next) // the mark may be older than the last of them, after a crash
        text += note.note + "\n";
    if (!text.empty())
      must(log::replace_file(log::system_files(), to_ / "checkpoints", text));
    log::sync_marker marker;
    must(marker.open(log::system_files(), to_));
    marker.write(*mark);
    must(log::sync_folder(log::system_files(), to_));
  }

  /// Reads the copy as a whole.
  void check(const std::optional<log::public_key>& key) {
    progress_bar bar{"verifying " + from_.name()};
    log::verify_options how;
    how.key = key;
    how.progress = [&](std::uint64_t done, std::uint64_t all) { bar.show(done, all); };
    const auto report = log::verify(to_, how);
    if (!report)
      fail_with(report.error());
    if (!report->intact())
      throw command_failed{exit_false, "the copy of " + from_.name() +
                                           " is not good, and was removed: " + report->problems.front().text()};
    sum_.records += report->records;
  }

private:
  /// From the newest back: retention drops the oldest, and what it drops meanwhile is left out.
  void copy_segments(const log::sync_mark& mark) {
    auto firsts = log::list_segments(from_.log);
    if (!firsts)
      fail_with(firsts.error());
    std::erase_if(*firsts, [&](std::uint64_t first) { return first > mark.first; });
    if (firsts->empty() || firsts->back() != mark.first)
      throw command_failed{exit_false, "the segment " + log::segment_name(mark.first) + " of " + from_.name() +
                                           " was synced, and is not there"};
    for (auto at = firsts->rbegin(); at != firsts->rend(); ++at) {
      const auto name = log::segment_name(*at);
      if (interrupted())
        throw command_failed{exit_interrupted, "interrupted"};
      if (*at == mark.first)
        copy(name, mark.offset);
      else if (!link(name) && !copy(name, std::nullopt))
        break;
    }
  }

  bool link(const std::string& name) {
    if (!may_link_ || ::link((from_.log / name).c_str(), (to_ / name).c_str()) != 0)
      return false;
    ++sum_.linked;
    return true;
  }

  /// @param bytes so many from the front; nothing: all
  /// @returns false where it is gone
  bool copy(const std::string& name, std::optional<std::uint64_t> bytes) {
    auto& files = log::system_files();
    const auto in = log::open_path(files, from_.log / name, O_RDONLY);
    if (!in && in.error().number == ENOENT && !bytes)
      return false;
    if (!in)
      fail_with(in.error());
    const auto size = log::size_of(in->fd());
    if (!size)
      fail_with(size.error());
    const auto end = bytes.value_or(*size);
    if (end > *size)
      throw command_failed{exit_false, name + " of " + from_.name() + " is shorter than what was synced of it"};
    const auto out = log::open_path(files, to_ / name, O_WRONLY | O_CREAT | O_EXCL);
    if (!out)
      fail_with(out.error());
    progress_bar bar{"copying " + name};
    std::string piece;
    for (std::uint64_t at = 0; at < end; at += piece.size()) {
      piece.clear();
      must(log::read_some(in->fd(), at, std::min<std::uint64_t>(piece_bytes, end - at), piece));
      if (piece.empty())
        throw command_failed{exit_cannot, name + " became shorter while it was read"};
      must(log::write_all(files, out->fd(), piece, at));
      bar.show(at, end);
      if (interrupted())
        throw command_failed{exit_interrupted, "interrupted"};
    }
    if (::fsync(out->fd()) != 0)
      throw command_failed{exit_cannot, "cannot sync " + name + ": " + std::strerror(errno)};
    ++sum_.copied;
    sum_.bytes += end;
    return true;
  }

  const log_folder& from_;
  fs::path to_;
  bool may_link_;
  totals& sum_;
};

void copy_key(const fs::path& data, const fs::path& to) {
  const auto pem = log::read_file(data / "log.key", key_bytes_max);
  if (!pem)
    fail_with(pem.error());
  must(log::replace_file(log::system_files(), to / "log.key", *pem, 0600));
}

/// The keys as they are now: what is forgotten meanwhile is left out, or comes along whole. @returns how many
std::uint64_t copy_subject_keys(const fs::path& data, const fs::path& to) {
  const auto from = log::subject_keys_folder(data);
  const auto into = log::subject_keys_folder(to);
  std::uint64_t count = 0;
  std::error_code failed;
  for (fs::directory_iterator at{from, failed}, end; !failed && at != end; at.increment(failed)) {
    if (at->path().extension() != ".key")
      continue;
    auto key = log::read_file(at->path(), key_bytes_max);
    if (!key && key.error().kind == log::fault_kind::lost)
      continue;
    if (!key)
      fail_with(key.error());
    if (!log::is_subject_key(*key)) // overwritten, and about to be removed
      continue;
    must(log::make_folder(log::system_files(), into));
    must(log::replace_file(log::system_files(), into / at->path().filename(), *key, 0600));
    ++count;
  }
  if (failed && failed != std::errc::no_such_file_or_directory)
    throw command_failed{exit_cannot, "cannot read " + from.string() + ": " + failed.message()};
  return count;
}

int run_backup(const arguments& given) {
  if (!given.has("--to"))
    throw command_failed{exit_usage, "backup needs --to DIR"};
  const auto logs = log_folders_of(given);
  const auto& data = logs.front().data;
  const fs::path target{given.get("--to")};
  watch_for_interrupt();
  new_folder folder{target};
  totals sum;
  const auto key = key_of_node(logs.front());
  for (const auto& one : logs) {
    log_copy copy{one, folder.partial(), !given.has("--copy"), sum};
    copy.run();
    copy.check(key);
  }
  must(log::sync_folder(log::system_files(), folder.partial() / "log"));
  if (given.has("--with-key"))
    copy_key(data, folder.partial());
  // After the logs, so that there is a key for every record.
  const auto keys = given.has("--with-subject-keys") ? copy_subject_keys(data, folder.partial()) : 0;
  folder.finish();
  if (given.has("--json")) {
    const value out = {{"to", target.string()},
                       {"logs", logs.size()},
                       {"records", sum.records},
                       {"segments_linked", sum.linked},
                       {"segments_copied", sum.copied},
                       {"bytes_copied", sum.bytes},
                       {"with_key", given.has("--with-key")},
                       {"subject_keys", keys},
                       {"signatures_checked", key.has_value()}};
    std::printf("%s\n", to_json(out).c_str());
  } else {
    const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
    std::printf("%s: %llu logs, %llu records, verified; %llu segments linked, %llu copied (%llu bytes)%s\n",
                target.c_str(), number(logs.size()), number(sum.records), number(sum.linked), number(sum.copied),
                number(sum.bytes), given.has("--with-key") ? ", with the key" : "");
  }
  return exit_good;
}

} // namespace

command backup() {
  const std::vector<flag> own{
      {"--to", "DIR", "where the copy goes: a folder that is not there, or empty"},
      {"--with-key", "", "also the private key that signs checkpoints; keep such a copy safe"},
      {"--with-subject-keys", "", "also the keys of confidential payloads, without which it holds none"},
      {"--copy", "", "copies sealed segments too, where a hard link would do"},
      {"--json", "", "says it in JSON"}};
  return {.name = "backup",
          .takes = "",
          .summary = "Copies the logs of a node, which may be running, and verifies the copy",
          .flags = flags_of(folder_flags(), own),
          .run = &run_backup,
          .notes = "The copy holds what was synced when it was taken. It is a data folder: trouped --data DIR starts\n"
                   "from it, and makes the index again. A killed backup leaves DIR.partial, which can be removed.\n"
                   "Exit status: 0 good, 1 the log is damaged, 2 bad usage, 3 something cannot be read or written,\n"
                   "130 Ctrl-C (nothing is left).\n",
          .examples = "  troupe backup --data /var/lib/troupe --to /backup/troupe-2026-03-01\n"
                      "  troupe backup --to /mnt/elsewhere/copy --with-key --with-subject-keys --json\n"};
}

} // namespace troupe::cli
