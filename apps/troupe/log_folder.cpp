#include "apps/troupe/log_folder.hpp"

#include "runtime/log/files.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

namespace troupe::cli {
namespace {

constexpr std::size_t input_bytes_max = std::size_t{64} << 20;
constexpr std::size_t key_bytes_max = std::size_t{16} << 10;

std::string classes_in(const std::filesystem::path& folder) {
  std::string out;
  std::error_code failed;
  for (std::filesystem::directory_iterator it{folder, failed}, end; !failed && it != end; it.increment(failed))
    if (it->is_directory(failed))
      out += (out.empty() ? "" : ", ") + it->path().filename().string();
  return out;
}

} // namespace

std::vector<flag> folder_flags() {
  return {{"--data", "DIR", "data folder of the node; ./data where it is not given"},
          {"--class", "NAME", "which of its logs; channels where it is not given"}};
}

log_folder log_folder_of(const arguments& given) {
  log_folder out;
  out.data = given.get("--data", "data");
  const auto name = given.get("--class", "channels");
  if (name.empty() || name.find('/') != std::string::npos || name.front() == '.')
    throw command_failed{exit_usage, "--class must be a plain name, not \"" + name + "\""};
  out.log = out.data / "log" / name;
  std::error_code failed;
  if (std::filesystem::is_directory(out.log, failed))
    return out;
  if (!std::filesystem::is_directory(out.data, failed))
    throw command_failed{exit_cannot, "there is no data folder " + out.data.string() + " (--data DIR names another)"};
  const auto there = classes_in(out.data / "log");
  throw command_failed{exit_cannot, "there is no log " + out.log.string() +
                                        (there.empty() ? ": this data folder has none" : "; there are: " + there)};
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
  const auto key = log::parse_public_key(is_file ? read_input(given) : given);
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

log::signed_checkpoint latest_checkpoint(const log_folder& where) {
  auto found = log::read_checkpoints(where.log);
  if (!found)
    fail_with(found.error());
  if (found->damage)
    fail_with(*found->damage);
  if (found->notes.empty())
    throw command_failed{exit_false, "this log has no checkpoint yet"};
  return std::move(found->notes.back());
}

} // namespace troupe::cli
