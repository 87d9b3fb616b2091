#include "tests/model/inbox_stage.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::testing;

namespace {

using lines = std::vector<std::string>;
using boost::test_tools::per_element;

} // namespace

BOOST_AUTO_TEST_SUITE(inbox_suite)

BOOST_AUTO_TEST_CASE(what_waited_comes_in_order_and_then_its_end_is_told) {
  inbox_stage s;
  s.take("a");
  s.take("b", reliable);
  s.take("c");
  s.store();
  s.box.attach(1);
  check(s.read(1), {"a", "b at 1", "c", "flushed 3 0"});
  s.take("d");
  check(s.read(1), {"d"});
  s.box.acknowledge(1, s.mono);
  BOOST_TEST(s.box.empty());
  s.box.detach(1);
  s.box.attach(1);
  check(s.read(1), {});
}

BOOST_AUTO_TEST_CASE(nobody_is_given_what_the_log_does_not_have) {
  inbox_stage s;
  s.box.attach(1);
  s.take("a", reliable);
  s.take("b");
  check(s.read(1), {});
  BOOST_TEST(!s.box.caught_up());
  BOOST_TEST(s.store() == std::vector<inbox::asker>{1}, per_element());
  check(s.read(1), {"a at 1", "b"});
  BOOST_TEST(s.box.caught_up());
}

BOOST_AUTO_TEST_CASE(what_was_not_stored_is_refused_and_its_offset_given_again) {
  inbox_stage s;
  s.take("a", once);
  s.take("b", once);
  BOOST_TEST(s.box.not_stored() == (std::vector<inbox::asker>{1, 2}), per_element());
  BOOST_TEST((s.take("b", once) == inbox::verdict::taken));
  s.store();
  s.box.attach(1);
  check(s.read(1), {"b at 1", "flushed 1 0"});
}

BOOST_AUTO_TEST_CASE(of_more_than_the_limit_the_oldest_go_and_a_gap_stands_in_their_place) {
  inbox_stage s{{.messages_max = 3}};
  for (const auto* id : {"a", "b", "c", "d", "e"}) {
    s.take(id, reliable);
    s.store();
  }
  BOOST_TEST(s.box.messages() == 3u);
  s.box.attach(1);
  check(s.read(1), {"gap offline_limit 2 of 1-2", "c at 3", "d at 4", "e at 5", "flushed 3 2"});
  BOOST_TEST(s.box.take_drops()[0] == 2u);
  BOOST_TEST(s.box.take_position().value_or(0) == 2u);
}

BOOST_AUTO_TEST_CASE(bytes_are_bounded_as_well) {
  inbox_stage s;
  const auto size = s.message("a")->size();
  s.box = inbox{{.bytes_max = 3 * size}};
  for (const auto* id : {"a", "b", "c", "d"})
    s.take(id);
  BOOST_TEST(s.box.messages() == 3u);
}

BOOST_AUTO_TEST_CASE(time_to_live_is_that_of_the_inbox_or_a_shorter_one_of_the_message) {
  inbox_stage s{{.ttl_ms = 100}};
  s.take("short", {.ttl_ms = 10});
  s.take("long", {.ttl_ms = 1000});
  s.take("plain", reliable);
  s.store();
  BOOST_TEST(s.box.next_time(s.wall, s.mono).value_or(0) == 10);
  s.pass(10);
  s.take("late");
  s.pass(90);
  s.box.attach(1);
  check(s.read(1), {"gap offline_ttl 3 of 1-1", "late", "flushed 1 3"});
  BOOST_TEST(s.box.take_drops()[1] == 3u);
}

BOOST_AUTO_TEST_CASE(a_reader_is_given_again_what_it_did_not_acknowledge_in_time) {
  inbox_stage s{{.redeliver_after_ms = 50}};
  s.box.attach(1);
  s.take("a", reliable);
  s.take("x");
  s.take("b", reliable);
  s.store();
  check(s.read(1), {"a at 1", "x", "b at 2"});
  s.pass(49);
  check(s.read(1), {});
  s.box.acknowledge(1, s.mono);
  s.pass(49);
  check(s.read(1), {});
  s.pass(1);
  check(s.read(1), {"b at 2"});
  s.box.acknowledge(99, s.mono);
  s.pass(1000);
  check(s.read(1), {});
  BOOST_TEST(s.box.empty());
}

BOOST_AUTO_TEST_CASE(who_is_slow_is_not_given_again_what_is_still_under_way) {
  inbox_stage s{{.redeliver_after_ms = 50}};
  s.box.attach(1);
  s.take("a", reliable);
  s.store();
  const auto piece = s.box.next_piece(1, s.wall, s.mono);
  BOOST_TEST(piece.has_value());
  s.pass(50);
  s.box.drained(1, piece->ticket);
  check(s.read(1), {});
  s.pass(50);
  check(s.read(1), {"a at 1"});
}

BOOST_AUTO_TEST_CASE(one_connection_acknowledges_for_the_user_and_nobody_for_what_was_not_given) {
  inbox_stage s;
  s.take("a", reliable);
  s.store();
  s.box.acknowledge(1, s.mono); // nobody has it
  BOOST_TEST(s.box.messages() == 1u);
  s.box.attach(1);
  s.box.attach(2);
  check(s.read(1), {"a at 1", "flushed 1 0"});
  s.box.acknowledge(1, s.mono);
  check(s.read(2), {"flushed 0 0"});
  BOOST_TEST(s.box.take_position().value_or(0) == 1u);
  BOOST_TEST(!s.box.take_position());
}

BOOST_AUTO_TEST_CASE(another_connection_is_given_what_is_not_acknowledged_but_not_the_rest) {
  inbox_stage s;
  s.box.attach(1);
  s.take("x");
  s.take("a", reliable);
  s.store();
  s.read(1);
  s.box.attach(2);
  check(s.read(2), {"a at 1"});
}

BOOST_AUTO_TEST_CASE(what_is_not_to_be_queued_goes_with_the_last_who_was_there) {
  inbox_stage s;
  s.box.attach(1);
  s.take("a", {.offline = offline_policy::drop});
  s.take("b");
  s.box.detach(1);
  s.box.attach(1);
  check(s.read(1), {"b", "flushed 1 0"});
}

BOOST_AUTO_TEST_CASE(the_sender_is_left_out) {
  inbox_stage s;
  s.box.attach(1);
  s.box.attach(2);
  s.take("a", {}, 1);
  check(s.read(1), {});
  check(s.read(2), {"a"});
  BOOST_TEST(s.box.empty());
}

BOOST_AUTO_TEST_CASE(a_resend_is_known_and_waits_for_its_original) {
  inbox_stage s;
  BOOST_TEST((s.take("a", once) == inbox::verdict::taken));
  BOOST_TEST((s.take("a", once) == inbox::verdict::waiting));
  BOOST_TEST(s.store() == (std::vector<inbox::asker>{1, 2}), per_element());
  BOOST_TEST((s.take("a", once) == inbox::verdict::repeated));
  message_fields f;
  f.type = "say";
  f.id = "a";
  f.payload = "other";
  f.qos = qos::once;
  BOOST_TEST((s.box.take(message::make(f, s.from, s.wall), 0, 9, s.wall) == inbox::verdict::conflict));
  s.box.attach(1);
  check(s.read(1), {"a at 1", "flushed 1 0"});
}

BOOST_AUTO_TEST_CASE(nothing_makes_way_for_what_comes_while_all_is_on_its_way_to_the_log) {
  inbox_stage s{{.messages_max = 2}};
  s.take("a", reliable);
  s.take("b", reliable);
  BOOST_TEST((s.take("c", reliable) == inbox::verdict::full));
  s.store();
  BOOST_TEST((s.take("c", reliable) == inbox::verdict::taken));
}

BOOST_AUTO_TEST_CASE(what_the_log_has_is_restored_within_the_bounds) {
  inbox_stage s{{.messages_max = 2, .ttl_ms = 100}};
  std::vector<stored_message> newest;
  for (std::uint64_t offset = 4; offset <= 8; ++offset) {
    s.wall += 40;
    newest.push_back({offset, s.message("m" + std::to_string(offset), once)});
  }
  s.box.restore({1, 8, 2, newest}, s.wall);
  BOOST_TEST((s.take("m7", once) == inbox::verdict::repeated));
  BOOST_TEST((s.take("m4", once) == inbox::verdict::repeated));
  s.box.attach(1);
  check(s.read(1), {"gap offline_ttl 4 of 3-6", "m7 at 7", "m8 at 8", "flushed 2 4"});
  s.take("next", reliable);
  s.store();
  check(s.read(1), {"next at 9"});
}

BOOST_AUTO_TEST_CASE(what_was_lost_with_an_earlier_order_is_a_gap_without_offsets) {
  inbox_stage s;
  s.box.restore({1, 0, 0, {}, {}, 3}, s.wall);
  BOOST_TEST(s.box.take_drops()[static_cast<std::size_t>(inbox_drop::damaged)] == 3u);
  s.take("m1", reliable);
  s.store();
  s.box.attach(1);
  check(s.read(1), {"gap damaged 3", "m1 at 1", "flushed 1 3"});
}

BOOST_AUTO_TEST_CASE(a_long_queue_comes_in_pieces) {
  inbox_stage s;
  for (int i = 0; i < 600; ++i)
    s.take(std::to_string(i));
  s.box.attach(1);
  const auto first = s.box.next_piece(1, s.wall, s.mono);
  BOOST_TEST(first->items.size() == 256u);
  BOOST_TEST(!first->flushed.has_value());
  BOOST_TEST(!s.box.next_piece(1, s.wall, s.mono).has_value());
  s.box.drained(1, first->ticket + 1);
  BOOST_TEST(!s.box.next_piece(1, s.wall, s.mono).has_value());
  s.box.drained(1, first->ticket);
  BOOST_TEST(s.read(1).size() == 600u - 256 + 1);
}

namespace {

/// Anything in any order, against what a person would note beside it: messages, and what is known of each.
struct reference {
  struct known {
    std::uint64_t offset = 0; ///< 0: qos 0.
    bool given = false;
    bool acknowledged = false;
    wall_ms expires = 0;
  };

  explicit reference(dice& d)
      : random(d)
      , bounds{1 + d.below(20), std::size_t{1} << 20, 50 + static_cast<std::int64_t>(d.below(200)),
               20 + static_cast<std::int64_t>(d.below(100))}
      , s(bounds) {}

  void send() {
    const say how{random.once_in(2) ? qos::at_least_once : qos::at_most_once, offline_policy::queue,
                  random.once_in(5) ? 1 + static_cast<std::int64_t>(random.below(60)) : 0};
    const int number = ++count;
    if (s.take(std::to_string(number), how) != inbox::verdict::taken)
      return;
    auto& m = all[number];
    m.expires = s.wall + (how.ttl_ms > 0 ? std::min(how.ttl_ms, bounds.ttl_ms) : bounds.ttl_ms);
    if (how.qos != qos::at_most_once)
      m.offset = s.box.given_out();
  }
  void log() {
    if (!random.once_in(5)) {
      s.store();
      return;
    }
    const auto appends = s.box.take_appends();
    s.box.not_stored();
    for (const auto& m : appends)
      all.erase(std::stoi(std::string{m.what->id()}));
  }
  void come_or_go(inbox::reader_key who) {
    s.box.has_reader(who) ? s.box.detach(who) : s.box.attach(who);
    had[who].clear();
    newest[who] = 0;
  }
  void acknowledge() {
    const auto upto = random.below(s.box.given_out() + 2);
    for (auto& [number, m] : all)
      if (m.offset != 0 && m.given && m.offset <= std::min(upto, highest_given))
        m.acknowledged = true;
    s.box.acknowledge(upto, s.mono);
  }
  void read(inbox::reader_key who, bool always_drains = false) {
    const auto piece = s.box.next_piece(who, s.wall, s.mono);
    if (!piece)
      return;
    for (const auto& i : piece->items)
      if (i.what != nullptr)
        take_in(who, i);
    if (always_drains || !random.once_in(4))
      s.box.drained(who, piece->ticket);
  }
  /// Everything new comes in order, nothing comes that is acknowledged or too old, and of qos 0 nothing twice.
  void take_in(inbox::reader_key who, const inbox::item& i) {
    const int number = std::stoi(std::string{i.what->id()});
    auto& m = all.at(number);
    BOOST_TEST(!m.acknowledged);
    BOOST_TEST(m.expires > s.wall);
    BOOST_TEST(i.offset == m.offset);
    const bool again = !had[who].insert(number).second;
    BOOST_TEST((m.offset != 0 || !again));
    BOOST_TEST((again || newest[who] < number));
    newest[who] = std::max(newest[who], number);
    m.given = true;
    highest_given = std::max(highest_given, i.offset);
  }
  void step() {
    const auto who = static_cast<inbox::reader_key>(1 + random.below(3));
    switch (random.below(8)) {
    case 0:
    case 1:
    case 2:
      return send();
    case 3:
      return log();
    case 4:
      return come_or_go(who);
    case 5:
      return acknowledge();
    case 6:
      return s.pass(static_cast<std::int64_t>(random.below(40)));
    default:
      if (s.box.has_reader(who))
        read(who);
    }
  }
  /// One reader hears of all that is left, then time does the rest: whatever nobody was given has been counted.
  void end() {
    s.store();
    for (inbox::reader_key who = 1; who <= 3; ++who)
      s.box.detach(who);
    s.box.attach(4);
    for (std::size_t i = 0; i <= bounds.messages_max; ++i)
      read(4, true);
    for (int i = 0; i < 10; ++i)
      s.pass(bounds.ttl_ms);
    const auto lost = std::count_if(all.begin(), all.end(), [](const auto& m) { return !m.second.given; });
    const auto drops = s.box.take_drops();
    BOOST_TEST(drops[0] + drops[1] == static_cast<std::size_t>(lost));
    read(4, true);
    BOOST_TEST(s.box.empty());
  }

  dice& random;
  inbox_limits bounds;
  inbox_stage s;
  std::map<int, known> all; ///< By number, which is the id.
  std::map<inbox::reader_key, int> newest;
  std::map<inbox::reader_key, std::set<int>> had;
  int count = 0;
  std::uint64_t highest_given = 0;
};

} // namespace

BOOST_AUTO_TEST_CASE(generated_against_a_reference) {
  for_seeds(300, [](dice& random) {
    reference r{random};
    for (int step = 0; step < 300; ++step) {
      r.step();
      BOOST_TEST(r.s.box.messages() <= r.bounds.messages_max);
    }
    r.end();
  });
}

BOOST_AUTO_TEST_CASE(what_is_about_somebody_forgotten_is_a_gap) {
  const say confidential{qos::at_least_once, offline_policy::queue, 0, "eve"};
  inbox_stage s;
  s.take("a", confidential);
  s.take("b", reliable);
  s.take("c", confidential);
  s.take("d", {qos::at_most_once, offline_policy::queue, 0, "eve"});
  s.store();
  s.take("e", confidential); // on its way to the log, under another key
  s.box.forget("eve", s.wall);
  s.store();
  s.box.attach(1);
  check(s.read(1), {"gap forgotten 1 of 1-1", "b at 2", "gap forgotten 2 of 3-3", "e at 4", "flushed 2 3"});

  inbox_stage again;
  again.box.restore({1, 4, 0, {{1, nullptr}, {2, again.message("b", reliable)}, {3, nullptr}, {4, nullptr}}},
                    again.wall);
  again.box.attach(1);
  check(again.read(1), {"gap forgotten 1 of 1-1", "b at 2", "gap forgotten 2 of 3-4", "flushed 1 3"});
}

BOOST_AUTO_TEST_SUITE_END()
