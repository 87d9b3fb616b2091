#include "tests/log/log_world.hpp"

#include "runtime/log/segment_check.hpp"
#include "runtime/log/sync_mark.hpp"

#include <algorithm>
#include <fcntl.h>
#include <functional>

using namespace troupe::log;

namespace {

/// A log of two lives: `synced` records that last, then `more` that were written and not synced.
void write_log(const scratch& where, std::uint64_t synced, std::uint64_t more, std::uint64_t segment_bytes = 64 << 20) {
  auto log = opened_log(options_for(where, segment_bytes));
  append_messages(*log, synced);
  must(log->sync());
  append_messages(*log, more);
  must(log->flush());
}

/// Where the parts of a segment begin: its header, its frames, its footer.
std::vector<std::uint64_t> parts_of(const std::string& bytes) {
  const auto header = must(parse_header(bytes));
  std::vector<std::uint64_t> result{0};
  for (std::uint64_t at = header.bytes; at < bytes.size();) {
    result.push_back(at);
    at += parse_frame(std::string_view{bytes}.substr(at), at, header.seed).bytes;
  }
  return result;
}

/// Looks at a log, or a part of it. @returns where the first damage is
using look = std::function<std::optional<place>()>;

look by_verify(const scratch& where) {
  return [&where]() -> std::optional<place> {
    verify_options alone;
    alone.threads = 1;
    const auto report = verify(where.log(), alone);
    return report && !report->intact() ? report->problems.front().where : std::nullopt;
  };
}

/// As verify reads each segment, which is all that a bit of a sealed one can be found by.
look by_segment(const scratch& where, std::uint64_t first) {
  return [&where, first]() -> std::optional<place> {
    const auto found = check_segment(where.log(), first, false, {}, {}, [](std::uint64_t) {});
    return found.problem ? found.problem->where : std::nullopt;
  };
}

/// Flips every `stride`th bit of a file of the log in turn. @returns how many flips were not found and named exactly:
/// the file, and the header, record or footer that the bit is in
std::size_t flips_not_found(const scratch& where, std::uint64_t first, std::size_t stride, const look& damage) {
  const auto file = where.log() / segment_name(first);
  const auto opened_file = must(open_path(system_files(), file, O_RDWR));
  const auto bytes = read_all(file);
  const auto parts = parts_of(bytes);
  std::size_t missed = 0;
  for (std::size_t bit = 0; bit < bytes.size() * 8; bit += stride) {
    const auto at = bit / 8;
    const char bad = static_cast<char>(bytes[at] ^ (1 << (bit % 8)));
    system_files().pwrite(opened_file.fd(), &bad, 1, at);
    const auto named = damage();
    system_files().pwrite(opened_file.fd(), &bytes[at], 1, at);
    const auto part = std::prev(std::upper_bound(parts.begin(), parts.end(), at));
    const auto before = static_cast<std::uint64_t>(part - parts.begin()); // the header, then records
    const auto index = first + (before == 0 ? 0 : before - 1);
    missed += named && named->file == segment_name(first) && named->offset == *part && named->index == index ? 0 : 1;
  }
  return missed;
}

/// A log of one sealed segment, and an empty one behind it.
void write_sealed(const scratch& where, std::uint64_t records) {
  auto log = opened_log(options_for(where));
  append_messages(*log, records);
  must(log->roll());
  // What the segments say themselves must be enough.
  std::filesystem::remove(where.log() / "synced");
}

} // namespace

BOOST_AUTO_TEST_SUITE(damage_suite)

BOOST_AUTO_TEST_CASE(a_tail_torn_at_any_byte_is_cut_and_nothing_synced_is_lost) {
  const scratch original;
  write_log(original, 6, 6);
  const auto name = segment_name(0);
  const auto whole = read_all(original.log() / name);
  const auto mark = read_sync_mark(original.log());
  BOOST_TEST_REQUIRE(mark.has_value());
  const scratch where;
  for (auto cut = mark->offset; cut <= whole.size(); ++cut)
    for (const bool zeros : {false, true}) {
      std::filesystem::remove_all(where.log());
      std::filesystem::create_directories(where.log());
      // The size may have reached the disk without the bytes.
      write_over(where.log() / name, whole.substr(0, cut) + std::string(zeros ? whole.size() - cut : 0, '\0'));
      std::filesystem::copy(original.log() / "synced", where.log() / "synced");
      auto log = opened_log(options_for(where));
      const auto records = log->next();
      BOOST_TEST_REQUIRE(records >= 6u);
      BOOST_TEST_REQUIRE(log->found().losses.empty());
      append_messages(*log, 2);
      must(log->sync());
      log.reset();
      const auto ids = ids_of(where.log());
      BOOST_TEST_REQUIRE(ids.size() == records + 2);
      for (std::size_t i = 0; i < ids.size(); ++i)
        BOOST_TEST_REQUIRE(ids[i] == std::to_string(i));
    }
}

BOOST_AUTO_TEST_CASE(without_a_mark_a_segment_cut_at_any_byte_goes_on) {
  const scratch original;
  write_log(original, 6, 6);
  const auto name = segment_name(0);
  const auto whole = read_all(original.log() / name);
  const auto header = must(parse_header(whole)).bytes;
  const scratch where;
  std::uint64_t last = 0;
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    std::filesystem::remove_all(where.log());
    std::filesystem::create_directories(where.log());
    write_over(where.log() / name, whole.substr(0, cut));
    const auto log = writer::open(options_for(where));
    // A segment gets its name after its header was synced: none is ever cut there.
    BOOST_TEST_REQUIRE((log ? cut >= header : cut < header && log.error().kind == fault_kind::damaged));
    if (!log)
      continue;
    BOOST_TEST_REQUIRE((*log)->next() >= last);
    last = (*log)->next();
  }
  BOOST_TEST(last == 12u);
}

BOOST_AUTO_TEST_CASE(a_cut_below_what_was_synced_is_a_loss_and_needs_consent) {
  const scratch where;
  write_log(where, 6, 0);
  const auto file = where.log() / segment_name(0);
  const auto whole = read_all(file);
  write_over(file, whole.substr(0, whole.size() - 20));
  auto options = options_for(where);
  const auto refused = writer::open(options);
  BOOST_TEST_REQUIRE(!refused);
  BOOST_TEST((refused.error().kind == fault_kind::damaged));
  BOOST_TEST(refused.error().where->index == 5u);
  BOOST_TEST(!must(verify(where.log())).intact());
  BOOST_TEST(read_all(file).size() == whole.size() - 20);

  write_over(file, whole.substr(0, must(parse_header(whole)).bytes));
  BOOST_TEST((writer::open(options).error().kind == fault_kind::lost));
  write_over(file, whole.substr(0, whole.size() - 20));
  options.accept_loss = true;
  auto log = opened_log(options);
  BOOST_TEST(log->next() == 5u);
  BOOST_TEST(log->origin() == "node-1/main/2");
  BOOST_TEST(log->found().losses.size() == 1u);
  BOOST_TEST(std::filesystem::exists(where.log() / log->found().kept_as));
  append_messages(*log, 3);
  must(log->sync());
  must(log->losses_are_recorded());
  log.reset();
  options.accept_loss = false;
  BOOST_TEST(opened_log(options)->origin() == "node-1/main/2");
  BOOST_TEST(ids_of(where.log()).size() == 8u);
  BOOST_TEST(must(verify(where.log())).intact());
}

BOOST_AUTO_TEST_CASE(a_bad_record_before_synced_ones_is_never_cut) {
  // Without the mark: the frames behind it tell that it was synced.
  const scratch where;
  {
    auto log = opened_log(options_for(where));
    for (int i = 0; i < 4; ++i) {
      append_messages(*log, 2);
      must(log->sync());
    }
  }
  std::filesystem::remove(where.log() / "synced");
  const auto file = where.log() / segment_name(0);
  const auto whole = read_all(file);
  auto bad = whole;
  bad[whole.size() / 2] = static_cast<char>(bad[whole.size() / 2] ^ 1);
  write_over(file, bad);
  const auto refused = writer::open(options_for(where));
  BOOST_TEST_REQUIRE(!refused);
  BOOST_TEST((refused.error().kind == fault_kind::damaged));
  BOOST_TEST(read_all(file) == bad);
  auto records = must(cursor::open(where.log(), 0));
  auto step = records.next();
  while (step == cursor::step::ready)
    step = records.next();
  BOOST_TEST((step == cursor::step::failed));
  BOOST_TEST(records.why().where->index == refused.error().where->index);
}

BOOST_AUTO_TEST_CASE(pages_of_an_unsynced_tail_may_arrive_in_any_order) {
  const scratch where;
  write_log(where, 2, 8);
  const auto mark = read_sync_mark(where.log());
  const auto file = where.log() / segment_name(0);
  auto bytes = read_all(file);
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(mark->offset), 150, '\0');
  write_over(file, bytes);
  auto log = opened_log(options_for(where));
  BOOST_TEST(log->next() == 2u);
  BOOST_TEST(log->found().torn_bytes == bytes.size() - mark->offset);
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_of_a_sealed_segment_is_found_and_named) {
  const scratch where;
  write_sealed(where, 32);
  BOOST_TEST(std::filesystem::file_size(where.log() / segment_name(0)) > 4096u);
  BOOST_TEST(must(verify(where.log())).intact());
  BOOST_TEST(flips_not_found(where, 0, 1, by_verify(where)) == 0u);
  BOOST_TEST(flips_not_found(where, 32, 1, by_verify(where)) == 0u);
}

// Half a million flips. What stands before one is read each time, so the log has many small segments; verify puts what
// it finds in one of them first, unless an earlier one is damaged as well.
BOOST_AUTO_TEST_CASE(every_flipped_bit_of_a_sealed_log_of_64_kib_is_found_and_named) {
  const scratch where;
  std::uint64_t bytes = 0;
  {
    auto log = opened_log(options_for(where));
    while (bytes < 65'536) {
      const auto first = log->next();
      append_messages(*log, 8);
      must(log->roll());
      bytes += std::filesystem::file_size(where.log() / segment_name(first));
    }
  }
  std::filesystem::remove(where.log() / "synced");
  auto firsts = must(list_segments(where.log()));
  BOOST_TEST(must(verify(where.log())).intact());
  firsts.pop_back(); // nothing is in it
  for (const auto first : firsts)
    BOOST_TEST(flips_not_found(where, first, 1, by_segment(where, first)) == 0u);
  for (const auto first : {firsts.front(), firsts[firsts.size() / 2], firsts.back()})
    BOOST_TEST(flips_not_found(where, first, 11, by_verify(where)) == 0u);
}

BOOST_AUTO_TEST_CASE(flipped_bits_of_one_segment_of_64_kib_are_found_and_named) {
  const scratch where;
  write_sealed(where, 480);
  BOOST_TEST(std::filesystem::file_size(where.log() / segment_name(0)) > 65'536u);
  BOOST_TEST(flips_not_found(where, 0, 101, by_verify(where)) == 0u);
}

BOOST_AUTO_TEST_CASE(missing_segments_are_found) {
  const scratch original;
  write_log(original, 100, 0, 3000);
  const auto firsts = must(list_segments(original.log()));
  BOOST_TEST_REQUIRE(firsts.size() > 4u);
  for (std::size_t gone = 1; gone < firsts.size(); ++gone) {
    const scratch where;
    std::filesystem::create_directories(where.log().parent_path());
    std::filesystem::copy(original.log(), where.log(), std::filesystem::copy_options::recursive);
    std::filesystem::remove(where.log() / segment_name(firsts[gone]));
    const auto report = must(verify(where.log()));
    BOOST_TEST(!report.intact());
    BOOST_TEST(report.problems.front().where->index == firsts[gone]);
    auto records = must(cursor::open(where.log(), 0));
    auto step = records.next();
    while (step == cursor::step::ready)
      step = records.next();
    BOOST_TEST((step == cursor::step::failed));
    BOOST_TEST((records.why().kind == fault_kind::lost));
    if (gone + 1 == firsts.size()) {
      const auto refused = writer::open(options_for(where));
      BOOST_TEST_REQUIRE(!refused);
      BOOST_TEST((refused.error().kind == fault_kind::lost));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_lost_log_with_checkpoints_needs_consent) {
  const scratch where;
  const auto key = must(signing_key::make());
  {
    auto log = opened_log(options_for(where));
    append_messages(*log, 5);
    must(log->sync());
    auto notes = must(checkpoint_file::open(system_files(), where.log()));
    must(notes.append(must(sign(log->synced_checkpoint(), key))));
  }
  std::filesystem::remove(where.log() / segment_name(0));
  std::filesystem::remove(where.log() / "synced");
  BOOST_TEST((writer::open(options_for(where)).error().kind == fault_kind::lost));
  auto options = options_for(where);
  options.accept_loss = true;
  BOOST_TEST(opened_log(options)->origin() == "node-1/main/2");
  const auto report = must(verify(where.log()));
  BOOST_TEST(report.intact());
  BOOST_TEST(report.checkpoints_abandoned == 1u);
}

BOOST_AUTO_TEST_CASE(damaged_checkpoints_are_put_aside_with_consent) {
  const scratch where;
  const auto key = must(signing_key::make());
  {
    auto log = opened_log(options_for(where));
    auto notes = must(checkpoint_file::open(system_files(), where.log()));
    for (int i = 0; i < 2; ++i) {
      append_messages(*log, 5);
      must(log->sync());
      must(notes.append(must(sign(log->synced_checkpoint(), key))));
    }
  }
  const auto file = where.log() / "checkpoints";
  auto bytes = read_all(file);
  bytes[13] = 'x';
  write_over(file, bytes);
  BOOST_TEST((writer::open(options_for(where)).error().kind == fault_kind::damaged));
  auto options = options_for(where);
  options.accept_loss = true;
  const auto log = opened_log(options);
  BOOST_TEST(log->next() == 10u);
  BOOST_TEST(log->origin() == "node-1/main");
  BOOST_TEST(read_all(where.log() / log->found().kept_as) == bytes);
  BOOST_TEST(must(verify(where.log())).intact());
}

BOOST_AUTO_TEST_SUITE_END()
