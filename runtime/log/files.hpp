#pragma once

#include "runtime/log/fault.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace troupe::log {

/// The system calls with which a log changes its files, so that tests can make them fail. All return what the call
/// returns, or -errno.
class file_ops {
public:
  virtual ~file_ops() = default;
  virtual int open(const std::string& path, int flags, unsigned mode);
  virtual int close(int fd);
  virtual std::int64_t pwrite(int fd, const char* bytes, std::size_t length, std::uint64_t offset);
  virtual int truncate(int fd, std::uint64_t length);
  /// Sets space aside, which makes the file longer and reads as zeros.
  virtual int allocate(int fd, std::uint64_t offset, std::uint64_t length);
  virtual int datasync(int fd);
  /// Of a folder.
  virtual int sync(int fd);
  virtual int rename(const std::string& from, const std::string& to);
  virtual int unlink(const std::string& path);
};

/// The real ones.
file_ops& system_files();

/// A descriptor that closes itself.
class open_file {
public:
  open_file() = default;
  open_file(file_ops& ops, int fd) noexcept
      : ops_{&ops}
      , fd_{fd} {}
  open_file(open_file&& other) noexcept;
  open_file& operator=(open_file&& other) noexcept;
  open_file(const open_file&) = delete;
  open_file& operator=(const open_file&) = delete;
  ~open_file() { close(); }

  bool is_open() const noexcept { return fd_ >= 0; }
  int fd() const noexcept { return fd_; }
  void close() noexcept;

private:
  file_ops* ops_ = nullptr;
  int fd_ = -1;
};

result<open_file> open_path(file_ops& ops, const std::filesystem::path& path, int flags, unsigned mode = 0640);
/// Writes all, as often as it takes; after a failure the file may hold a part of it.
status write_all(file_ops& ops, int fd, std::string_view bytes, std::uint64_t offset);
/// Reads up to `length` bytes from `offset` to `out`; less only at the end of the file. @returns how many
result<std::size_t> read_into(int fd, std::uint64_t offset, char* out, std::size_t length);
/// Appends up to `length` bytes from `offset` to `out`; less only at the end of the file.
status read_some(int fd, std::uint64_t offset, std::size_t length, std::string& out);
result<std::uint64_t> size_of(int fd);
/// The whole file, also one without a size (proc(5)); `lost` where there is none, `refused` where it is larger.
result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max);
/// Syncs the folder itself, so that names made or removed in it last.
status sync_folder(file_ops& ops, const std::filesystem::path& folder);
/// Makes the folder and those above it, and what names them, last.
status make_folder(file_ops& ops, const std::filesystem::path& folder);
/// Replaces a file as a whole: whoever looks sees the old one or the new one, also after a crash.
status replace_file(file_ops& ops, const std::filesystem::path& path, std::string_view bytes, unsigned mode = 0640);

} // namespace troupe::log
