#include "apps/troupe/log_commands.hpp"
#include "apps/troupe/record_json.hpp"
#include "apps/troupe/record_merge.hpp"
#include "apps/troupe/sqlite_file.hpp"
#include "apps/troupe/terminal.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <optional>
#include <unistd.h>
#include <utility>

// troupe log export

namespace troupe::cli {
namespace {

constexpr std::uint64_t records_per_progress = 1024;

/// A file that gets its name when it is complete, and is gone if it does not become so.
class new_file {
public:
  new_file(std::string path, bool replace)
      : path_{std::move(path)}
      , partial_{path_ + ".partial"} {
    std::error_code failed;
    if (!replace && std::filesystem::exists(std::filesystem::symlink_status(path_, failed)))
      throw command_failed{exit_cannot, path_ + " is there already (--force replaces it)"};
    std::filesystem::remove(partial_, failed); // of a run that was killed
    fd_ = ::open(partial_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd_ < 0)
      throw cannot("cannot open " + partial_);
  }
  ~new_file() {
    ::close(fd_);
    if (!done_)
      ::unlink(partial_.c_str());
  }
  new_file(const new_file&) = delete;
  new_file& operator=(const new_file&) = delete;

  const std::string& partial() const { return partial_; }
  int fd() const { return fd_; }

  void finish() {
    if (::fsync(fd_) != 0)
      throw cannot("cannot sync " + partial_);
    if (::rename(partial_.c_str(), path_.c_str()) != 0)
      throw cannot("cannot name " + path_);
    done_ = true;
  }

private:
  static command_failed cannot(const std::string& what) { return {exit_cannot, what + ": " + std::strerror(errno)}; }

  std::string path_;
  std::string partial_;
  int fd_ = -1;
  bool done_ = false;
};

/// Takes every record of the stream. Throws command_failed where it ends otherwise than well.
template <class Take>
std::uint64_t take_all(record_merge& records, const Take& take) {
  using step = record_merge::step;
  progress_bar bar{"exporting"};
  std::uint64_t count = 0;
  auto how = records.next();
  for (; how == step::ready; how = records.next()) {
    take(records.at());
    if (++count % records_per_progress == 0)
      bar.show(records.read(), records.all());
  }
  if (how == step::interrupted)
    throw command_failed{exit_interrupted, "interrupted"};
  if (how == step::damaged)
    throw command_failed{status_of(records.why()),
                         records.why().text() + " (--past-damage goes on at the next segment)"};
  return count;
}

/// @returns how many records
std::uint64_t write_lines(record_merge& records, int fd, bool events) {
  line_output out{fd};
  std::string text;
  const auto write = [&](const log::entry& one) {
    text.clear();
    to_json(text, events ? cloud_event(one, records.origin()) : json_record(one, records.log_name()));
    out.line(text);
  };
  try {
    const auto count = take_all(records, write);
    out.flush();
    return count;
  } catch (const command_failed&) {
    out.flush(); // whole lines, where they go to standard output
    throw;
  }
}

std::uint64_t write_database(record_merge& records, const std::string& path) {
  sqlite_file database{path};
  std::map<std::string, std::string> origins;
  const auto count = take_all(records, [&](const log::entry& one) {
    origins[records.log_name()] = records.origin();
    database.add(one, records.log_name());
  });
  database.finish(origins);
  return count;
}

int export_records(const arguments& given) {
  const auto format = given.get("--format", "jsonl");
  const auto path = given.get("--out");
  if (format != "jsonl" && format != "cloudevents" && format != "sqlite")
    throw command_failed{exit_usage, "--format must be jsonl, cloudevents or sqlite, not \"" + format + "\""};
  if (format == "sqlite" && path.empty())
    throw command_failed{exit_usage, "an SQLite file needs a name: --out FILE"};
  const record_filter filter{given};
  const auto where = log_folders_of(given);
  watch_for_interrupt();
  record_merge records{where, filter, given};
  if (path.empty()) {
    write_lines(records, STDOUT_FILENO, format == "cloudevents");
  } else {
    new_file file{path, given.has("--force")};
    const auto count = format == "sqlite" ? write_database(records, file.partial())
                                          : write_lines(records, file.fd(), format == "cloudevents");
    file.finish();
    std::fprintf(stderr, "%s: %llu records\n", path.c_str(), static_cast<unsigned long long>(count));
  }
  return records.passed_damage() ? exit_false : exit_good;
}

} // namespace

command log_export() {
  const std::vector<flag> own{{"--format", "FORMAT", "jsonl (where it is not given), cloudevents or sqlite"},
                              {"--out", "FILE", "writes this file, which appears when it is complete", 'o'},
                              {"--force", "", "replace the file if it is there"}};
  return {.name = "log export",
          .takes = "",
          .summary = "Writes the records of a log for other programs",
          .flags = flags_of(folder_flags(), own, filter_flags(), decrypt_flags(), reading_flags()),
          .run = &export_records,
          .notes = "Exit status: 0 good, 1 damage was found, 3 something cannot be read or written, 130 Ctrl-C.\n",
          .examples = "  troupe log export --format sqlite --out log.db --from -7d\n"
                      "  troupe log export --class audit --format cloudevents | gzip > audit.jsonl.gz\n"};
}

} // namespace troupe::cli
