// What a channel refuses, and what it knows of the time before it was started.

#include "tests/actors/channel_bench.hpp"

using namespace troupe;
using namespace troupe::testing;

namespace {

/// Whether one of what was heard begins so.
bool heard_some(const lines& heard, const std::string& begin) {
  return std::any_of(heard.begin(), heard.end(), [&](const std::string& line) { return line.starts_with(begin); });
}

} // namespace

BOOST_AUTO_TEST_SUITE(channel_home_bounds)

BOOST_AUTO_TEST_CASE(durable_subscriptions_are_bounded) {
  channel_settings settings;
  settings.durables = 4;
  settings.durables_per_user = 2;
  channel_bench s{settings};
  s.join_durable(1, "ann", "a");
  s.join_durable(2, "ann", "b");
  s.join_durable(3, "ann", "c");
  BOOST_TEST(heard_some(s.heard(3), "error j rate_limited"));
  s.join_durable(4, "annabel", "a"); // another user, whose name begins the same
  s.join_durable(5, "bob", "a");
  BOOST_TEST(heard_some(s.heard(5), "ack j"));
  s.join_durable(6, "cy", "a");
  BOOST_TEST(heard_some(s.heard(6), "error j unavailable"));
  BOOST_TEST(s.home.take_pressure() == (std::vector<std::string_view>{"durables_per_user_limit", "durables_limit"}));
  s.home.vanish(1);
  s.join_durable(7, "ann", "a"); // one that is known goes on
  BOOST_TEST(heard_some(s.heard(7), "ack j"));
}

BOOST_AUTO_TEST_CASE(histories_under_way_are_bounded) {
  channel_settings settings;
  settings.histories = 2;
  channel_bench s{settings, 1, 5};
  s.join(1);
  s.heard(1);
  for (int i = 0; i < 3; ++i)
    s.ask_history(10);
  BOOST_TEST(heard_some(s.heard(1), "error h rate_limited"));
  BOOST_TEST(s.home.take_pressure() == std::vector<std::string_view>{"histories_limit"});
  s.read();
  s.heard(1);
  s.ask_history(10);
  BOOST_TEST(!heard_some(s.heard(1), "error"));
}

BOOST_AUTO_TEST_CASE(a_message_that_no_record_can_hold_takes_no_offset) {
  channel_bench s;
  s.join(9);
  s.heard(9);
  s.say(std::string(channel_home::message_bytes_max, '1'), {}, "large");
  BOOST_TEST(heard_some(s.heard(9), "error large too_large"));
  s.say("1", {}, "small");
  s.store();
  check(s.heard(9), {"say 1 1", "ack small at e:1"});
}

BOOST_AUTO_TEST_CASE(a_position_of_an_earlier_epoch_begins_anew) {
  channel_bench s{{}, 1, 3};
  channel_home::setup setup{.id = 7, .name = "c", .epoch = "e", .first = 1, .last = 3};
  setup.outdated.insert(channel_home::durable_key("ann", "d"));
  s.home = channel_home{std::move(setup)};
  s.join_durable(1, "ann");
  s.read();
  const auto heard = s.heard(1);
  BOOST_TEST(heard.front() == "ack j at e:0 lost");
  check({heard.begin() + 1, heard.end()}, says(1, 3));
  const auto moved = s.home.take_positions();
  BOOST_TEST_REQUIRE(moved.size() == 1u);
  BOOST_TEST(moved.front().offset.value() == 0u);
  s.home.vanish(1);
  s.join_durable(2, "ann");
  BOOST_TEST(s.heard(2).front() == "ack j at e:0 recovered");
}

BOOST_AUTO_TEST_CASE(who_waits_for_the_log_can_be_answered_by_another) {
  channel_bench s;
  auto op = say_op(9, "a", "1");
  op.loop = 3;
  s.home.publish(op, s.now);
  s.say("2", {}, {});
  s.say("3", {}, "b");
  const auto waiting = s.home.take_waiting();
  BOOST_TEST_REQUIRE(waiting.size() == 2u);
  BOOST_TEST(waiting[0].id == "a");
  BOOST_TEST(waiting[0].loop == 3u);
  BOOST_TEST(waiting[0].answer);
  BOOST_TEST(waiting[1].id == "b");
  BOOST_TEST(s.home.take_waiting().empty());
}

BOOST_AUTO_TEST_CASE(bytes_and_age_count_from_before_the_start) {
  channel_settings settings;
  settings.history_bytes = 500;
  settings.history_age = milliseconds{1000};
  channel_home::setup setup{.id = 7, .name = "c", .epoch = "e", .first = 1, .last = 40, .settings = settings};
  for (std::uint64_t i = 1; i <= 4; ++i)
    setup.marks.push_back({10 * i, 200 * i, static_cast<std::int64_t>(100 * (4 - i))});
  setup.now = 5000;
  channel_home home{std::move(setup)};
  BOOST_TEST(home.first() == 11u); // of 800 bytes; a stretch stays while a part of it is within the bound
  home.pass_time(5901);
  BOOST_TEST(home.first() == 31u);
  home.pass_time(6001);
  BOOST_TEST(home.first() == 41u);
}

BOOST_AUTO_TEST_CASE(a_subscriber_that_retention_overtakes_is_told_so) {
  channel_bench s{with(256, 2), 1, 100};
  s.join_earliest(1);
  s.heard(1);
  s.home.dropped_before(51, s.now); // while its piece is read
  for (std::uint64_t offset = 1; offset <= 50; ++offset)
    s.disk.erase(offset);
  check(s.heard_over_time(1), lines{"gap retention 1-50"} + says(51, 100));
  s.join_earliest(2);
  s.heard(2);
  const auto reads = s.home.take_reads();
  BOOST_TEST_REQUIRE(reads.size() == 1u);
  s.home.dropped_before(91, s.now);
  for (std::uint64_t offset = 51; offset <= 90; ++offset)
    s.disk.erase(offset);
  s.home.read_done(reads.front().ticket, {}, nullptr, s.now); // the reader met nothing that was kept
  check(s.heard_over_time(2), lines{"gap retention 51-90"} + says(91, 100));
}

BOOST_AUTO_TEST_SUITE_END()
