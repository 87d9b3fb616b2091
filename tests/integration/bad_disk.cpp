// Preloaded into a server, stands between it and the disk below one folder, and its clock:
//
//   BAD_DISK_FOLDER  the folder
//   BAD_DISK_SYNCED  another, in which is kept what the disk has for sure: what was written and synced, under the names
//                    that were synced. After a kill this is what is left when all that was not synced is gone.
//   BAD_DISK_EIO     a file: while it is there, syncs in the folder fail with EIO, and each adds a byte to it
//   BAD_DISK_CLOCK   a file of eight bytes: nanoseconds that are added to the time of day, as they change

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace {

template <class F>
F real(F, const char* name) {
  return reinterpret_cast<F>(::dlsym(RTLD_NEXT, name));
}

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string path_of(int fd) {
  std::array<char, 4096> path{};
  const auto length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path.data(), path.size());
  return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) : "";
}

bool is_watched(int fd) {
  static const auto folder = setting("BAD_DISK_FOLDER");
  const auto path = path_of(fd);
  return !folder.empty() && path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

/// What was done to a file since it was synced last.
struct unsynced {
  std::map<off_t, std::size_t> writes; ///< Length by offset.
  bool cut = false;
};

std::mutex lock;
std::map<ino_t, unsynced> changed;

std::string synced_folder() {
  static const auto folder = setting("BAD_DISK_SYNCED");
  return folder;
}

std::string copy_of(ino_t inode) { return synced_folder() + "/" + std::to_string(inode); }

/// Brings the copy of a file up to what the file is now.
void keep_file(int fd, const struct stat& about) {
  const std::lock_guard held{lock};
  auto& what = changed[about.st_ino];
  const int copy = ::open(copy_of(about.st_ino).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  std::vector<char> bytes;
  static const auto write = real(&::pwrite, "pwrite");
  for (const auto& [offset, length] : what.writes) {
    bytes.resize(length);
    const auto got = ::pread(fd, bytes.data(), length, offset);
    if (got > 0 && write(copy, bytes.data(), static_cast<std::size_t>(got), offset) != got)
      std::abort();
  }
  static const auto cut = real(&::ftruncate, "ftruncate");
  if (what.cut && cut(copy, about.st_size) != 0)
    std::abort();
  ::close(copy);
  what = {};
}

/// Keeps which names a folder has, in one step.
void keep_names(int fd) {
  const std::lock_guard held{lock};
  const auto path = path_of(fd);
  const auto names = synced_folder() + "/names";
  {
    std::ofstream out{names + ".tmp"};
    DIR* folder = ::opendir(path.c_str());
    while (const auto* entry = ::readdir(folder))
      if (entry->d_type == DT_REG)
        out << entry->d_ino << ' ' << entry->d_name << '\n';
    ::closedir(folder);
  }
  ::rename((names + ".tmp").c_str(), names.c_str());
}

/// @returns 0, or -1 with errno
int sync(int fd) {
  if (!is_watched(fd))
    return 0;
  static const auto failing = setting("BAD_DISK_EIO");
  if (!failing.empty() && ::access(failing.c_str(), F_OK) == 0) {
    std::ofstream{failing, std::ios::app} << '.';
    errno = EIO;
    return -1;
  }
  struct stat about {};
  if (synced_folder().empty() || ::fstat(fd, &about) != 0)
    return 0;
  if (S_ISDIR(about.st_mode))
    keep_names(fd);
  else
    keep_file(fd, about);
  return 0;
}

void note_write(int fd, off_t offset, ssize_t length) {
  struct stat about {};
  if (length <= 0 || synced_folder().empty() || !is_watched(fd) || ::fstat(fd, &about) != 0)
    return;
  const std::lock_guard held{lock};
  auto& longest = changed[about.st_ino].writes[offset];
  longest = std::max(longest, static_cast<std::size_t>(length));
}

std::int64_t shift_ns() {
  static const auto* const at = []() -> const volatile std::int64_t* {
    const auto path = setting("BAD_DISK_CLOCK");
    const int fd = path.empty() ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
      return nullptr;
    void* const mapped = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, fd, 0);
    ::close(fd);
    return mapped == MAP_FAILED ? nullptr : static_cast<const std::int64_t*>(mapped);
  }
  ();
  return at == nullptr ? 0 : *at;
}

} // namespace

extern "C" {

ssize_t pwrite(int fd, const void* bytes, size_t length, off_t offset) {
  static const auto call = real(&::pwrite, "pwrite");
  const auto written = call(fd, bytes, length, offset);
  note_write(fd, offset, written);
  return written;
}

ssize_t pwrite64(int fd, const void* bytes, size_t length, off64_t offset) { return pwrite(fd, bytes, length, offset); }

int ftruncate(int fd, off_t length) noexcept {
  static const auto call = real(&::ftruncate, "ftruncate");
  const int done = call(fd, length);
  struct stat about {};
  if (done == 0 && !synced_folder().empty() && is_watched(fd) && ::fstat(fd, &about) == 0) {
    const std::lock_guard held{lock};
    changed[about.st_ino].cut = true;
  }
  return done;
}

int ftruncate64(int fd, off64_t length) noexcept { return ftruncate(fd, length); }

int fdatasync(int fd) {
  static const auto call = real(&::fdatasync, "fdatasync");
  return sync(fd) != 0 ? -1 : call(fd);
}

int fsync(int fd) {
  static const auto call = real(&::fsync, "fsync");
  return sync(fd) != 0 ? -1 : call(fd);
}

int clock_gettime(clockid_t which, struct timespec* out) noexcept {
  static const auto call = real(&::clock_gettime, "clock_gettime");
  const int done = call(which, out);
  if (done == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) {
    constexpr std::int64_t second = 1'000'000'000;
    const auto at = static_cast<std::int64_t>(out->tv_sec) * second + out->tv_nsec + shift_ns();
    out->tv_sec = at / second;
    out->tv_nsec = at % second;
  }
  return done;
}
}
