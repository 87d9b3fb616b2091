#include "tests/log/log_world.hpp"

#include <cerrno>

using namespace troupe::log;

BOOST_AUTO_TEST_SUITE(failing_calls_suite)

BOOST_AUTO_TEST_CASE(short_writes_are_gone_on_with) {
  const scratch where;
  failing_files ops;
  ops.at_most = 7;
  auto log = opened_log(options_for(where, 4096), ops);
  append_messages(*log, 60);
  must(log->sync());
  BOOST_TEST(ids_of(where.log()).size() == 60u);
  BOOST_TEST(must(verify(where.log())).intact());
}

BOOST_AUTO_TEST_CASE(a_failed_sync_is_final) {
  const scratch where;
  failing_files ops;
  auto log = opened_log(options_for(where), ops);
  append_messages(*log, 2);
  must(log->sync());
  append_messages(*log, 1);
  ops.sync_number = EIO;
  const auto failed = log->sync();
  BOOST_TEST_REQUIRE(failed.has_value());
  BOOST_TEST((failed->kind == fault_kind::sync_failed));
  BOOST_TEST(failed->number == EIO);
  BOOST_TEST(log->is_dead());
  ops.sync_number = 0;
  const auto syncs = ops.syncs;
  BOOST_TEST((log->sync()->kind == fault_kind::sync_failed));
  BOOST_TEST((log->flush()->kind == fault_kind::sync_failed));
  BOOST_TEST((log->roll()->kind == fault_kind::sync_failed));
  BOOST_TEST((log->append(view_of(message_record(9))).error().kind == fault_kind::sync_failed));
  BOOST_TEST(ops.syncs == syncs);
  BOOST_TEST(log->synced() == 2u);
}

BOOST_AUTO_TEST_CASE(a_failed_sync_while_sealing_or_starting_a_segment_is_final) {
  for (int good = 0; good < 2; ++good) {
    const scratch where;
    failing_files ops;
    auto log = opened_log(options_for(where), ops);
    append_messages(*log, 2);
    if (good == 1)
      must(log->sync());
    ops.sync_number = EIO;
    BOOST_TEST((log->roll()->kind == fault_kind::sync_failed));
    BOOST_TEST(log->is_dead());
  }
}

BOOST_AUTO_TEST_CASE(without_space_nothing_is_lost_or_written_in_part) {
  for_seeds(200, [](dice& random) {
    const scratch where;
    failing_files ops;
    auto log = opened_log(options_for(where, 3000), ops);
    for (int i = 0; i < 40; ++i) {
      if (random.once_in(3))
        ops.room = static_cast<std::int64_t>(random.below(600));
      if (random.once_in(3))
        ops.room = -1;
      const auto index = log->append(view_of(message_record(log->next())));
      if (!index)
        BOOST_TEST_REQUIRE((index.error().kind == fault_kind::no_space));
      const auto failed = log->sync();
      if (failed) {
        BOOST_TEST_REQUIRE((failed->kind == fault_kind::no_space));
        // Some wait for space, others take back.
        if (random.once_in(2))
          log->discard();
      } else {
        BOOST_TEST_REQUIRE(log->synced() == log->next());
      }
      // Of what a call could not write as a whole, nothing stays.
      BOOST_TEST_REQUIRE(ids_of(where.log()).size() == log->written());
    }
    ops.room = -1;
    must(log->sync());
    const auto kept = log->next();
    log.reset();
    BOOST_TEST(opened_log(options_for(where, 3000))->next() == kept);
    const auto ids = ids_of(where.log());
    BOOST_TEST_REQUIRE(ids.size() == kept);
    for (std::uint64_t i = 0; i < kept; ++i)
      BOOST_TEST(ids[i] == std::to_string(i));
    BOOST_TEST(must(verify(where.log())).intact());
  });
}

BOOST_AUTO_TEST_SUITE_END()
