// Reads an audit log for room_replay, for a program that was started to check it and not to serve.

#include "actors/room_replay.hpp"
#include "runtime/log/cursor.hpp"
#include "runtime/log/subject_keys.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace troupe {

replay_report replay_log(const std::string& data_folder, const pattern_table<room_type>& types) {
  const auto folder = std::filesystem::path{data_folder} / "log" / "audit";
  room_replay replay{types};
  std::string cannot;
  std::error_code failed;
  if (!std::filesystem::is_directory(folder, failed)) {
    cannot = "there is no " + folder.string();
  } else if (auto opened = log::cursor::open(folder, 0); !opened) {
    cannot = opened.error().text();
  } else {
    auto step = opened->next();
    log::subject_keys keys{log::subject_keys_folder(data_folder)};
    std::string payload;
    for (; cannot.empty() && step == log::cursor::step::ready; step = opened->next()) {
      auto r = opened->at().what;
      if (const auto can = log::open_payload(keys, r, payload); !can) // what was forgotten stays as it is
        cannot = "record " + std::to_string(opened->at().index) + ": " + can.error().text();
      else
        replay.take(opened->at().index, r);
    }
    if (step == log::cursor::step::failed)
      cannot = opened->why().text();
  }
  auto report = replay.finish();
  report.cannot = std::move(cannot);
  return report;
}

void end_if_only_checked(const pattern_table<room_type>& types) {
  const char* const data = std::getenv("TROUPE_REPLAY_CHECK");
  if (data == nullptr || *data == '\0')
    return;
  const char* const format = std::getenv("TROUPE_REPLAY_FORMAT");
  const auto report = replay_log(data, types);
  const bool json = format != nullptr && std::string_view{format} == "json";
  const auto text = json ? json_of(report) + '\n' : text_of(report);
  const bool said = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  // At once: the program has made itself ready to serve, and must not.
  std::_Exit(said ? report.exit_code() : 2);
}

} // namespace troupe
