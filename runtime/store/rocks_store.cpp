#include "runtime/store/rocks_store.hpp"

#include "runtime/store/keys.hpp"
#include "runtime/store/progress.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <cstdarg>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

namespace troupe::store {
namespace {

// The first byte of each key of RocksDB: what a key is for. One column family holds all, so one memtable does, and a
// flush takes entries and numbers along together.
constexpr char progress_tag = 'a';
constexpr char data_tag = 'd';
constexpr char format_tag = 'v';
constexpr char after_data[] = "e";
constexpr std::string_view format_name = "troupe store 1";

rocksdb::Slice slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

std::string_view view(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

std::string tagged(char tag, std::string_view key) {
  std::string bytes;
  bytes.reserve(key.size() + 1);
  bytes.push_back(tag);
  return bytes.append(key);
}

std::string data_end(std::string_view prefix) {
  const auto after = after_prefix(prefix);
  return after ? tagged(data_tag, *after) : after_data;
}

store_failure closed_failure() { return {fault::closed, "the store is closed"}; }

// Writes that wait for a flush which failed in the background end as Incomplete; of the failure itself, only the text
// is kept (DBImpl::DelayWrite).
bool is_full(const rocksdb::Status& why) {
  return why.IsNoSpace() || (why.IsIncomplete() && why.ToString().find("No space left on device") != std::string::npos);
}

store_failure failure_of(const rocksdb::Status& why, const std::string& what) {
  auto kind = fault::io;
  if (why.IsCorruption())
    kind = fault::corrupted;
  else if (is_full(why))
    kind = fault::full;
  return {kind, "the store cannot " + what + ": " + why.ToString()};
}

// RocksDB has no code for a lock that is held; its two texts are those of fs_posix.cc.
bool is_locked(const rocksdb::Status& why) {
  const auto text = why.ToString();
  return why.IsIOError() &&
         (text.find("While lock file") != std::string::npos || text.find("lock hold by") != std::string::npos);
}

store_failure open_failure(const rocksdb::Status& why, const std::string& folder) {
  if (is_locked(why))
    return {fault::locked,
            "the store in " + folder + " is open already, here or in another process: " + why.ToString()};
  auto said = failure_of(why, "be opened in " + folder);
  // A file that others name is missing, or they contradict each other.
  if (why.IsPathNotFound() || why.IsNotFound() || why.IsInvalidArgument() || why.IsNotSupported())
    said.kind = fault::corrupted;
  return said;
}

// What ends an operation is returned as well as told in RocksDB's own log. Debian's build aborts the process (an
// assertion in writable_file_writer.h) when that log's file meets a full disk twice; without the file, a full disk
// stays an error.
struct no_info_log final : rocksdb::Logger {
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*values*/) override {}
};

rocksdb::Options options_of(const rocks_options& wanted) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(wanted.cache_bytes);
  table.cache_index_and_filter_blocks = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  rocksdb::Options options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.create_if_missing = true;
  options.paranoid_checks = true;
  options.write_buffer_size = wanted.memtable_bytes;
  options.max_write_buffer_number = 2;
  options.max_open_files = wanted.open_files_max;
  options.target_file_size_base = wanted.memtable_bytes;
  options.max_bytes_for_level_base = 4 * wanted.memtable_bytes;
  options.level_compaction_dynamic_level_bytes = true;
  options.compression = rocksdb::kLZ4Compression;
  options.max_manifest_file_size = 4 * 1024 * 1024;
  options.info_log = std::make_shared<no_info_log>();
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

class rocks_store final : public store {
public:
  explicit rocks_store(std::unique_ptr<rocksdb::DB> db)
      : db_{std::move(db)} {
    write_.disableWAL = true;
  }
  ~rocks_store() override { close(); }

  status load();
  outcome<std::optional<std::string>> get(std::string_view key) const override;
  status apply(const batch& changes) override;
  outcome<std::size_t> scan(const scan_range& range, const visitor& give) const override;
  outcome<std::uint64_t> applied(std::string_view log_class) const override;
  status flush() override;
  status close() override;

private:
  rocksdb::Status gather(const batch& changes, const progress_map& next);
  rocksdb::Status gather_range(const batch& changes, std::size_t before, std::string_view from, std::string_view to);
  rocksdb::Status write();
  rocksdb::Status resumed(const rocksdb::Status& why);

  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::WriteOptions write_;
  // The writer's, kept for its buffer.
  rocksdb::WriteBatch gathered_;
  mutable std::mutex applied_lock_;
  progress_map applied_;
};

// Checks that the store is Troupe's, or marks it when it is new, and reads how far it is.
status rocks_store::load() {
  const std::unique_ptr<rocksdb::Iterator> at{db_->NewIterator(rocksdb::ReadOptions{})};
  at->SeekToFirst();
  if (!at->Valid() && at->status().ok()) {
    gathered_.Put(tagged(format_tag, {}), slice(format_name));
    const auto written = db_->Write(write_, &gathered_);
    return written.ok() ? status{} : failure_of(written, "be marked");
  }
  for (at->Seek(tagged(progress_tag, {})); at->Valid() && at->key()[0] == progress_tag; at->Next()) {
    const auto number = u64_from(view(at->value()));
    if (!number)
      return store_failure{fault::corrupted, "the store says how far it is in other than eight bytes"};
    applied_.emplace(view(at->key()).substr(1), *number);
  }
  at->Seek(tagged(format_tag, {}));
  if (!at->status().ok())
    return failure_of(at->status(), "be read");
  if (!at->Valid() || view(at->key()) != tagged(format_tag, {}) || view(at->value()) != format_name)
    return store_failure{fault::corrupted, "the folder holds a RocksDB database that is no store of this version"};
  return std::nullopt;
}

outcome<std::optional<std::string>> rocks_store::get(std::string_view key) const {
  if (!db_)
    return closed_failure();
  std::string value;
  const auto found = db_->Get(rocksdb::ReadOptions{}, tagged(data_tag, key), &value);
  if (found.IsNotFound())
    return std::optional<std::string>{};
  if (!found.ok())
    return failure_of(found, "be read");
  return std::optional{std::move(value)};
}

// Erases the keys of a range one by one, those that are there and those that the batch itself put before. RocksDB has
// range tombstones, but 7.8 only warns in its own log when it meets a damaged block of them, and goes on as though
// nothing had been erased.
rocksdb::Status rocks_store::gather_range(const batch& changes, std::size_t before, std::string_view from,
                                          std::string_view to) {
  std::size_t number = 0;
  changes.each([&](batch::operation what, std::string_view key, std::string_view) {
    if (number++ < before && what == batch::operation::put && key >= from && (to.empty() || key < to))
      gathered_.Delete(tagged(data_tag, key));
  });
  const auto last = to.empty() ? after_data : tagged(data_tag, to);
  const rocksdb::Slice upper{last};
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> at{db_->NewIterator(options)};
  for (at->Seek(tagged(data_tag, from)); at->Valid(); at->Next())
    gathered_.Delete(at->key());
  return at->status();
}

rocksdb::Status rocks_store::gather(const batch& changes, const progress_map& next) {
  gathered_.Clear();
  rocksdb::Status result;
  std::size_t number = 0;
  const rocksdb::Slice tag{&data_tag, 1};
  changes.each([&](batch::operation what, std::string_view key, std::string_view value) {
    const rocksdb::Slice parts[] = {tag, slice(key)};
    const rocksdb::Slice bytes[] = {slice(value)};
    if (what == batch::operation::put)
      gathered_.Put(rocksdb::SliceParts{parts, 2}, rocksdb::SliceParts{bytes, 1});
    else if (what == batch::operation::erase)
      gathered_.Delete(rocksdb::SliceParts{parts, 2});
    else if (result.ok())
      result = gather_range(changes, number, key, value);
    ++number;
  });
  for (const auto& change : changes.changed_progress()) {
    const auto at = next.find(change.log_class);
    if (at == next.end())
      gathered_.Delete(tagged(progress_tag, change.log_class));
    else
      gathered_.Put(tagged(progress_tag, change.log_class), u64_bytes(at->second));
  }
  return result;
}

// After a failed flush RocksDB refuses to write until it is told to try again, which flushes what waits.
rocksdb::Status rocks_store::resumed(const rocksdb::Status& why) {
  if (why.IsCorruption())
    return why;
  return db_->Resume().ok() ? rocksdb::Status::OK() : why;
}

rocksdb::Status rocks_store::write() {
  auto written = db_->Write(write_, &gathered_);
  if (!written.ok() && resumed(written).ok())
    written = db_->Write(write_, &gathered_);
  return written;
}

status rocks_store::apply(const batch& changes) {
  if (!db_)
    return closed_failure();
  // Only this thread changes it.
  auto next = applied_;
  if (auto refused = advance(next, changes))
    return refused;
  if (const auto read = gather(changes, next); !read.ok())
    return failure_of(read, "be read");
  if (gathered_.Count() == 0)
    return std::nullopt;
  if (const auto written = write(); !written.ok())
    return failure_of(written, "be written");
  const std::lock_guard held{applied_lock_};
  applied_ = std::move(next);
  return std::nullopt;
}

outcome<std::size_t> rocks_store::scan(const scan_range& range, const visitor& give) const {
  if (!db_)
    return closed_failure();
  const auto first = tagged(data_tag, range.prefix);
  const auto last = data_end(range.prefix);
  const rocksdb::Slice lower{first};
  const rocksdb::Slice upper{last};
  rocksdb::ReadOptions options;
  options.iterate_lower_bound = &lower;
  options.iterate_upper_bound = &upper;
  const auto forward = range.way == direction::forward;
  const std::unique_ptr<rocksdb::Iterator> at{db_->NewIterator(options)};
  if (!range.from)
    forward ? at->SeekToFirst() : at->SeekToLast();
  else if (const auto from = tagged(data_tag, *range.from); forward)
    at->Seek(std::max(from, first));
  else if (from < last)
    at->SeekForPrev(from);
  else
    at->SeekToLast();
  std::size_t given = 0;
  while (given < range.limit && at->Valid()) {
    ++given;
    if (!give(view(at->key()).substr(1), view(at->value())))
      return given;
    forward ? at->Next() : at->Prev();
  }
  // Not valid means the end or damage; a scan that stopped at its limit may have met damage one entry further.
  if (!at->Valid() && !at->status().ok())
    return failure_of(at->status(), "be read");
  return given;
}

outcome<std::uint64_t> rocks_store::applied(std::string_view log_class) const {
  if (!db_)
    return closed_failure();
  const std::lock_guard held{applied_lock_};
  const auto at = applied_.find(log_class);
  return at == applied_.end() ? 0 : at->second;
}

status rocks_store::flush() {
  if (!db_)
    return closed_failure();
  auto flushed = db_->Flush(rocksdb::FlushOptions{});
  if (!flushed.ok() && resumed(flushed).ok())
    flushed = db_->Flush(rocksdb::FlushOptions{});
  return flushed.ok() ? status{} : failure_of(flushed, "be flushed");
}

status rocks_store::close() {
  if (!db_)
    return closed_failure();
  auto failed = flush();
  const auto closed = db_->Close();
  db_.reset();
  if (!failed && !closed.ok())
    failed = failure_of(closed, "be closed");
  return failed;
}

} // namespace

outcome<std::unique_ptr<store>> open_rocks_store(const std::string& folder, const rocks_options& options) {
  std::error_code why;
  std::filesystem::create_directories(folder, why);
  if (why) {
    const auto kind = why == std::errc::no_space_on_device ? fault::full : fault::io;
    return store_failure{kind, "the folder of the store cannot be made, " + folder + ": " + why.message()};
  }
  // RocksDB reports by values, but the standard library below it throws where threads or memory run out.
  try {
    rocksdb::DB* opened = nullptr;
    const auto result = rocksdb::DB::Open(options_of(options), folder, &opened);
    if (!result.ok())
      return open_failure(result, folder);
    auto made = std::make_unique<rocks_store>(std::unique_ptr<rocksdb::DB>{opened});
    if (auto failed = made->load())
      return *failed;
    return std::unique_ptr<store>{std::move(made)};
  } catch (const std::exception& thrown) {
    return store_failure{fault::io, "the store in " + folder + " cannot be opened: " + thrown.what()};
  }
}

status remove_rocks_store(const std::string& folder) {
  std::error_code why;
  if (!std::filesystem::exists(folder, why))
    return std::nullopt;
  const auto removed = rocksdb::DestroyDB(folder, rocksdb::Options{});
  if (removed.ok())
    return std::nullopt;
  return is_locked(removed) ? open_failure(removed, folder) : failure_of(removed, "be removed from " + folder);
}

} // namespace troupe::store
