#include "tests/log/log_world.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <unistd.h>

using namespace troupe::log;

scratch::scratch() {
  // In memory, where there is such a place: thousands of small logs are synced here.
  const std::filesystem::path memory = "/dev/shm";
  const bool in_memory = std::getenv("TMPDIR") == nullptr && ::access(memory.c_str(), W_OK) == 0;
  auto name = ((in_memory ? memory : std::filesystem::temp_directory_path()) / "troupe-log-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw std::runtime_error{"cannot make a temporary folder"};
  path_ = name;
}

scratch::~scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::int64_t failing_files::pwrite(int fd, const char* bytes, std::size_t length, std::uint64_t offset) {
  if (at_most > 0)
    length = std::min(length, at_most);
  if (room == 0)
    return -ENOSPC;
  if (room > 0)
    length = std::min(length, static_cast<std::size_t>(room));
  const auto written = file_ops::pwrite(fd, bytes, length, offset);
  if (room > 0 && written > 0)
    room -= written;
  return written;
}

int failing_files::truncate(int fd, std::uint64_t length) {
  return truncate_number != 0 ? -truncate_number : file_ops::truncate(fd, length);
}

int failing_files::allocate(int fd, std::uint64_t offset, std::uint64_t length) {
  if (allocate_number == ENOSPC)
    file_ops::allocate(fd, offset, length / 2); // as ext4 does
  return allocate_number != 0 ? -allocate_number : file_ops::allocate(fd, offset, length);
}

int failing_files::datasync(int fd) {
  ++syncs;
  return sync_number != 0 ? -sync_number : file_ops::datasync(fd);
}

int failing_files::sync(int fd) { return sync_number != 0 ? -sync_number : file_ops::sync(fd); }

record message_record(std::uint64_t number, std::size_t payload_bytes) {
  record result;
  result.time_us = 1'700'000'000'000'000 + static_cast<std::int64_t>(number);
  result.kind = record_kind::channel_published;
  result.channel = "orders";
  result.id = std::to_string(number);
  result.payload = std::string(payload_bytes, static_cast<char>('a' + number % 26));
  result.offset = number;
  return result;
}

record any_record(dice& random) {
  const auto text = [&] {
    std::string out(random.once_in(20) ? random.below(5000) : random.below(40), '\0');
    for (auto& c : out)
      c = static_cast<char>(random.below(256));
    return out;
  };
  record result;
  result.time_us = static_cast<std::int64_t>(random.below(~std::uint64_t{0}));
  result.kind = static_cast<record_kind>(random.below(100));
  for (auto* field : {&result.room, &result.channel, &result.user, &result.payload, &result.detail, &result.nonce,
                      &result.code_version})
    if (random.once_in(2))
      *field = text();
  for (auto* field : {&result.offset, &result.seq, &result.qos, &result.expires_ms, &result.code})
    if (random.once_in(2))
      *field = random.below(~std::uint64_t{0}) >> random.below(64);
  return result;
}

writer_options options_for(const scratch& where, std::uint64_t segment_bytes) {
  return {where.log(), "main", "node-1", segment_bytes};
}

std::unique_ptr<writer> opened_log(const writer_options& options, file_ops& ops) {
  return must(writer::open(options, ops));
}

void append_messages(writer& to, std::uint64_t count, std::size_t payload_bytes) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto number = to.next();
    const auto message = message_record(number, payload_bytes);
    BOOST_TEST(must(to.append(view_of(message))) == number);
  }
}

std::vector<std::string> ids_of(const std::filesystem::path& folder, std::uint64_t from) {
  auto records = must(cursor::open(folder, from));
  std::vector<std::string> result;
  for (auto step = records.next(); step != cursor::step::end; step = records.next()) {
    if (step == cursor::step::failed)
      BOOST_FAIL(records.why().text());
    result.emplace_back(records.at().what.id);
  }
  return result;
}

std::string read_all(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

void write_over(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream{file, std::ios::binary | std::ios::trunc} << bytes;
}
