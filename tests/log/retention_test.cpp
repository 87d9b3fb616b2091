#include "runtime/log/retention.hpp"

#include "runtime/log/proof.hpp"
#include "tests/log/log_world.hpp"

using namespace troupe::log;

BOOST_AUTO_TEST_SUITE(retention_suite)

BOOST_AUTO_TEST_CASE(the_oldest_segments_go_and_the_rest_can_be_proven) {
  const scratch where;
  const auto key = must(signing_key::make());
  auto log = opened_log(options_for(where, 3000));
  auto notes = must(checkpoint_file::open(system_files(), where.log()));
  while (log->next() < 90) {
    append_messages(*log, 10);
    must(log->sync());
    must(notes.append(must(sign(log->synced_checkpoint(), key))));
  }
  const auto head = must(sign(log->synced_checkpoint(), key));
  const auto result = must(drop_old_segments(where.log(), {0, 7000}, 0));
  BOOST_TEST(result.segments > 0u);
  BOOST_TEST(result.first_kept > 10u);
  std::uint64_t bytes = 0;
  for (const auto first : must(list_segments(where.log())))
    bytes += std::filesystem::file_size(where.log() / segment_name(first));
  BOOST_TEST(bytes <= 7000u);

  verify_options options;
  options.key = key.open_half();
  options.expect = head;
  const auto report = must(verify(where.log(), options));
  BOOST_TEST(report.intact());
  BOOST_TEST(report.expected_fits);
  BOOST_TEST(report.first == result.first_kept);
  BOOST_TEST(report.checkpoints + report.checkpoints_dropped == 9u);
  BOOST_TEST(report.checkpoints_dropped > 0u);
  for (auto index = result.first_kept; index < 90; ++index)
    BOOST_TEST(!check(must(prove_inclusion(where.log(), index, head)), key.open_half()));
  BOOST_TEST((prove_inclusion(where.log(), 0, head).error().kind == fault_kind::lost));
  BOOST_TEST(ids_of(where.log()).size() == 90 - result.first_kept);

  // It goes on, and opens again.
  append_messages(*log, 5);
  must(log->sync());
  log.reset();
  BOOST_TEST(opened_log(options_for(where))->next() == 95u);
}

BOOST_AUTO_TEST_CASE(age_counts_from_the_start_of_the_next_segment) {
  const scratch where;
  std::int64_t now = 1000;
  auto options = options_for(where);
  options.clock_us = [&] { return now; };
  auto log = opened_log(options);
  for (int i = 0; i < 5; ++i) {
    append_messages(*log, 2);
    now += 100;
    must(log->roll());
  }
  BOOST_TEST(must(drop_old_segments(where.log(), {100, 0}, now)).segments == 3u);
  BOOST_TEST(must(drop_old_segments(where.log(), {0, 0}, now)).segments == 0u);
  BOOST_TEST(must(drop_old_segments(where.log(), {1, 0}, now + 1'000'000)).segments == 2u);
  BOOST_TEST(must(list_segments(where.log())).size() == 1u); // Never the last.
  BOOST_TEST(must(verify(where.log())).intact());
  BOOST_TEST(log->next() == 10u);
}

BOOST_AUTO_TEST_CASE(a_cursor_that_retention_overtakes_goes_on_behind_the_gap) {
  const scratch where;
  auto log = opened_log(options_for(where, 3000));
  append_messages(*log, 90);
  must(log->sync());
  auto records = must(cursor::open(where.log(), 0));
  BOOST_TEST((records.next() == cursor::step::ready));
  const auto kept = must(drop_old_segments(where.log(), {0, 7000}, 0)).first_kept;
  std::uint64_t last = 0;
  bool jumped = false;
  while (records.next() == cursor::step::ready) {
    if (records.at().index != last + 1) {
      BOOST_TEST(records.at().index == kept);
      jumped = true;
    }
    last = records.at().index;
  }
  BOOST_TEST(jumped);
  BOOST_TEST(last == 89u);
}

BOOST_AUTO_TEST_SUITE_END()
