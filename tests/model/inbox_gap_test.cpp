// Gaps of inboxes: how long they stay, why they are there, and what is left of them in the log.

#include "tests/model/inbox_stage.hpp"

#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::testing;

namespace {

struct gap_stage : inbox_stage {
  gap_stage()
      : inbox_stage({.ttl_ms = 100}) {}
};

} // namespace

BOOST_AUTO_TEST_SUITE(inbox_gap_suite)

BOOST_AUTO_TEST_CASE(who_never_comes_leaves_nothing_behind) {
  gap_stage s;
  for (const auto* id : {"a", "b", "c"})
    s.take(id, reliable);
  s.store();
  s.take("d");
  s.pass(100); // gaps are left
  BOOST_TEST(s.box.messages() == 0u);
  BOOST_TEST(!s.box.take_position());
  BOOST_TEST(s.box.next_time(s.wall, s.mono).value_or(0) == 100);
  s.pass(99);
  BOOST_TEST(!s.box.empty());
  s.pass(1);
  BOOST_TEST(s.box.empty());
  BOOST_TEST(!s.box.next_time(s.wall, s.mono));
  BOOST_TEST(s.box.take_position().value_or(0) == 3u);
  s.box.attach(1);
  check(s.read(1), {});
}

BOOST_AUTO_TEST_CASE(who_reads_is_told_of_a_gap_however_late) {
  gap_stage s;
  s.box.attach(1);
  const auto busy = (s.take("a"), s.box.next_piece(1, s.wall, s.mono));
  s.take("b");
  s.pass(1000);
  s.pass(1000);
  BOOST_TEST(!s.box.next_time(s.wall, s.mono));
  s.box.drained(1, busy->ticket);
  check(s.read(1), {"gap offline_ttl 1"});
  s.take("c", reliable);
  s.store();
  const auto again = s.box.next_piece(1, s.wall, s.mono);
  s.take("d", reliable);
  s.store();
  s.pass(100);
  s.box.detach(1); // and is gone before that
  BOOST_TEST(s.box.next_time(s.wall, s.mono).value_or(0) == 100);
  s.pass(100);
  BOOST_TEST(s.box.empty());
}

BOOST_AUTO_TEST_CASE(why_something_is_missing_in_the_log_is_told) {
  gap_stage s;
  std::vector<stored_message> newest;
  newest.push_back({12, s.message("m12", once)}); // too old, and known for resends
  newest.push_back({14, s.message("m14")});
  s.wall += 100;
  newest.push_back({20, s.message("m20")});
  newest.push_back({21, s.message("m21")});
  s.box.restore({10, 21, 4, newest}, s.wall);
  s.box.attach(1);
  check(s.read(1), {"gap retention 5 of 5-9", "gap offline_ttl 10 of 10-19", "m20 at 20", "m21 at 21", "flushed 2 15"});
  const auto drops = s.box.take_drops();
  BOOST_TEST(drops[static_cast<std::size_t>(inbox_drop::retention)] == 5u);
  BOOST_TEST((s.take("m12", once) == inbox::verdict::repeated));
}

BOOST_AUTO_TEST_CASE(what_is_damaged_in_the_log_is_told_by_that_name) {
  gap_stage s;
  std::vector<stored_message> newest;
  for (const std::uint64_t offset : {11, 14, 17})
    newest.push_back({offset, s.message("m" + std::to_string(offset))});
  // One message of a damaged stretch was found by itself.
  s.box.restore({10, 20, 8, newest, {{1, 9}, {13, 13}, {15, 18}, {20, 20}}}, s.wall);
  s.box.attach(1);
  check(s.read(1),
        {"gap retention 1 of 9-9", "gap offline_limit 1 of 10-10", "m11 at 11", "gap offline_limit 1 of 12-12",
         "gap damaged 1 of 13-13", "m14 at 14", "gap damaged 2 of 15-16", "m17 at 17", "gap damaged 1 of 18-18",
         "gap offline_limit 1 of 19-19", "gap damaged 1 of 20-20", "flushed 3 9"});
  BOOST_TEST(s.box.take_drops()[static_cast<std::size_t>(inbox_drop::damaged)] == 5u);
}

BOOST_AUTO_TEST_CASE(where_the_log_keeps_nothing_all_is_missing) {
  gap_stage s;
  s.box.restore({8, 7, 4, {}}, s.wall);
  BOOST_TEST(!s.box.take_position());
  s.pass(100);
  BOOST_TEST(s.box.empty());
  BOOST_TEST(s.box.take_position().value_or(0) == 7u);
}

BOOST_AUTO_TEST_CASE(what_memory_alone_has_goes_when_it_has_to_make_way) {
  gap_stage s;
  s.take("a");
  s.take("b", reliable);
  BOOST_TEST(!s.box.can_sleep()); // the log does not have it
  s.store();
  BOOST_TEST(s.box.can_sleep());
  BOOST_TEST(s.box.has_reliable());
  s.box.forget_volatile();
  BOOST_TEST(s.box.take_drops()[0] == 1u);
  BOOST_TEST(s.box.messages() == 1u);
  BOOST_TEST(!s.box.take_position());
  s.box.attach(1);
  BOOST_TEST(!s.box.can_sleep());
}

BOOST_AUTO_TEST_SUITE_END()
