#include "tests/log/log_world.hpp"

#include <fstream>

using namespace troupe::log;

BOOST_AUTO_TEST_SUITE(writer_suite)

BOOST_AUTO_TEST_CASE(what_was_synced_is_there_after_opening_again) {
  for_seeds(30, [](dice& random) {
    const scratch where;
    const auto options = options_for(where, 2000 + random.below(20'000));
    std::vector<record> written;
    compact_range tree;
    for (int life = 0; life < 4; ++life) {
      auto log = opened_log(options);
      BOOST_TEST(log->next() == written.size());
      BOOST_TEST((log->synced_tree() == tree));
      for (auto n = random.below(60); n > 0; --n) {
        written.push_back(any_record(random));
        std::string body;
        encode(view_of(written.back()), body);
        tree.append(leaf_hash(body));
        BOOST_TEST(must(log->append(view_of(written.back()))) == written.size() - 1);
        if (random.once_in(5))
          must(log->flush());
        if (random.once_in(10))
          must(log->sync());
      }
      must(log->sync());
      BOOST_TEST(log->synced() == written.size());
      BOOST_TEST((log->synced_tree() == tree));
    }
    auto records = must(cursor::open(where.log(), 0));
    for (const auto& expected : written) {
      BOOST_TEST_REQUIRE((records.next() == cursor::step::ready));
      BOOST_TEST((copy_of(records.at().what) == expected));
    }
    BOOST_TEST((records.next() == cursor::step::end));
    const auto report = must(verify(where.log()));
    BOOST_TEST(report.intact());
    BOOST_TEST(report.size == written.size());
    BOOST_TEST((report.root == tree.root()));
  });
}

BOOST_AUTO_TEST_CASE(what_was_not_flushed_is_not_there) {
  const scratch where;
  {
    auto log = opened_log(options_for(where));
    append_messages(*log, 3);
    must(log->sync());
    append_messages(*log, 2);
  }
  BOOST_TEST(opened_log(options_for(where))->next() == 3u);
}

BOOST_AUTO_TEST_CASE(discard_takes_back_what_was_not_written) {
  const scratch where;
  auto log = opened_log(options_for(where));
  append_messages(*log, 3);
  must(log->flush());
  const auto tree = log->synced_tree();
  append_messages(*log, 4);
  BOOST_TEST(log->discard() == 4u);
  BOOST_TEST(log->next() == 3u);
  append_messages(*log, 1);
  must(log->sync());
  BOOST_TEST(ids_of(where.log()).size() == 4u);
  BOOST_TEST(must(verify(where.log())).intact());
}

BOOST_AUTO_TEST_CASE(one_writer_at_a_time) {
  const scratch where;
  auto log = opened_log(options_for(where));
  const auto second = writer::open(options_for(where));
  BOOST_TEST_REQUIRE(!second);
  BOOST_TEST((second.error().kind == fault_kind::in_use));
  log.reset();
  BOOST_TEST(opened_log(options_for(where))->next() == 0u);
}

BOOST_AUTO_TEST_CASE(segments_are_named_by_their_first_record_and_sealed) {
  const scratch where;
  auto log = opened_log(options_for(where, 4096));
  append_messages(*log, 100, 200);
  must(log->sync());
  const auto firsts = must(list_segments(where.log()));
  BOOST_TEST(firsts.size() > 4u);
  for (const auto first : firsts)
    BOOST_TEST(std::filesystem::file_size(where.log() / segment_name(first)) < 4096u + 2500u);
  BOOST_TEST(segment_name(4711) == "00000000000000004711.seg");
  BOOST_TEST(must(verify(where.log())).segments == firsts.size());
}

BOOST_AUTO_TEST_CASE(a_record_larger_than_a_segment_has_one_of_its_own) {
  const scratch where;
  auto log = opened_log(options_for(where, 4096));
  append_messages(*log, 3);
  append_messages(*log, 3, 10'000);
  must(log->sync());
  BOOST_TEST(ids_of(where.log()).size() == 6u);
  BOOST_TEST(!log->append_body(std::string(record_bytes_max + 1, 'x')));
  BOOST_TEST(!log->append_body("short"));
  const auto body = std::string(record_bytes_max, '\1');
  BOOST_TEST(log->next() == 6u);
}

BOOST_AUTO_TEST_CASE(rolling_by_hand_starts_a_segment_once) {
  const scratch where;
  auto log = opened_log(options_for(where));
  must(log->roll());
  append_messages(*log, 2);
  must(log->roll());
  must(log->roll());
  append_messages(*log, 1);
  must(log->sync());
  BOOST_TEST(must(list_segments(where.log())).size() == 2u);
  log.reset();
  log = opened_log(options_for(where));
  BOOST_TEST(log->next() == 3u);
}

BOOST_AUTO_TEST_CASE(a_sealed_last_segment_is_followed_by_another) {
  const scratch where;
  {
    auto log = opened_log(options_for(where));
    append_messages(*log, 2);
    must(log->roll());
  }
  // As if it had been stopped between sealing and starting the next.
  std::filesystem::remove(where.log() / segment_name(2));
  std::filesystem::remove(where.log() / "synced");
  {
    auto log = opened_log(options_for(where));
    BOOST_TEST(log->next() == 2u);
    append_messages(*log, 1);
    must(log->sync());
  }
  BOOST_TEST(must(list_segments(where.log())).size() == 2u);
  BOOST_TEST(ids_of(where.log()).size() == 3u);
  BOOST_TEST(must(verify(where.log())).intact());
}

BOOST_AUTO_TEST_CASE(names_that_cannot_stand_in_a_checkpoint_are_refused) {
  const scratch where;
  auto options = options_for(where);
  for (const auto* name : {"", "a b", "a+b", "a/b", "a\nb"}) {
    options.node = name;
    BOOST_TEST(!writer::open(options), name);
  }
}

BOOST_AUTO_TEST_CASE(another_name_of_the_node_starts_another_segment_and_origin) {
  const scratch where;
  auto options = options_for(where);
  for (const auto* node : {"one", "two", "two", "one"}) {
    options.node = node;
    auto log = opened_log(options);
    BOOST_TEST(log->origin() == std::string{node} + "/main");
    append_messages(*log, 1);
    must(log->sync());
  }
  BOOST_TEST(must(list_segments(where.log())).size() == 3u);
  BOOST_TEST(must(verify(where.log())).intact());
}

BOOST_AUTO_TEST_SUITE_END()
