#include "tests/log/log_world.hpp"

#include "runtime/log/recovery.hpp"

#include <cerrno>

// A writer has its segment longer than what is in it. Nobody else may notice.

using namespace troupe::log;

namespace {

/// What a process leaves behind that is killed: the folder as it is while the writer is still open.
void leave_behind(const scratch& from, const scratch& to) {
  std::filesystem::remove_all(to.log());
  std::filesystem::create_directories(to.log().parent_path());
  std::filesystem::copy(from.log(), to.log());
}

std::filesystem::path first_segment(const scratch& of) { return of.log() / segment_name(0); }

/// Messages, of which the last were not synced, and a killed process.
struct killed {
  killed() {
    auto log = opened_log(options_for(alive));
    append_messages(*log, 20);
    must(log->sync());
    synced_end = log->last_offset();
    append_messages(*log, 3);
    must(log->flush());
    leave_behind(alive, dead);
    bytes = read_all(first_segment(dead));
    end = bytes.find_last_not_of('\0') + 1;
  }

  scratch alive;
  scratch dead;
  std::string bytes;
  std::size_t end = 0;          ///< Of what is no zero.
  std::uint64_t synced_end = 0; ///< Where the last synced record begins.
};

} // namespace

BOOST_AUTO_TEST_SUITE(space_suite)

BOOST_AUTO_TEST_CASE(a_closed_log_is_the_same_with_and_without_it) {
  for (const int number : {EOPNOTSUPP, ENOSPC}) {
    const scratch with;
    const scratch without;
    failing_files none;
    none.allocate_number = number;
    for (const auto* where : {&with, &without}) {
      auto options = options_for(*where, 40'000);
      options.clock_us = [] { return std::int64_t{1'700'000'000'000'000}; };
      auto log = opened_log(options, where == &with ? system_files() : none);
      for (int i = 0; i < 100; ++i) {
        append_messages(*log, 5);
        must(log->sync());
      }
    }
    const auto firsts = must(list_segments(with.log()));
    BOOST_TEST(firsts.size() > 1u);
    for (const auto first : firsts)
      BOOST_TEST((read_all(with.log() / segment_name(first)) == read_all(without.log() / segment_name(first))));
  }
}

BOOST_AUTO_TEST_CASE(a_segment_that_cannot_be_cut_is_not_sealed) {
  const scratch where;
  failing_files files;
  {
    auto log = opened_log(options_for(where), files);
    append_messages(*log, 5);
    must(log->sync());
    files.truncate_number = EIO;
    BOOST_TEST(log->roll().has_value());
    BOOST_TEST(must(verify(where.log())).intact());
    files.truncate_number = 0;
    append_messages(*log, 5);
    must(log->roll());
    append_messages(*log, 5);
    must(log->sync());
  }
  BOOST_TEST(must(verify(where.log())).intact());
  BOOST_TEST(must(list_segments(where.log())).size() == 2u);
  BOOST_TEST(ids_of(where.log()).size() == 15u);
}

BOOST_AUTO_TEST_CASE(after_a_kill_it_is_neither_a_torn_tail_nor_damage) {
  const killed left;
  BOOST_TEST_REQUIRE(left.bytes.size() > left.end);
  const auto report = must(verify(left.dead.log()));
  BOOST_TEST(report.intact());
  BOOST_TEST(report.size == 23u);
  BOOST_TEST(report.torn_bytes == 0u);
  BOOST_TEST(report.bytes == left.end);
  BOOST_TEST(ids_of(left.dead.log()).size() == 23u);
  {
    auto log = opened_log(options_for(left.dead));
    BOOST_TEST(log->next() == 23u);
    BOOST_TEST(log->found().torn_bytes == 0u);
    append_messages(*log, 1);
    must(log->sync());
  }
  BOOST_TEST(ids_of(left.dead.log()).size() == 24u);
  const auto bytes = read_all(first_segment(left.dead));
  BOOST_TEST(bytes.find_last_not_of('\0') + 1 == bytes.size());
}

BOOST_AUTO_TEST_CASE(what_stands_in_it_is_a_torn_tail) {
  const killed left;
  for (const std::size_t at : {left.end, left.end + 1, left.end + 5000, left.bytes.size() - 1}) {
    auto bytes = left.bytes;
    bytes[at] = 'x';
    write_over(first_segment(left.dead), bytes);
    const auto report = must(verify(left.dead.log()));
    BOOST_TEST(report.intact());
    BOOST_TEST(report.torn_bytes == at + 1 - left.end);
    BOOST_TEST(ids_of(left.dead.log()).size() == 23u);
  }
  auto log = opened_log(options_for(left.dead));
  BOOST_TEST(log->found().torn_bytes == left.bytes.size() - left.end);
  BOOST_TEST(log->next() == 23u);
}

BOOST_AUTO_TEST_CASE(a_synced_record_that_became_zeros_is_damage) {
  const killed left;
  for (auto from = left.synced_end; from < left.end; ++from) { // also in the middle of it, and of what was not synced
    auto bytes = left.bytes;
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.end(), '\0');
    write_over(first_segment(left.dead), bytes);
    const auto mark = read_sync_mark(left.dead.log());
    BOOST_TEST_REQUIRE(mark.has_value());
    const bool promised = from < mark->offset;
    BOOST_TEST(must(verify(left.dead.log())).intact() == !promised);
    auto log = writer::open(options_for(left.dead));
    BOOST_TEST(log.operator bool() == !promised);
    if (log)
      write_over(first_segment(left.dead), left.bytes); // it was cut
  }
}

BOOST_AUTO_TEST_CASE(a_check_beside_a_writer_finds_nothing_wrong) {
  const scratch where;
  auto log = opened_log(options_for(where));
  for (int i = 0; i < 50; ++i) {
    append_messages(*log, 7);
    must(i % 2 == 0 ? log->sync() : log->flush());
    const auto report = must(verify(where.log()));
    BOOST_TEST(report.intact());
    BOOST_TEST(report.torn_bytes == 0u);
    BOOST_TEST(report.size == log->next());
  }
}

BOOST_AUTO_TEST_SUITE_END()
