#include "apps/trouped/data_folder.hpp"

#include "runtime/model/hex.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <stdexcept>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::trouped {

namespace {

constexpr std::size_t token_bytes = 32;

[[noreturn]] void fail(const std::string& what, int error) {
  throw std::runtime_error{fmt::format("{}: {}", what, std::strerror(error))};
}

/// The whole of a small file.
std::string read_small(int fd) {
  std::string out(256, '\0');
  const auto n = ::pread(fd, out.data(), out.size(), 0);
  out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!out.empty() && out.back() == '\n')
    out.pop_back();
  return out;
}

std::string random_hex() {
  std::array<unsigned char, token_bytes> bytes;
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    fail("no random numbers", errno);
  return to_hex(bytes);
}

} // namespace

data_folder::data_folder(std::string path)
    : path_(std::move(path)) {
  std::error_code error;
  const std::filesystem::path folder{path_};
  if (const auto parent = folder.parent_path(); !parent.empty())
    std::filesystem::create_directories(parent, error);
  if (::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST)
    fail(fmt::format("data folder {} cannot be made", path_), errno);
  if (!std::filesystem::is_directory(folder, error))
    fail(fmt::format("data folder {} cannot be used", path_), error ? error.value() : ENOTDIR);
  if (::access(path_.c_str(), R_OK | W_OK | X_OK) != 0)
    fail(fmt::format("data folder {} cannot be read and written", path_), errno);
  const auto file = path_ + "/trouped.lock";
  lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0)
    fail(fmt::format("data folder {} cannot be locked", path_), errno);
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    const auto holder = read_small(lock_);
    ::close(lock_);
    throw std::runtime_error{
        fmt::format("data folder {} is in use by another process (pid {})", path_, holder.empty() ? "?" : holder)};
  }
  // For people only: the lock is what counts.
  const auto pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock_, 0) != 0 || ::pwrite(lock_, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    const int why = errno;
    ::close(lock_);
    fail(fmt::format("data folder {} cannot be written", path_), why);
  }
}

data_folder::~data_folder() { ::close(lock_); }

std::string data_folder::admin_token() const {
  const auto file = path_ + "/admin.token";
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    fail(file, errno);
  struct stat info {};
  ::fstat(fd, &info);
  auto token = read_small(fd);
  std::string wrong;
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    wrong = "others may read it (chmod 0600)";
  // Empty: the first start, or one that ended before it had written.
  if (wrong.empty() && token.empty()) {
    token = random_hex();
    const auto line = token + "\n";
    if (::pwrite(fd, line.data(), line.size(), 0) != static_cast<ssize_t>(line.size()) || ::fsync(fd) != 0)
      wrong = std::strerror(errno);
  }
  if (wrong.empty() && token.size() < token_bytes)
    wrong = fmt::format("is shorter than {} bytes", token_bytes);
  ::close(fd);
  if (!wrong.empty())
    throw std::runtime_error{fmt::format("{}: {}", file, wrong)};
  return token;
}

} // namespace troupe::trouped
