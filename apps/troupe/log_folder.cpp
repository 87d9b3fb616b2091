#include "apps/troupe/log_folder.hpp"

#include "runtime/log/files.hpp"
#include "runtime/log/recovery.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <system_error>

namespace troupe::cli {
namespace {

constexpr std::size_t input_bytes_max = std::size_t{64} << 20;
constexpr std::size_t key_bytes_max = std::size_t{16} << 10;

[[noreturn]] void cannot_read(const std::filesystem::path& path, const std::error_code& why) {
  throw command_failed{exit_cannot, "cannot read " + path.string() + ": " + why.message()};
}

/// Throws where one may not look there: who may not look cannot say that nothing is there.
bool is_folder(const std::filesystem::path& path) {
  std::error_code failed;
  const auto found = std::filesystem::status(path, failed);
  if (found.type() == std::filesystem::file_type::none)
    cannot_read(path, failed);
  return found.type() == std::filesystem::file_type::directory;
}

std::vector<std::string> classes_in(const std::filesystem::path& folder) {
  std::vector<std::string> out;
  std::error_code failed;
  for (std::filesystem::directory_iterator it{folder, failed}, end; !failed && it != end; it.increment(failed))
    if (is_folder(it->path()))
      out.push_back(it->path().filename().string());
  if (failed && failed != std::errc::no_such_file_or_directory)
    cannot_read(folder, failed);
  std::sort(out.begin(), out.end());
  return out;
}

log_folder one_log(const std::filesystem::path& data, const std::string& name) {
  if (name.empty() || name.find('/') != std::string::npos || name.front() == '.')
    throw command_failed{exit_usage, "--class must be a plain name, not \"" + name + "\""};
  log_folder out{data, data / "log" / name};
  if (is_folder(out.log))
    return out;
  std::string there;
  for (const auto& one : classes_in(data / "log"))
    there += (there.empty() ? "" : ", ") + one;
  throw command_failed{exit_cannot, "there is no log " + out.log.string() +
                                        (there.empty() ? ": this data folder has none" : "; there are: " + there)};
}

std::filesystem::path data_folder_of(const arguments& given) {
  std::filesystem::path data{given.get("--data", "data")};
  if (!is_folder(data))
    throw command_failed{exit_cannot, "there is no data folder " + data.string() + " (--data DIR names another)"};
  return data;
}

constexpr flag data_flag{"--data", "DIR", "data folder of the node; ./data where it is not given"};

} // namespace

std::vector<flag> folder_flags() {
  return {data_flag, {"--class", "NAME", "which of its logs; all of them where it is not given"}};
}

std::vector<flag> one_folder_flags() {
  return {data_flag, {"--class", "NAME", "which of its logs; channels where it is not given"}};
}

std::vector<log_folder> log_folders_of(const arguments& given) {
  const bool named = given.has("--class");
  const auto names = given.all("--class");
  for (const auto& name : names)
    if (name.empty() || name.find('/') != std::string::npos || name.front() == '.')
      throw command_failed{exit_usage, "--class must be a plain name, not \"" + name + "\""};
  const auto data = data_folder_of(given);
  std::vector<log_folder> out;
  for (const auto& name : named ? names : classes_in(data / "log"))
    out.push_back(one_log(data, name));
  if (out.empty())
    throw command_failed{exit_cannot, "there is no log in " + (data / "log").string() + ": this data folder has none"};
  return out;
}

log_folder log_folder_of(const arguments& given) {
  return one_log(data_folder_of(given), given.get("--class", "channels"));
}

int status_of(const log::fault& why) noexcept {
  using kind = log::fault_kind;
  return why.kind == kind::damaged || why.kind == kind::lost ? exit_false : exit_cannot;
}

void fail_with(const log::fault& why) { throw command_failed{status_of(why), why.text()}; }

std::string read_input(const std::string& path) {
  std::FILE* const in = path == "-" ? stdin : std::fopen(path.c_str(), "rbe");
  if (in == nullptr)
    throw command_failed{exit_cannot, "cannot open " + path + ": " + std::strerror(errno)};
  std::string out;
  std::string part(64 * 1024, '\0');
  std::size_t n = 0;
  while (out.size() <= input_bytes_max && (n = std::fread(part.data(), 1, part.size(), in)) > 0)
    out.append(part, 0, n);
  const int failed = std::ferror(in) != 0 ? errno : 0;
  if (in != stdin)
    std::fclose(in);
  if (failed != 0)
    throw command_failed{exit_cannot, "cannot read " + path + ": " + std::strerror(failed)};
  if (out.size() > input_bytes_max)
    throw command_failed{exit_cannot, path + " is too large"};
  return out;
}

log::public_key public_key_from(const std::string& given) {
  std::error_code failed;
  const bool is_file = given == "-" || std::filesystem::exists(given, failed);
  auto text = is_file ? read_input(given) : given;
  if (text.find("-----BEGIN") == std::string::npos) // troupe log key says the same key once for each log
    text.resize(std::min(text.size(), text.find('\n')));
  const auto key = log::parse_public_key(text);
  if (key)
    return *key;
  if (is_file)
    throw command_failed{exit_cannot, given + ": " + key.error().message};
  if (given.find('+') == std::string::npos)
    throw command_failed{exit_cannot, "cannot open " + given + ": there is no such file"};
  throw command_failed{exit_usage, "--public-key: " + key.error().message};
}

std::optional<log::public_key> key_of_node(const log_folder& where) {
  const auto pem = log::read_file(where.data / "log.key", key_bytes_max);
  if (!pem)
    return {};
  const auto key = log::signing_key::from_pem(*pem);
  if (!key)
    return {};
  return key->open_half();
}

std::optional<log::signed_checkpoint> latest_checkpoint(const log_folder& where) {
  auto found = log::read_checkpoints(where.log);
  if (!found)
    fail_with(found.error());
  if (found->damage)
    fail_with(*found->damage);
  if (found->notes.empty())
    return {};
  return std::move(found->notes.back());
}

log::segment_header header_of_log(const log_folder& where) {
  const auto firsts = log::list_segments(where.log);
  if (!firsts)
    fail_with(firsts.error());
  if (firsts->empty())
    throw command_failed{exit_cannot, "there is no segment in " + where.log.string()};
  const auto name = log::segment_name(firsts->back());
  const auto file = log::open_path(log::system_files(), where.log / name, O_RDONLY);
  if (!file)
    fail_with(file.error());
  auto header = log::read_header(*file, firsts->back());
  if (!header)
    fail_with(header.error());
  return std::move(header->header);
}

std::vector<log::signed_checkpoint> checkpoints_in(const std::string& file) {
  const auto text = read_input(file);
  auto found = log::parse_checkpoints(text + "\n");
  if (!found.damage && !found.notes.empty())
    return std::move(found.notes);
  auto one = log::parse_checkpoint(text);
  if (!one)
    throw command_failed{exit_cannot, file + " holds no checkpoint: " + one.error().message};
  return {std::move(*one)};
}

bool speaks_of(const log::signed_checkpoint& note, const log_folder& where) {
  const auto firsts = log::list_segments(where.log);
  if (!firsts || firsts->empty())
    return note.said.origin.find("/" + where.name()) != std::string::npos;
  try {
    const auto header = header_of_log(where);
    return log::incarnation_of(note.said.origin, header.node, header.class_name) > 0;
  } catch (const command_failed&) {
    return note.said.origin.find("/" + where.name()) != std::string::npos;
  }
}

} // namespace troupe::cli
