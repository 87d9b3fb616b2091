#include "runtime/log/losses.hpp"

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace troupe::log {
namespace {

constexpr const char* file_name = "loss";
constexpr std::size_t file_bytes_max = std::size_t{16} << 20;
constexpr std::string_view of_records = "records: ";
constexpr std::string_view of_checkpoints = "checkpoints: ";
constexpr std::string_view checkpoints_type = "checkpoints"; ///< `type` of a record where no record is missing.

} // namespace

result<std::vector<accepted_loss>> read_losses(const std::filesystem::path& folder) {
  const auto bytes = read_file(folder / file_name, file_bytes_max);
  if (!bytes && bytes.error().number == ENOENT)
    return std::vector<accepted_loss>{};
  if (!bytes)
    return bytes.error();
  std::vector<accepted_loss> all;
  std::string_view left = *bytes;
  while (!left.empty()) {
    auto line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(left.size(), line.size() + 1));
    const bool light = line.starts_with(of_checkpoints);
    line.remove_prefix(light ? of_checkpoints.size() : line.starts_with(of_records) ? of_records.size() : 0);
    all.push_back({std::string{line}, !light});
  }
  return all;
}

status write_losses(file_ops& ops, const std::filesystem::path& folder, const std::vector<accepted_loss>& all) {
  const auto path = folder / file_name;
  if (!all.empty()) {
    std::string text;
    for (const auto& one : all)
      text.append(one.breaks_order ? of_records : of_checkpoints).append(one.what).append("\n");
    return replace_file(ops, path, text);
  }
  if (const int failed = ops.unlink(path.string()); failed < 0 && failed != -ENOENT)
    return system_fault(-failed, "cannot remove " + path.string());
  return sync_folder(ops, folder);
}

record_view record_of(const accepted_loss& loss, std::int64_t now_us) {
  record_view r;
  r.time_us = now_us;
  r.kind = record_kind::log_damaged;
  r.type = loss.breaks_order ? std::string_view{} : checkpoints_type;
  r.detail = loss.what;
  return r;
}

bool breaks_order(const record_view& damaged) noexcept { return damaged.type != checkpoints_type; }

} // namespace troupe::log
