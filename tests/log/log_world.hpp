#pragma once

#include "runtime/log/checkpoint.hpp"
#include "runtime/log/cursor.hpp"
#include "runtime/log/files.hpp"
#include "runtime/log/key.hpp"
#include "runtime/log/record.hpp"
#include "runtime/log/verify.hpp"
#include "runtime/log/writer.hpp"
#include "tests/model/seeded.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

/// A folder that goes away with the test.
class scratch {
public:
  scratch();
  ~scratch();
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }
  std::filesystem::path log() const { return path_ / "log" / "main"; }

private:
  std::filesystem::path path_;
};

/// The real system calls, until one of them is told to fail.
class failing_files : public troupe::log::file_ops {
public:
  std::int64_t pwrite(int fd, const char* bytes, std::size_t length, std::uint64_t offset) override;
  int truncate(int fd, std::uint64_t length) override;
  int allocate(int fd, std::uint64_t offset, std::uint64_t length) override;
  int datasync(int fd) override;
  int sync(int fd) override;

  std::int64_t room = -1;  ///< Bytes that may still be written; then ENOSPC. -1: no limit.
  std::size_t at_most = 0; ///< Bytes that one call writes; 0: all.
  int truncate_number = 0; ///< errno of cutting a file; 0: it works.
  int allocate_number = 0; ///< errno of setting space aside; 0: it works.
  int sync_number = 0;     ///< errno of every sync; 0: they work.
  int syncs = 0;
};

/// A message as channels log them.
troupe::log::record message_record(std::uint64_t number, std::size_t payload_bytes = 100);
/// Any fields at all.
troupe::log::record any_record(dice& random);

troupe::log::writer_options options_for(const scratch& where, std::uint64_t segment_bytes = 64 << 20);
/// Fails the test where the log cannot be opened.
std::unique_ptr<troupe::log::writer> opened_log(const troupe::log::writer_options& options,
                                                troupe::log::file_ops& ops = troupe::log::system_files());
/// Appends messages with numbers as their indices.
void append_messages(troupe::log::writer& to, std::uint64_t count, std::size_t payload_bytes = 100);
/// The ids of all records, read from `from`; fails the test where the cursor does not come to the end.
std::vector<std::string> ids_of(const std::filesystem::path& folder, std::uint64_t from = 0);

std::string read_all(const std::filesystem::path& file);
void write_over(const std::filesystem::path& file, const std::string& bytes);

template <class T>
T must(troupe::log::result<T> got) {
  if (!got)
    BOOST_FAIL(got.error().text());
  return std::move(*got);
}
inline void must(const troupe::log::status& failed) {
  if (failed)
    BOOST_FAIL(failed->text());
}
