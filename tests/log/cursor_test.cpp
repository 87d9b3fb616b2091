#include "tests/log/log_world.hpp"

#include <thread>

using namespace troupe::log;

BOOST_AUTO_TEST_SUITE(cursor_suite)

BOOST_AUTO_TEST_CASE(it_starts_anywhere) {
  const scratch where;
  auto log = opened_log(options_for(where, 3000));
  append_messages(*log, 80);
  must(log->sync());
  for (std::uint64_t from = 0; from <= 81; ++from) {
    const auto ids = ids_of(where.log(), from);
    BOOST_TEST_REQUIRE(ids.size() == (from < 80 ? 80 - from : 0));
    if (!ids.empty())
      BOOST_TEST(ids.front() == std::to_string(from));
  }
}

BOOST_AUTO_TEST_CASE(it_starts_at_a_known_place) {
  const scratch where;
  auto log = opened_log(options_for(where, 3000));
  for (std::uint64_t i = 0; i < 60; ++i) {
    append_messages(*log, 1);
    const auto segment = log->segment_first();
    const auto offset = log->last_offset();
    must(log->flush());
    auto records = must(cursor::open_at(where.log(), segment, offset, i));
    BOOST_TEST_REQUIRE((records.next() == cursor::step::ready));
    BOOST_TEST(records.at().what.id == std::to_string(i));
    BOOST_TEST(records.at().offset == offset);
    BOOST_TEST((records.next() == cursor::step::end));
  }
  must(log->sync());
  auto wrong = must(cursor::open_at(where.log(), 0, 200, 1));
  BOOST_TEST((wrong.next() == cursor::step::failed));
}

BOOST_AUTO_TEST_CASE(it_waits_for_more_across_segments) {
  const scratch where;
  auto log = opened_log(options_for(where, 3000));
  auto records = must(cursor::open(where.log(), 5));
  for (std::uint64_t i = 0; i < 200; ++i) {
    append_messages(*log, 1);
    BOOST_TEST((records.next() == cursor::step::end));
    must(log->flush());
    BOOST_TEST((records.next() == (i < 5 ? cursor::step::end : cursor::step::ready)));
  }
}

BOOST_AUTO_TEST_CASE(it_stops_at_its_limit) {
  const scratch where;
  auto log = opened_log(options_for(where));
  append_messages(*log, 3);
  must(log->sync());
  append_messages(*log, 3);
  must(log->flush());
  auto records = must(cursor::open(where.log(), 0));
  records.limit_to_synced();
  for (int i = 0; i < 3; ++i)
    BOOST_TEST((records.next() == cursor::step::ready));
  BOOST_TEST((records.next() == cursor::step::end));
  records.set_limit(5);
  for (int i = 0; i < 2; ++i)
    BOOST_TEST((records.next() == cursor::step::ready));
  BOOST_TEST((records.next() == cursor::step::end));
}

BOOST_AUTO_TEST_CASE(beside_a_writer_at_full_speed_it_reads_everything_once) {
  const scratch where;
  constexpr std::uint64_t count = 20'000;
  std::jthread writing{[&] {
    auto log = opened_log(options_for(where, 100'000));
    while (log->next() < count) {
      const auto message = message_record(log->next());
      must(log->append(view_of(message)));
      if (log->next() % 7 == 0)
        must(log->flush());
      if (log->next() % 500 == 0)
        must(log->sync());
    }
    must(log->sync());
  }};
  std::optional<cursor> records;
  while (!records)
    if (auto opened_cursor = cursor::open(where.log(), 0))
      records = std::move(*opened_cursor);
  for (std::uint64_t next = 0; next < count;) {
    const auto step = records->next();
    BOOST_TEST_REQUIRE((step != cursor::step::failed));
    if (step == cursor::step::ready)
      BOOST_REQUIRE_EQUAL(records->at().what.id, std::to_string(next++));
    else
      std::this_thread::yield();
  }
}

BOOST_AUTO_TEST_CASE(past_damage_it_goes_on_at_the_next_segment) {
  const scratch where;
  auto log = opened_log(options_for(where, 3000));
  append_messages(*log, 60);
  must(log->sync());
  const auto firsts = must(list_segments(where.log()));
  const auto name = where.log() / segment_name(firsts[1]);
  auto bytes = read_all(name);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
  write_over(name, bytes);
  auto records = must(cursor::open(where.log(), 0));
  std::uint64_t next = 0;
  while (records.next() == cursor::step::ready)
    BOOST_TEST(records.at().index == next++);
  BOOST_TEST((records.next() == cursor::step::failed));
  BOOST_TEST((records.why().kind == fault_kind::damaged));
  BOOST_TEST(records.why().where->file == segment_name(firsts[1]));
  BOOST_TEST(records.why().where->index == next);
  BOOST_TEST(records.skip_segment());
  BOOST_TEST((records.next() == cursor::step::ready));
  BOOST_TEST(records.at().index == firsts[2]);
}

BOOST_AUTO_TEST_SUITE_END()
