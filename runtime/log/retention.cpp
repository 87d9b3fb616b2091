#include "runtime/log/retention.hpp"

#include "runtime/log/segment.hpp"

#include <algorithm>
#include <fcntl.h>
#include <vector>

namespace troupe::log {
namespace {

/// One segment as far as retention cares.
struct weight {
  std::uint64_t first = 0;
  std::uint64_t bytes = 0;
  std::int64_t created_us = 0;
};

result<weight> weigh(const std::filesystem::path& folder, std::uint64_t first) {
  auto file = open_path(system_files(), folder / segment_name(first), O_RDONLY);
  if (!file)
    return file.error();
  const auto header = read_header(*file, first);
  if (!header)
    return header.error();
  const auto bytes = size_of(file->fd());
  if (!bytes)
    return bytes.error();
  return weight{first, *bytes, header->header.created_us};
}

/// Those to be dropped, the oldest first, and then the first that is kept, if there is any.
result<std::vector<weight>> old_segments(const std::filesystem::path& folder, const retention& keep,
                                         std::int64_t now_us) {
  const auto firsts = list_segments(folder);
  if (!firsts)
    return firsts.error();
  std::vector<weight> segments;
  std::uint64_t bytes = 0;
  for (const auto first : *firsts) {
    auto one = weigh(folder, first);
    if (!one)
      return one.error();
    bytes += one->bytes;
    segments.push_back(*one);
  }
  std::size_t old = 0;
  for (; old + 1 < segments.size(); ++old) {
    const bool too_large = keep.bytes_max > 0 && bytes > keep.bytes_max;
    // Nothing was appended to a segment after its successor was made.
    const bool too_old = keep.age_us_max > 0 && segments[old + 1].created_us < now_us - keep.age_us_max;
    if (!too_large && !too_old)
      break;
    bytes -= segments[old].bytes;
  }
  segments.resize(std::min(segments.size(), old + 1));
  return segments;
}

} // namespace

result<std::uint64_t> count_old_segments(const std::filesystem::path& folder, const retention& keep,
                                         std::int64_t now_us) {
  const auto old = old_segments(folder, keep, now_us);
  if (!old)
    return old.error();
  return old->empty() ? 0 : old->size() - 1;
}

result<dropped> drop_old_segments(const std::filesystem::path& folder, const retention& keep, std::int64_t now_us,
                                  file_ops& ops) {
  const auto old = old_segments(folder, keep, now_us);
  if (!old)
    return old.error();
  dropped result;
  for (std::size_t i = 0; i + 1 < old->size(); ++i) {
    if (const int failed = ops.unlink((folder / segment_name((*old)[i].first)).string()); failed < 0)
      return system_fault(-failed, "cannot remove a segment");
    // One by one, so that a crash leaves no gap.
    if (auto failed = sync_folder(ops, folder))
      return *failed;
    result.bytes += (*old)[i].bytes;
    ++result.segments;
  }
  if (!old->empty())
    result.first_kept = old->back().first;
  return result;
}

} // namespace troupe::log
