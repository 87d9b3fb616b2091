#include "tests/log/log_world.hpp"

#include "runtime/log/recovery.hpp"
#include "runtime/log/sync_mark.hpp"

#include <filesystem>

// What a person accepted to be lost is noted before anything is changed, and until the log says it itself.

using namespace troupe::log;
namespace fs = std::filesystem;

namespace {

writer_options with_consent(const scratch& where, std::uint64_t segment_bytes = 64 << 20) {
  auto options = options_for(where, segment_bytes);
  options.accept_loss = true;
  return options;
}

void flip(const fs::path& file, std::size_t at) {
  auto bytes = read_all(file);
  bytes.at(at) = static_cast<char>(bytes.at(at) ^ 0x40);
  write_over(file, bytes);
}

void write_synced(const scratch& where, std::uint64_t count, std::uint64_t segment_bytes = 64 << 20) {
  auto log = opened_log(options_for(where, segment_bytes));
  append_messages(*log, count);
  must(log->sync());
}

void sign_it(const scratch& where, const writer& log, const signing_key& key) {
  auto notes = must(checkpoint_file::open(system_files(), where.log()));
  must(notes.append(must(sign(log.synced_checkpoint(), key))));
}

} // namespace

BOOST_AUTO_TEST_SUITE(loss_suite)

BOOST_AUTO_TEST_CASE(a_loss_is_not_forgotten_where_a_start_is_broken_off_behind_the_cut) {
  const scratch where;
  write_synced(where, 6);
  const auto file = where.log() / segment_name(0);
  flip(file, read_all(file).size() - 20);
  fs::create_directories(where.log() / "next.tmp" / "in the way"); // of the new segment
  BOOST_TEST_REQUIRE(!writer::open(with_consent(where)));
  BOOST_TEST(must(verify(where.log())).size == 5u); // it was cut
  fs::remove_all(where.log() / "next.tmp");
  for (int start = 0; start < 2; ++start) { // told until it is recorded
    const auto log = opened_log(options_for(where));
    BOOST_TEST_REQUIRE(log->found().losses.size() == 1u);
    BOOST_TEST(log->found().losses.front().breaks_order);
    BOOST_TEST(log->found().losses.front().what.find(", kept in ") != std::string::npos);
    BOOST_TEST(log->origin() != "node-1/main");
    BOOST_TEST(log->next() == 5u);
    if (start == 1)
      must(log->losses_are_recorded());
  }
  const auto log = opened_log(options_for(where));
  BOOST_TEST(log->found().losses.empty());
  BOOST_TEST(must(verify(where.log())).intact());
}

BOOST_AUTO_TEST_CASE(what_was_consented_to_needs_no_second_consent) {
  const scratch where;
  const auto key = must(signing_key::make());
  {
    auto log = opened_log(options_for(where));
    append_messages(*log, 6);
    must(log->sync());
    sign_it(where, *log, key);
  }
  const auto file = where.log() / segment_name(0);
  flip(file, read_all(file).size() - 20);
  fs::create_directories(where.log() / "next.tmp" / "in the way");
  BOOST_TEST_REQUIRE(!writer::open(with_consent(where)));
  fs::remove_all(where.log() / "next.tmp");
  {
    const auto log = opened_log(options_for(where)); // shorter than its checkpoint, as it was said
    BOOST_TEST(log->next() == 5u);
    BOOST_TEST(log->found().losses.size() == 1u);
  }
  flip(file, must(parse_header(read_all(file))).bytes + 20); // another loss
  BOOST_TEST_REQUIRE(must(list_segments(where.log())).size() == 2u);
  fs::remove(where.log() / segment_name(5));
  BOOST_TEST(!writer::open(options_for(where)));
}

BOOST_AUTO_TEST_CASE(nothing_is_changed_where_a_loss_cannot_be_noted) {
  const scratch where;
  write_synced(where, 6);
  const auto file = where.log() / segment_name(0);
  flip(file, read_all(file).size() - 20);
  const auto before = read_all(file);
  fs::create_directories(where.log() / "loss.tmp");
  BOOST_TEST(!writer::open(with_consent(where)));
  BOOST_TEST((read_all(file) == before));
}

BOOST_AUTO_TEST_CASE(a_last_segment_without_a_header_is_put_aside_with_consent) {
  const scratch where;
  write_synced(where, 100, 3000);
  const auto firsts = must(list_segments(where.log()));
  const auto file = where.log() / segment_name(firsts.back());
  flip(file, 20);
  const auto bytes = read_all(file);
  BOOST_TEST((writer::open(options_for(where, 3000)).error().kind == fault_kind::damaged));
  BOOST_TEST((read_all(file) == bytes));
  for (const bool marked : {true, false}) {
    const scratch copy;
    fs::create_directories(copy.log().parent_path());
    fs::copy(where.log(), copy.log());
    if (!marked)
      fs::remove(copy.log() / "synced");
    const auto log = opened_log(with_consent(copy, 3000));
    BOOST_TEST(log->next() == firsts.back());
    BOOST_TEST(log->origin() != "node-1/main");
    BOOST_TEST((read_all(copy.log() / (segment_name(firsts.back()) + ".damaged")) == bytes));
    BOOST_TEST(log->found().losses.front().what.find(segment_name(firsts.back())) != std::string::npos);
    BOOST_TEST(must(verify(copy.log())).intact());
  }
}

BOOST_AUTO_TEST_CASE(a_log_of_one_segment_without_a_header_begins_anew_with_consent) {
  const scratch where;
  write_synced(where, 3);
  flip(where.log() / segment_name(0), 20);
  fs::remove(where.log() / "synced");
  const auto log = opened_log(with_consent(where));
  BOOST_TEST(log->next() == 0u);
  BOOST_TEST(log->origin() != "node-1/main");
  BOOST_TEST(log->found().losses.size() == 1u);
}

BOOST_AUTO_TEST_CASE(an_older_file_that_was_kept_stays) {
  const scratch where;
  const auto key = must(signing_key::make());
  std::vector<std::string> damaged;
  for (int i = 0; i < 2; ++i) {
    {
      auto log = opened_log(with_consent(where));
      BOOST_TEST(log->origin() == "node-1/main"); // no record is missing
      append_messages(*log, 5);
      must(log->sync());
      for (const auto& loss : log->found().losses)
        BOOST_TEST(!loss.breaks_order);
      sign_it(where, *log, key);
      append_messages(*log, 1);
      must(log->sync());
      sign_it(where, *log, key);
    }
    flip(where.log() / "checkpoints", 13);
    damaged.push_back(read_all(where.log() / "checkpoints"));
  }
  const auto log = opened_log(with_consent(where));
  BOOST_TEST(log->found().losses.size() == 2u);
  BOOST_TEST((read_all(where.log() / "checkpoints.damaged") == damaged[0]));
  BOOST_TEST((read_all(where.log() / "checkpoints.2.damaged") == damaged[1]));
}

BOOST_AUTO_TEST_CASE(what_was_signed_is_not_contradicted_where_all_but_the_mark_is_gone) {
  const scratch where;
  const auto key = must(signing_key::make());
  std::optional<signed_checkpoint> elsewhere;
  for (int life = 0; life < 3; ++life) {
    auto options = with_consent(where);
    options.clock_us = [life] { return (1'700'000'000 + life) * std::int64_t{1'000'000}; };
    auto log = opened_log(options);
    BOOST_TEST((life == 0) == (log->origin() == "node-1/main"));
    must(log->losses_are_recorded());
    append_messages(*log, 20, 100 + static_cast<std::size_t>(life));
    must(log->sync());
    if (elsewhere) {
      verify_options how;
      how.expect = elsewhere;
      const auto report = must(verify(where.log(), how));
      BOOST_TEST_REQUIRE(report.problems.size() == 1u); // another log, and not a forged one
      BOOST_TEST((report.problems.front().kind == fault_kind::lost));
    }
    sign_it(where, *log, key);
    elsewhere = must(read_checkpoints(where.log())).notes.back();
    log.reset();
    fs::remove(where.log() / segment_name(0));
    fs::remove(where.log() / "checkpoints");
  }
}

BOOST_AUTO_TEST_CASE(a_cursor_passes_over_a_first_segment_that_does_not_open) {
  const scratch where;
  write_synced(where, 100, 3000);
  const auto firsts = must(list_segments(where.log()));
  for (const std::size_t bad : {0, 2}) {
    flip(where.log() / segment_name(firsts[bad]), 20);
    auto at = cursor::unopened(where.log(), firsts[bad] + 1);
    BOOST_TEST_REQUIRE((at.next() == cursor::step::failed));
    BOOST_TEST((at.why().kind == fault_kind::damaged));
    BOOST_TEST_REQUIRE(at.skip_segment());
    BOOST_TEST_REQUIRE((at.next() == cursor::step::ready));
    BOOST_TEST(at.at().index == firsts[bad + 1]);
  }
}

BOOST_AUTO_TEST_SUITE_END()
