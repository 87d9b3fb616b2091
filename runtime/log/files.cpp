#include "runtime/log/files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace troupe::log {
namespace {

constexpr std::size_t block_bytes = std::size_t{64} << 10;

template <class Call>
auto again(Call call) -> decltype(call()) {
  for (;;) {
    auto result = call();
    if (result >= 0)
      return result;
    if (errno != EINTR)
      return -errno;
  }
}

} // namespace

int file_ops::open(const std::string& path, int flags, unsigned mode) {
  return again([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
}
int file_ops::close(int fd) { return ::close(fd) == 0 ? 0 : -errno; }
std::int64_t file_ops::pwrite(int fd, const char* bytes, std::size_t length, std::uint64_t offset) {
  return again([&] { return static_cast<std::int64_t>(::pwrite(fd, bytes, length, static_cast<off_t>(offset))); });
}
int file_ops::truncate(int fd, std::uint64_t length) {
  return again([&] { return ::ftruncate(fd, static_cast<off_t>(length)); });
}

// Zeros that are written, not fallocate's promise of some: with that a sync stores which part of it is used now.
int file_ops::allocate(int fd, std::uint64_t offset, std::uint64_t length) {
  const std::string zeros(std::min<std::uint64_t>(length, 256 * 1024), '\0');
  while (length != 0) {
    const auto done = file_ops::pwrite(fd, zeros.data(), std::min<std::uint64_t>(length, zeros.size()), offset);
    if (done <= 0)
      return done < 0 ? static_cast<int>(done) : -ENOSPC;
    offset += static_cast<std::uint64_t>(done);
    length -= static_cast<std::uint64_t>(done);
  }
  return 0;
}

// Not tried again after EINTR: what a sync that was broken off has done is as unknown as after any failure.
int file_ops::datasync(int fd) { return ::fdatasync(fd) == 0 ? 0 : -errno; }
int file_ops::sync(int fd) { return ::fsync(fd) == 0 ? 0 : -errno; }
int file_ops::rename(const std::string& from, const std::string& to) {
  return std::rename(from.c_str(), to.c_str()) == 0 ? 0 : -errno;
}
int file_ops::unlink(const std::string& path) { return ::unlink(path.c_str()) == 0 ? 0 : -errno; }

file_ops& system_files() {
  static file_ops real;
  return real;
}

open_file::open_file(open_file&& other) noexcept
    : ops_{other.ops_}
    , fd_{std::exchange(other.fd_, -1)} {}

open_file& open_file::operator=(open_file&& other) noexcept {
  if (this != &other) {
    close();
    ops_ = other.ops_;
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void open_file::close() noexcept {
  // What was written was synced before; nothing depends on what close says.
  if (fd_ >= 0)
    ops_->close(std::exchange(fd_, -1));
}

result<open_file> open_path(file_ops& ops, const std::filesystem::path& path, int flags, unsigned mode) {
  const int fd = ops.open(path.string(), flags, mode);
  if (fd < 0)
    return system_fault(-fd, "cannot open " + path.string());
  return open_file{ops, fd};
}

status write_all(file_ops& ops, int fd, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const auto written = ops.pwrite(fd, bytes.data(), bytes.size(), offset);
    if (written < 0)
      return system_fault(static_cast<int>(-written), "cannot write");
    if (written == 0)
      return system_fault(ENOSPC, "cannot write");
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

result<std::size_t> read_into(int fd, std::uint64_t offset, char* out, std::size_t length) {
  std::size_t done = 0;
  while (done < length) {
    const auto got = again([&] {
      return static_cast<std::int64_t>(::pread(fd, out + done, length - done, static_cast<off_t>(offset + done)));
    });
    if (got < 0)
      return system_fault(static_cast<int>(-got), "cannot read");
    if (got == 0)
      break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

status read_some(int fd, std::uint64_t offset, std::size_t length, std::string& out) {
  const auto before = out.size();
  out.resize(before + length);
  const auto got = read_into(fd, offset, out.data() + before, length);
  out.resize(before + (got ? *got : 0));
  return got ? status{} : got.error();
}

result<std::uint64_t> size_of(int fd) {
  struct stat about {};
  if (::fstat(fd, &about) != 0)
    return system_fault(errno, "cannot look at a file");
  return static_cast<std::uint64_t>(about.st_size);
}

result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max) {
  auto file = open_path(system_files(), path, O_RDONLY);
  if (!file) {
    if (file.error().number == ENOENT)
      return fault{fault_kind::lost, ENOENT, "there is no " + path.string()};
    return file.error();
  }
  std::string bytes;
  for (bool more = true; more && bytes.size() <= bytes_max;) {
    const auto upto = bytes.size() + std::min(block_bytes, bytes_max + 1 - bytes.size());
    if (auto failed = read_some(file->fd(), bytes.size(), upto - bytes.size(), bytes))
      return *failed;
    more = bytes.size() == upto;
  }
  if (bytes.size() > bytes_max)
    return fault{fault_kind::refused, 0, path.string() + " is too large"};
  return bytes;
}

status sync_folder(file_ops& ops, const std::filesystem::path& folder) {
  auto opened = open_path(ops, folder, O_RDONLY | O_DIRECTORY);
  if (!opened)
    return opened.error();
  if (const int failed = ops.sync(opened->fd()); failed < 0)
    return fault{fault_kind::sync_failed, -failed, "cannot sync the folder " + folder.string()};
  return {};
}

status make_folder(file_ops& ops, const std::filesystem::path& folder) {
  std::error_code code;
  std::vector<std::filesystem::path> missing;
  auto at = std::filesystem::absolute(folder, code).lexically_normal();
  for (; !at.empty() && !std::filesystem::exists(at, code); at = at.parent_path())
    missing.push_back(at);
  for (auto it = missing.rbegin(); it != missing.rend(); ++it) {
    std::filesystem::create_directory(*it, code);
    if (code)
      return system_fault(code.value(), "cannot make the folder " + it->string());
    if (auto failed = sync_folder(ops, it->parent_path()))
      return failed;
  }
  return {};
}

status replace_file(file_ops& ops, const std::filesystem::path& path, std::string_view bytes, unsigned mode) {
  auto temporary = path;
  temporary += ".tmp";
  {
    auto file = open_path(ops, temporary, O_WRONLY | O_CREAT | O_TRUNC, mode);
    if (!file)
      return file.error();
    if (auto failed = write_all(ops, file->fd(), bytes, 0))
      return failed;
    if (const int failed = ops.datasync(file->fd()); failed < 0)
      return fault{fault_kind::sync_failed, -failed, "cannot sync " + temporary.string()};
  }
  if (const int failed = ops.rename(temporary.string(), path.string()); failed < 0)
    return system_fault(-failed, "cannot rename " + temporary.string());
  return sync_folder(ops, path.parent_path());
}

} // namespace troupe::log
