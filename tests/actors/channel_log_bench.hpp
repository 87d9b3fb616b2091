#pragma once

// A node's log without the node, and what a channel does with it.

#include "actors/channel_log.hpp"
#include "runtime/store/memory_store.hpp"
#include "tests/actors/channel_bench.hpp"
#include "tests/log/log_world.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::testing {

inline constexpr std::int64_t now_ms = 1'700'000'000'000;

/// A store that can refuse what it is given.
class moody_store final : public store::store {
public:
  troupe::store::outcome<std::optional<std::string>> get(std::string_view key) const override { return in_->get(key); }
  troupe::store::status apply(const troupe::store::batch& changes) override {
    if (full)
      return troupe::store::store_failure{troupe::store::fault::full, "no room"};
    return in_->apply(changes);
  }
  troupe::store::outcome<std::size_t> scan(const troupe::store::scan_range& range, const visitor& give) const override {
    return in_->scan(range, give);
  }
  troupe::store::outcome<std::uint64_t> applied(std::string_view log_class) const override {
    return in_->applied(log_class);
  }
  troupe::store::status flush() override { return in_->flush(); }
  troupe::store::status close() override { return in_->close(); }

  bool full = false;

private:
  std::unique_ptr<troupe::store::store> in_ = troupe::store::make_memory_store();
};

/// A node's log and what a channel does with it.
struct log_bench {
  explicit log_bench(std::uint64_t segment_bytes = 1 << 20) {
    how.folder = where.path();
    how.node = "n";
    how.segment_bytes = segment_bytes;
    open();
  }

  void open() {
    auto opened = channel_log::open(how, ops);
    if (const auto* why = std::get_if<failure>(&opened))
      BOOST_FAIL(why->message);
    log = std::move(std::get<0>(opened));
    reader.emplace(*log);
  }
  /// @param clean as a node ends that is told to
  void open_again(bool clean = true, bool without_index = false) {
    if (clean)
      log->close(now_ms * 1000);
    reader.reset();
    log.reset();
    if (without_index)
      std::filesystem::remove_all(where.path() / "store");
    open();
  }

  /// Opens it again, with an index that lives until the log does.
  moody_store* open_with_moody_index() {
    moody_store* index = nullptr;
    how.index = [&index] {
      auto made = std::make_unique<moody_store>();
      index = made.get();
      return store::outcome<std::unique_ptr<store::store>>{std::move(made)};
    };
    open_again();
    how.index = nullptr;
    return index;
  }

  channel_opened begin(const std::string& channel, channel_settings settings = {}) {
    auto out = log->open_channel(channel, settings, "e" + std::to_string(++epochs), now_ms * 1000);
    BOOST_TEST_REQUIRE(!out.why.has_value());
    epoch[channel] = out.epoch;
    return out;
  }
  static stored_message message(std::uint64_t offset, qos kind = qos::at_most_once, std::size_t fill = 0) {
    channel_say how;
    how.qos = kind;
    how.ts = now_ms + static_cast<wall_ms>(offset);
    const auto id = "m" + std::to_string(offset);
    return {offset, say_op(9, id, "\"" + std::to_string(offset) + std::string(fill, 'x') + "\"", how).message};
  }
  std::shared_ptr<channel_entries> entries(const std::string& channel, std::uint64_t run = 0) {
    auto out = std::make_shared<channel_entries>();
    out->name = channel;
    out->epoch = epoch[channel];
    out->run = run;
    return out;
  }
  std::uint64_t append(const std::string& channel, std::uint64_t from, std::uint64_t to, std::uint64_t run = 0,
                       qos kind = qos::at_most_once, std::size_t fill = 0) {
    auto what = entries(channel, run);
    for (; from <= to; ++from)
      what->messages.push_back(message(from, kind, fill));
    return log->append(std::move(what), now_ms * 1000);
  }
  channel_log::outcome commit_one() {
    auto all = log->commit(true);
    BOOST_TEST_REQUIRE(all.size() == 1u);
    return all.front();
  }
  void store(const std::string& channel, std::uint64_t from, std::uint64_t to, qos kind = qos::at_most_once,
             std::size_t fill = 0) {
    append(channel, from, to, 0, kind, fill);
    BOOST_TEST_REQUIRE(commit_one().stored == to);
  }
  void keep_position(const std::string& channel, const std::string& key, std::uint64_t offset) {
    auto what = entries(channel);
    what->positions.push_back({key, offset});
    log->append(std::move(what), now_ms * 1000);
    log->commit(true);
  }
  std::vector<std::uint64_t> read(const std::string& channel, std::uint64_t from = 1, std::size_t many = 1'000'000) {
    channel_reading what;
    what.name = channel;
    what.epoch = epoch[channel];
    what.what = {1, from, 1'000'000, false, many, std::size_t{1} << 30};
    log->catch_up_index(); // as the journal does before
    const auto found = reader->read(what);
    BOOST_TEST_REQUIRE(!found.why.has_value());
    std::vector<std::uint64_t> out;
    for (const auto& m : found.messages)
      out.push_back(m.offset);
    return out;
  }
  /// Drops all segments but the newest. @returns what channels are told
  std::map<std::string, std::uint64_t> forget() {
    log->retain(0, 1, now_ms * 1000);
    std::map<std::string, std::uint64_t> told;
    for (int i = 0; i < 1000; ++i)
      for (const auto& f : log->drop_some())
        told[f.channel] = f.first;
    return told;
  }

  scratch where;
  failing_files ops;
  channel_log::setup how;
  std::unique_ptr<channel_log> log;
  std::optional<channel_log_reader> reader;
  std::map<std::string, std::string> epoch;
  int epochs = 0;
};

inline std::vector<std::uint64_t> range(std::uint64_t first, std::uint64_t last) {
  std::vector<std::uint64_t> out;
  for (; first <= last; ++first)
    out.push_back(first);
  return out;
}

} // namespace troupe::testing
