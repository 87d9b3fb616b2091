#include "apps/troupe/log_commands.hpp"
#include "apps/troupe/record_json.hpp"
#include "apps/troupe/record_merge.hpp"
#include "apps/troupe/record_table.hpp"
#include "apps/troupe/terminal.hpp"

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <unistd.h>

// troupe log cat, troupe log tail

namespace troupe::cli {
namespace {

constexpr std::chrono::milliseconds follow_interval{100};
constexpr std::uint64_t tail_records_max = 100'000;
constexpr std::uint64_t records_per_progress = 1024;

enum class shape : std::uint8_t { table, jsonl, cloudevents };

shape shape_of(const arguments& given) {
  const auto name = given.get("--format", is_terminal(STDOUT_FILENO) ? "table" : "jsonl");
  if (name == "table")
    return shape::table;
  if (name == "jsonl")
    return shape::jsonl;
  if (name == "cloudevents")
    return shape::cloudevents;
  throw command_failed{exit_usage, "--format must be table, jsonl or cloudevents, not \"" + name + "\"" +
                                       (name == "sqlite" ? " (troupe log export makes SQLite files)" : "")};
}

/// Records as lines on standard output.
class printer {
public:
  explicit printer(shape how)
      : how_{how} {}

  void print(const log::entry& one, std::string_view log_name, std::string_view origin) {
    if (how_ == shape::table)
      return table_.add(one, log_name);
    text_.clear();
    to_json(text_, how_ == shape::jsonl ? json_record(one, log_name) : cloud_event(one, origin));
    out_.line(text_);
  }

  void flush() {
    table_.flush();
    out_.flush();
  }

private:
  shape how_;
  line_output out_{STDOUT_FILENO};
  record_table table_{out_, columns_or(record_table::no_width)};
  std::string text_;
};

int ended(const record_merge& records, record_merge::step how, printer& out) {
  out.flush();
  if (how == record_merge::step::damaged) {
    std::fprintf(stderr, "troupe: %s\n", records.why().text().c_str());
    return status_of(records.why());
  }
  if (how == record_merge::step::interrupted)
    return exit_interrupted;
  return records.passed_damage() ? exit_false : exit_good;
}

/// Prints what comes, until Ctrl-C, which is how following ends well.
int follow(record_merge& records, printer& out) {
  using step = record_merge::step;
  for (;;) {
    const auto how = records.next();
    if (how == step::ready) {
      out.print(records.at(), records.log_name(), records.origin());
    } else if (how == step::end) {
      out.flush();
      if (interrupted())
        return exit_good;
      std::this_thread::sleep_for(follow_interval);
      records.look_again();
    } else {
      const int status = ended(records, how, out);
      return how == step::interrupted ? exit_good : status;
    }
  }
}

void check_follow(const arguments& given) {
  if (given.has("--follow") && given.has("--to"))
    throw command_failed{exit_usage, "--follow has no end, so it cannot go with --to"};
}

int cat(const arguments& given) {
  check_follow(given);
  const auto how = shape_of(given);
  const record_filter filter{given};
  const auto where = log_folders_of(given);
  watch_for_interrupt();
  record_merge records{where, filter, given};
  printer out{how};
  if (given.has("--follow"))
    return follow(records, out);
  // Lines on the same terminal would mix with the bar.
  std::optional<progress_bar> bar;
  if (!is_terminal(STDOUT_FILENO))
    bar.emplace("reading");
  auto step = records.next();
  for (std::uint64_t n = 1; step == record_merge::step::ready; step = records.next(), ++n) {
    out.print(records.at(), records.log_name(), records.origin());
    if (bar && n % records_per_progress == 0)
      bar->show(records.read(), records.all());
  }
  bar.reset();
  return ended(records, step, out);
}

int tail(const arguments& given) {
  check_follow(given);
  const auto how = shape_of(given);
  const auto count = number_from(given.get("--lines", "10"), "--lines");
  if (count > tail_records_max)
    throw command_failed{exit_usage, "--lines must be at most " + std::to_string(tail_records_max) +
                                         " (troupe log cat --from reads any number)"};
  const record_filter filter{given};
  const auto where = log_folders_of(given);
  watch_for_interrupt();
  record_merge records{where, filter, given};
  printer out{how};
  record_merge::step step{};
  for (const auto& one : records.last(count, step))
    out.print(records.opened(one.what->entry), one.log_name, one.what->origin);
  if (!given.has("--follow") || step != record_merge::step::end)
    return ended(records, step, out);
  return follow(records, out);
}

constexpr std::string_view reading_notes =
    "Several logs come as one, by the times of their records; each record says the class of its log.\n"
    "Exit status: 0 good, 1 damage was found, 3 a log cannot be read, 130 Ctrl-C (with --follow: 0).\n";

std::vector<flag> output_flags() {
  return {{"--format", "FORMAT", "table, jsonl or cloudevents; table on a terminal, otherwise jsonl"},
          {"--follow", "", "go on with what is written from now on, until Ctrl-C", 'f'}};
}

} // namespace

command log_cat() {
  return {.name = "log cat",
          .takes = "",
          .summary = "Prints the records of a log",
          .flags = flags_of(folder_flags(), filter_flags(), output_flags(), decrypt_flags(), reading_flags()),
          .run = &cat,
          .notes = reading_notes,
          .examples = "  troupe log cat --channel 'orders:*' --user ann --from -1h\n"
                      "  troupe log cat --class audit --kind 'room.*' --room lobby --format table\n"
                      "  troupe log cat --class channels --from 4711 --to 4720\n"};
}

command log_tail() {
  const std::vector<flag> lines{{"--lines", "N", "so many; 10 where it is not given", 'n'}};
  return {.name = "log tail",
          .takes = "",
          .summary = "Prints the last records of a log",
          .flags = flags_of(folder_flags(), lines, filter_flags(), output_flags(), decrypt_flags(), reading_flags()),
          .run = &tail,
          .notes = reading_notes,
          .examples = "  troupe log tail --data /var/lib/troupe --follow\n"
                      "  troupe log tail -n 100 --kind error --format jsonl\n"};
}

} // namespace troupe::cli
