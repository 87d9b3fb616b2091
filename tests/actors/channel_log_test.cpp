// What channels have in the log and in its index, against disks that are full, crashes and retention.

#include "actors/channel_log.hpp"

#include "actors/channel_log_keys.hpp"
#include "actors/inbox_name.hpp"
#include "actors/journal.hpp"
#include "actors/node.hpp"
#include "runtime/store/rocks_store.hpp"
#include "tests/actors/channel_log_bench.hpp"
#include "tests/actors/still_stage.hpp"

#include <filesystem>
#include <map>

using namespace troupe;
using namespace troupe::testing;

BOOST_AUTO_TEST_SUITE(channel_log_suite)

BOOST_AUTO_TEST_CASE(what_a_channel_sent_before_it_heard_of_a_refusal_is_refused_too) {
  log_bench s;
  s.begin("c");
  s.begin("d");
  s.store("c", 1, 3);
  s.ops.room = 0;
  s.append("c", 4, 5);
  const auto refused = s.commit_one();
  BOOST_TEST(refused.stored == 0u);
  BOOST_TEST_REQUIRE(refused.why.has_value());
  BOOST_TEST((refused.why->code == error_code::unavailable));
  BOOST_TEST(refused.why->retry_ms.has_value());
  s.ops.room = -1;
  s.append("c", 6, 6); // was on its way
  s.append("d", 1, 1);
  s.append("c", 4, 4, 1);
  const auto all = s.log->commit(true);
  BOOST_TEST_REQUIRE(all.size() == 3u);
  BOOST_TEST(all[0].why.has_value());
  BOOST_TEST(all[1].stored == 1u);
  BOOST_TEST(all[2].stored == 4u);
  BOOST_TEST(s.read("c") == range(1, 4));
  s.open_again(false, true);
  BOOST_TEST(s.begin("c").last == 4u);
  BOOST_TEST(s.read("c") == range(1, 4));
}

BOOST_AUTO_TEST_CASE(a_new_home_of_a_channel_begins_its_runs_again) {
  log_bench s;
  s.begin("c");
  s.ops.room = 0;
  s.append("c", 1, 1, 7);
  s.commit_one();
  s.ops.room = -1;
  BOOST_TEST(s.begin("c").last == 0u);
  s.store("c", 1, 2);
  BOOST_TEST(s.read("c") == range(1, 2));
}

BOOST_AUTO_TEST_CASE(a_disk_that_fills_up_gives_no_offset_twice) {
  for_seeds(60, [](dice& random) {
    log_bench s{4096};
    struct channel {
      std::uint64_t run = 0;
      std::uint64_t given = 0;
      std::uint64_t stored = 0;
      std::vector<std::pair<std::uint64_t, bool>> news; ///< What it has not heard of yet: stored up to, and refused.
    };
    std::map<std::string, channel> channels;
    for (const char* name : {"a", "b", "c"}) {
      s.begin(name);
      channels[name];
    }
    std::map<std::uint64_t, std::pair<std::string, std::uint64_t>> groups; ///< Whose, and of which run.
    for (int turn = 0; turn < 60; ++turn) {
      if (random.once_in(3))
        s.ops.room = static_cast<std::int64_t>(random.below(3000));
      if (random.once_in(3))
        s.ops.room = -1;
      for (auto& [name, c] : channels) {
        if (random.once_in(2)) { // hears what became of what it sent
          for (const auto& [upto, refused] : std::exchange(c.news, {})) {
            c.stored = std::max(c.stored, upto);
            if (refused) {
              ++c.run;
              c.given = c.stored;
              break; // what follows is of an earlier run
            }
          }
        }
        if (const auto many = random.below(6); many > 0) {
          const auto number = s.append(name, c.given + 1, c.given + many, c.run, qos::at_least_once, random.below(900));
          groups[number] = {name, c.run};
          c.given += many;
        }
      }
      for (const auto& outcome : s.log->commit(true)) {
        auto& [name, run] = groups.at(outcome.group);
        auto& c = channels.at(name);
        if (run == c.run)
          c.news.emplace_back(outcome.stored, outcome.why.has_value());
        else
          BOOST_TEST_REQUIRE(outcome.stored == 0u);
      }
    }
    for (auto& [name, c] : channels)
      for (const auto& [upto, refused] : c.news) {
        c.stored = std::max(c.stored, upto);
        if (refused)
          break;
      }
    s.ops.room = -1;
    for (const bool without_index : {false, true}) {
      for (const auto& [name, c] : channels)
        BOOST_TEST_REQUIRE(s.read(name) == range(1, c.stored));
      s.open_again(random.once_in(2), without_index);
      for (const auto& [name, c] : channels)
        BOOST_TEST_REQUIRE(s.begin(name).last == c.stored);
    }
    BOOST_TEST(must(log::verify(s.log->folder())).intact());
  });
}

BOOST_AUTO_TEST_CASE(a_message_that_no_record_can_hold_is_named_and_harms_nothing_else) {
  log_bench s;
  s.begin("c");
  s.begin("d");
  s.append("c", 1, 2);
  auto large = s.entries("c");
  large->messages.push_back(s.message(3, qos::at_most_once, log::record_bytes_max));
  s.log->append(std::move(large), now_ms * 1000);
  s.append("d", 1, 1);
  const auto all = s.log->commit(true);
  BOOST_TEST(all[0].stored == 2u);
  BOOST_TEST_REQUIRE(all[1].why.has_value());
  BOOST_TEST((all[1].why->code == error_code::too_large));
  BOOST_TEST(all[2].stored == 1u);
  s.append("c", 3, 3, 1);
  BOOST_TEST(s.commit_one().stored == 3u);
}

BOOST_AUTO_TEST_CASE(a_position_of_an_earlier_epoch_is_not_one_of_this) {
  log_bench s;
  channel_settings loose;
  loose.fsync = fsync_policy::interval;
  const auto first = s.begin("c", loose).epoch;
  s.store("c", 1, 9);
  s.keep_position("c", "ann", 7);
  s.keep_position("c", "bob", 9);
  s.open_again();
  auto again = s.begin("c", loose);
  BOOST_TEST(again.epoch == first);
  BOOST_TEST(again.positions.at("ann") == 7u);
  s.store("c", 10, 10);
  s.open_again(false); // killed: the kernel has what was written
  BOOST_TEST(s.begin("c", loose).epoch == first);
  s.how.boot = "another";
  s.open_again(false); // the machine itself has ended
  again = s.begin("c", loose);
  BOOST_TEST(again.epoch != first);
  BOOST_TEST(again.last == 0u);
  BOOST_TEST(again.positions.empty());
  BOOST_TEST(again.outdated.contains("ann"));
  s.keep_position("c", "ann", 0);
  again = s.begin("c", loose);
  BOOST_TEST(again.positions.at("ann") == 0u);
  BOOST_TEST(again.outdated == std::set<std::string>{"bob"});
}

BOOST_AUTO_TEST_CASE(positions_outlive_the_segments_in_which_they_were_said) {
  log_bench s{4096};
  s.begin("c");
  s.store("c", 1, 4);
  s.keep_position("c", channel_home::durable_key("ann", "d"), 3);
  for (std::uint64_t n = 5; n <= 400; n += 4)
    s.store("c", n, n + 3, qos::at_least_once, 100);
  BOOST_TEST(!s.log->retain(0, 1, now_ms * 1000).has_value());
  s.open_again(true, true); // as after a restore: the index is made from what the log still has
  const auto c = s.begin("c");
  BOOST_TEST(c.first > 300u);
  BOOST_TEST(c.positions.at(channel_home::durable_key("ann", "d")) == 3u);
}

BOOST_AUTO_TEST_CASE(what_retention_drops_leaves_the_index_and_channels_are_told) {
  for (const bool without_index : {false, true}) {
    log_bench s{4096};
    s.begin("old");
    s.begin("c");
    s.store("old", 1, 20, qos::once, 100);
    for (std::uint64_t n = 1; n <= 400; n += 4)
      s.store("c", n, n + 3, qos::once, 100);
    const auto epochs = s.epoch;
    // What was dropped and is still in the index is passed over, however much of it there is.
    s.log->retain(0, 1, now_ms * 1000);
    const auto kept = s.read("c", 1, 8);
    BOOST_TEST_REQUIRE(!kept.empty());
    BOOST_TEST(kept.front() > 300u);
    BOOST_TEST(s.begin("c").first == kept.front());
    const auto told = s.forget();
    BOOST_TEST(told.at("c") == kept.front());
    BOOST_TEST(told.at("old") == 21u);
    std::size_t dead = 0;
    const auto count = [&](char tag, std::size_t at) {
      const std::string prefix(1, tag);
      const auto first = must(log::list_segments(s.log->folder())).front();
      const auto done = s.log->index().scan({.prefix = prefix, .from = {}}, [&](auto, auto value) {
        dead += store::u64_from(value.substr(at, 8)).value() < first ? 1 : 0;
        return true;
      });
      BOOST_TEST(done.ok());
    };
    count(index_tag::run, 0);
    BOOST_TEST(dead == 1u); // of "old": it tells the last offset
    count(index_tag::unique, 0);
    BOOST_TEST(dead == 1u);
    s.open_again(true, without_index);
    const auto c = s.begin("c");
    BOOST_TEST(c.epoch == epochs.at("c")); // though the record of its epoch is gone
    BOOST_TEST(c.first == kept.front());
    BOOST_TEST(c.last == 400u);
    BOOST_TEST(c.window.front().offset == kept.front());
    const auto old = s.begin("old");
    if (without_index) {
      BOOST_TEST(old.epoch != epochs.at("old")); // nobody remembers its offsets
    } else {
      BOOST_TEST(old.epoch == epochs.at("old"));
      BOOST_TEST(old.first == 21u);
      BOOST_TEST(old.last == 20u);
    }
    s.store("old", old.last + 1, old.last + 1);
    BOOST_TEST(s.read("old") == range(old.last + 1, old.last + 1));
  }
}

BOOST_AUTO_TEST_CASE(the_window_against_resends_counts_those_alone_that_can_be_resent) {
  log_bench s;
  channel_settings narrow;
  narrow.dedupe_messages = 5;
  s.begin("c", narrow);
  std::vector<std::uint64_t> unique;
  for (std::uint64_t n = 1; n <= 3000; ++n) {
    const bool once = n % 400 == 7;
    s.append("c", n, n, 0, once ? qos::once : qos::at_least_once);
    if (once)
      unique.push_back(n);
    if (n % 7 == 0)
      s.log->commit(true);
  }
  s.log->commit(true);
  for (const bool without_index : {false, true}) {
    s.open_again(true, without_index);
    std::vector<std::uint64_t> window;
    for (const auto& m : s.begin("c", narrow).window) {
      window.push_back(m.offset);
      BOOST_TEST(m.what->id() == "m" + std::to_string(m.offset));
      BOOST_TEST(*m.what->from()->user == "u9");
    }
    BOOST_TEST(window == std::vector<std::uint64_t>(unique.end() - 5, unique.end()));
  }
}

BOOST_AUTO_TEST_CASE(of_an_inbox_only_what_it_may_give_is_read) {
  for (const bool without_index : {false, true}) {
    log_bench s;
    const auto box = inbox_name("bob");
    s.begin(box);
    for (std::uint64_t n = 1; n <= 640; ++n)
      s.store(box, n, n, n == 5 || n == 300 ? qos::once : qos::at_least_once, 1000);
    s.open_again(true, without_index);
    const auto check = [&](std::uint64_t from, channel_settings how, std::int64_t at_ms = now_ms + 640) {
      std::vector<std::uint64_t> found;
      for (const auto& m : s.log->open_channel(box, how, "-", at_ms * 1000).window)
        found.push_back(m.offset);
      auto expected = range(from, 640);
      for (const std::uint64_t unique : {300, 5})
        if (unique < from)
          expected.insert(expected.begin(), unique);
      BOOST_TEST(found == expected, boost::test_tools::per_element());
    };
    check(1, {});
    const auto one = s.message(640, qos::at_least_once, 1000).what->size();
    check(without_index ? 577 : 591, {.history_bytes = 50 * one - 1}); // whole runs
    check(577, {.dedupe_messages = 64});
    check(576, {.history_age = milliseconds{64}}); // the last that is too old tells why there is no more
    check(640, {.history_age = milliseconds{64}}, now_ms + 10'000);
    s.keep_position(box, channel_home::durable_key({}, inbox_durable), 400);
    check(401, {});
    s.keep_position(box, channel_home::durable_key({}, inbox_durable), 640);
    check(641, {});
    std::size_t looked_at = 0;
    BOOST_TEST(s.log->unacknowledged_inboxes([&](std::size_t all) { looked_at = all; }).empty());
    BOOST_TEST(looked_at == 1u);
  }
}

BOOST_AUTO_TEST_CASE(the_bounds_of_a_history_hold_over_restarts) {
  log_bench s;
  s.begin("c");
  for (std::uint64_t n = 1; n <= 640; ++n)
    s.store("c", n, n, qos::at_least_once, 100);
  for (const bool without_index : {false, true}) {
    s.open_again(true, without_index);
    const auto c = s.log->open_channel("c", {}, "-", (now_ms + 640) * 1000);
    BOOST_TEST_REQUIRE(c.marks.size() == (without_index ? 10u : 64u)); // runs of 64 messages, or of one
    BOOST_TEST(c.marks.back().last == 640u);
    BOOST_TEST(c.bytes_before == 0u);
    const auto one = s.message(1, qos::at_least_once, 100).what->size();
    for (std::size_t i = 0; i < c.marks.size(); ++i) {
      BOOST_TEST(c.marks[i].last == (without_index ? 64 : 10) * (i + 1));
      BOOST_TEST(c.marks[i].age_ms == static_cast<std::int64_t>(640 - c.marks[i].last));
      BOOST_TEST(c.marks[i].bytes >= c.marks[i].last * (one - 20));
      BOOST_TEST(c.marks[i].bytes <= c.marks[i].last * (one + 20));
    }
    channel_settings few;
    few.history_messages = 100;
    const auto bounded = s.log->open_channel("c", few, "-", now_ms * 1000);
    BOOST_TEST(bounded.first == 541u);
    BOOST_TEST(bounded.bytes_before >= 540 * (one - 20));
    BOOST_TEST(bounded.marks.front().age_ms == 0); // its clock went back
  }
}

BOOST_AUTO_TEST_CASE(an_index_of_another_format_is_made_again) {
  log_bench s;
  s.begin("c");
  s.store("c", 1, 9);
  s.log->close(now_ms * 1000);
  s.reader.reset();
  s.log.reset();
  {
    auto index = store::open_rocks_store((s.where.path() / "store").string(), {});
    BOOST_TEST_REQUIRE(index.ok());
    store::batch changes;
    changes.put(store::key(index_tag::format), "1");
    changes.put(channel_log::run_key("c", s.epoch["c"], 3), "something else");
    BOOST_TEST(!index.value()->apply(changes));
  }
  s.open();
  BOOST_TEST(s.begin("c").last == 9u);
  BOOST_TEST(s.read("c") == range(1, 9));
}

BOOST_AUTO_TEST_CASE(an_index_without_room_is_bounded_and_given_what_it_lacks_later) {
  log_bench s;
  s.how.index_lag_bytes = 1000;
  auto* const index = s.open_with_moody_index();
  s.begin("c");
  s.store("c", 1, 1);
  index->full = true;
  std::uint64_t stored = 1;
  for (; stored < 1000; ++stored) {
    s.append("c", stored + 1, stored + 1);
    if (s.commit_one().why)
      break;
  }
  BOOST_TEST(stored > 2u); // the log has them
  BOOST_TEST(stored < 30u);
  const auto records = s.log->writer().next();
  s.keep_position("c", "ann", 1);
  BOOST_TEST(s.log->writer().next() == records);
  BOOST_TEST(s.log->index_behind()->load());
  BOOST_TEST(s.log->open_channel("d", {}, "-", 0).why.has_value());
  index->full = false;
  s.log->catch_up_index();
  BOOST_TEST(!s.log->index_behind()->load());
  BOOST_TEST(s.read("c") == range(1, stored));
  s.append("c", stored + 1, stored + 1, 1);
  BOOST_TEST(s.commit_one().stored == stored + 1);
}

BOOST_AUTO_TEST_CASE(a_stop_that_is_not_written_says_why) {
  log_bench s;
  s.begin("c");
  s.store("c", 1, 3);
  s.ops.room = 0;
  const auto why = s.log->close(now_ms * 1000);
  BOOST_TEST_REQUIRE(why.has_value());
  BOOST_TEST((why->code == error_code::unavailable));
  s.ops.room = -1;
  s.open_again(false);
  BOOST_TEST(s.begin("c").last == 3u);
  BOOST_TEST(!s.log->close(now_ms * 1000).has_value());
}

BOOST_AUTO_TEST_CASE(an_index_that_takes_nothing_is_told_of_once) {
  log_bench s;
  auto* const index = s.open_with_moody_index();
  s.begin("c");
  index->full = true;
  s.store("c", 1, 1);
  still_stage still;
  metrics numbers;
  logger quiet{-1};
  authenticator identities{config{}.auth};
  local_node node{config{}, numbers, quiet, identities};
  node.mono_clock = node.wall_clock = still.clock();
  std::vector<std::string> events;
  node.on_event([&](const event& e) { events.push_back(e.kind + " " + e.detail); });
  checkpoint_signer checkpoints{node, s.log->writer(), s.where.path().string()};
  s.reader.reset();
  const auto keeper = spawn_pinned<journal>(still.system, nullptr, node, std::move(s.log), std::move(checkpoints));
  still.pass(2000);
  BOOST_TEST(events == std::vector<std::string>{"backpressure index_refused"}, boost::test_tools::per_element());
  index->full = false;
  still.pass(500);
  BOOST_TEST(events.size() == 1u);
  caf::anon_send_exit(keeper, caf::exit_reason::user_shutdown);
}

BOOST_AUTO_TEST_SUITE_END()
