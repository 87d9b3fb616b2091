#include "runtime/log/sync_mark.hpp"

#include "runtime/log/bytes.hpp"
#include "runtime/log/checksum.hpp"

#include <fcntl.h>

namespace troupe::log {
namespace {

constexpr std::string_view magic = "TROUPSYN";
constexpr std::size_t mark_bytes = 8 + 3 * 8 + 4;
constexpr const char* file_name = "synced";

} // namespace

std::optional<sync_mark> read_sync_mark(const std::filesystem::path& folder) {
  // A writer may be just at it: a mark that is half old and half new is read again.
  for (int tries = 0; tries < 3; ++tries) {
    const auto bytes = read_file(folder / file_name, mark_bytes);
    if (!bytes || bytes->size() != mark_bytes)
      return {};
    byte_reader in{*bytes};
    const auto begin = in.text(magic.size());
    const auto first = in.number<std::uint64_t>();
    const auto offset = in.number<std::uint64_t>();
    const auto next = in.number<std::uint64_t>();
    if (begin == magic && in.number<std::uint32_t>() == crc32_of(0, std::string_view{*bytes}.substr(0, mark_bytes - 4)))
      return sync_mark{first, offset, next};
  }
  return {};
}

status sync_marker::open(file_ops& ops, const std::filesystem::path& folder) {
  auto file = open_path(ops, folder / file_name, O_RDWR | O_CREAT);
  if (!file)
    return file.error();
  ops_ = &ops;
  file_ = std::move(*file);
  return {};
}

void sync_marker::write(const sync_mark& mark) {
  std::string bytes{magic};
  put(bytes, mark.first);
  put(bytes, mark.offset);
  put(bytes, mark.next);
  put(bytes, crc32_of(0, bytes));
  // One call: a short write leaves a mark whose checksum is wrong, that is, none.
  if (file_.is_open())
    ops_->pwrite(file_.fd(), bytes.data(), bytes.size(), 0);
}

} // namespace troupe::log
