// The turn-based game as its room runs it, without actors: every rule, and that a game is a function of its inputs.

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "tests/examples/turns_table.hpp"

#include <algorithm>
#include <functional>
#include <random>

using namespace std::chrono_literals;
using troupe::testing::turns_table;

namespace {

/// The number in a connection's name.
troupe::member_key key_of(const std::string& connection) { return std::stoull(connection.substr(1)); }

/// The free cell that comes first.
std::int64_t free_cell(const turns_table& at) {
  return static_cast<std::int64_t>(at.state()["board"].as_string().value().find('.'));
}

std::string text_of(const troupe::value& v) { return std::string{v.as_string().value_or("")}; }

} // namespace

BOOST_AUTO_TEST_SUITE(turns_rules)

BOOST_AUTO_TEST_CASE(two_play_and_the_third_watches) {
  turns_table table{1};
  table.join(1);
  BOOST_TEST(text_of(table.state()["phase"]) == "waiting");
  BOOST_TEST(table.answer_to(table.move(1, 0, 0)) == "conflict"); // no game is on
  table.join(2);
  BOOST_TEST(text_of(table.state()["phase"]) == "playing");
  table.join(3);
  BOOST_TEST(text_of(table.state()["players"][0]) == "c1");
  BOOST_TEST(text_of(table.state()["players"][1]) == "c2");
  BOOST_TEST((table.state()["watchers"].as_int() == 1));
  BOOST_TEST(table.answer_to(table.move(3, 0, table.turn())) == "forbidden");
}

BOOST_AUTO_TEST_CASE(refuses_what_is_against_the_rules) {
  turns_table table{2};
  table.join(1);
  table.join(2);
  const auto first = key_of(*table.next_player()), second = 3 - first;
  BOOST_TEST(table.answer_to(table.move(first, 9, table.turn())) == "bad_message");
  BOOST_TEST(table.answer_to(table.move(first, -1, table.turn())) == "bad_message");
  BOOST_TEST(table.answer_to(table.send(first, "game:move", {{"cell", "4"}, {"turn", 1}})) == "bad_message");
  BOOST_TEST(table.answer_to(table.send(first, "game:move")) == "bad_message");
  BOOST_TEST(table.answer_to(table.send(first, "game:move", {{"cell", 4}})) == "conflict"); // for no turn
  BOOST_TEST(table.answer_to(table.move(second, 4, table.turn())) == "conflict");
  BOOST_TEST(table.answer_to(table.send(first, "game:again")) == "conflict"); // it is still on
  BOOST_TEST(table.answer_to(table.move(first, 4, table.turn())) == "ack");
  BOOST_TEST(table.answer_to(table.move(second, 4, table.turn())) == "conflict"); // taken
  const auto board = text_of(table.state()["board"]);
  BOOST_TEST(std::count(board.begin(), board.end(), '.') == 8);
}

BOOST_AUTO_TEST_CASE(a_row_wins_and_the_watcher_moves_up_after_a_leave) {
  turns_table table{3};
  for (troupe::member_key who : {1, 2, 3})
    table.join(who);
  const auto first = key_of(*table.next_player()), second = 3 - first;
  for (const auto& [who, cell] : {std::pair{first, 0}, {second, 3}, {first, 1}, {second, 4}, {first, 2}})
    BOOST_TEST(table.answer_to(table.move(who, cell, table.turn())) == "ack");
  BOOST_TEST(text_of(table.state()["phase"]) == "over");
  BOOST_TEST(text_of(table.state()["winner"]) == (first == 1 ? "X" : "O"));
  BOOST_TEST(text_of(table.state()["by"]) == "line");
  BOOST_TEST(table.answer_to(table.move(second, 5, table.turn())) == "conflict");
  BOOST_TEST(table.answer_to(table.send(3, "game:again")) == "forbidden");

  table.leave(second);
  BOOST_TEST(text_of(table.state()["players"][second - 1]) == "c3");
  BOOST_TEST(table.answer_to(table.send(first, "game:again")) == "ack");
  BOOST_TEST(text_of(table.state()["phase"]) == "playing");
  BOOST_TEST(text_of(table.state()["board"]) == ".........");
}

BOOST_AUTO_TEST_CASE(who_thinks_too_long_or_leaves_has_lost) {
  turns_table table{4};
  table.join(1);
  table.join(2);
  const auto slow = text_of(table.state()["next"]);
  table.pass(29'999ms);
  BOOST_TEST(text_of(table.state()["phase"]) == "playing");
  BOOST_TEST(table.answer_to(table.move(key_of(*table.next_player()), 0, table.turn())) == "ack");
  table.pass(29'999ms); // the first player's timer is long over, this one's is not
  BOOST_TEST(text_of(table.state()["phase"]) == "playing");
  table.pass(1ms);
  BOOST_TEST(text_of(table.state()["winner"]) == slow);
  BOOST_TEST(text_of(table.state()["by"]) == "time");

  table.send(1, "game:again");
  table.leave(2);
  BOOST_TEST(text_of(table.state()["winner"]) == "X");
  BOOST_TEST(text_of(table.state()["by"]) == "left");
  table.leave(1);
  table.join(5);
  table.join(6);
  BOOST_TEST(text_of(table.state()["phase"]) == "playing");
}

BOOST_AUTO_TEST_CASE(a_player_with_two_tabs_has_one_seat) {
  turns_table table{5};
  table.join(1, "ann");
  table.join(2, "ann");
  BOOST_TEST(text_of(table.state()["phase"]) == "waiting");
  table.join(3, "bob");
  table.leave(1);
  BOOST_TEST(text_of(table.state()["phase"]) == "playing");
  const troupe::member_key mover = *table.next_player() == "ann" ? 2 : 3;
  BOOST_TEST(table.answer_to(table.move(mover, 0, table.turn())) == "ack");
}

BOOST_AUTO_TEST_CASE(of_two_moves_at_once_the_first_wins_whichever_it_is) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      std::string boards[2];
      for (const int order : {0, 1}) {
        turns_table table{seed};
        for (const auto& [who, user] : {std::pair{1, "ann"}, {2, "ann"}, {3, "bob"}, {4, "bob"}})
          table.join(static_cast<troupe::member_key>(who), user);
        const troupe::member_key tab = *table.next_player() == "ann" ? 1 : 3;
        const auto turn = table.turn();
        // Both tabs of one player, for one turn, on different cells.
        const std::pair<troupe::member_key, std::int64_t> moves[]{{tab, 2}, {tab + 1, 6}};
        const auto won = table.move(moves[order].first, moves[order].second, turn);
        const auto lost = table.move(moves[1 - order].first, moves[1 - order].second, turn);
        BOOST_TEST(table.answer_to(won) == "ack");
        BOOST_TEST(table.answer_to(lost) == "conflict");
        BOOST_TEST(table.turn() == turn + 1);
        boards[order] = text_of(table.state()["board"]);
        BOOST_TEST(boards[order].find_first_not_of('.') == (order == 0 ? 2u : 6u));
        BOOST_TEST(boards[order].find_last_not_of('.') == (order == 0 ? 2u : 6u));
      }
      BOOST_TEST(boards[0] != boards[1]);
    }
  }
}

/// One random input after the other, good and bad, with a look after each at what must always hold.
void play(turns_table& table, std::uint64_t seed, bool restarts) {
  std::mt19937_64 random{seed};
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  std::vector<troupe::member_key> present;
  for (int step = 0; step < 120; ++step) {
    const auto before = table.turn();
    const auto who = 1 + below(5);
    const bool is_member = std::find(present.begin(), present.end(), who) != present.end();
    const auto what = below(20);
    if (!is_member) {
      table.join(who, who <= 2 ? std::optional<std::string>{"ann"} : std::nullopt);
      present.push_back(who);
    } else if (what == 0) {
      table.leave(who);
      std::erase(present, who);
    } else if (what == 1) {
      table.pass(std::chrono::milliseconds{below(40'000)});
    } else if (what < 4) {
      table.send(who, "game:again");
    } else if (what == 4 && restarts) {
      table.restart();
    } else if (text_of(table.state()["phase"]) == "playing") {
      // Two members move for the same turn.
      const auto rival = present[below(present.size())];
      const int first = table.move(who, static_cast<std::int64_t>(below(9)), before);
      const int second = table.move(rival, free_cell(table), before);
      const int won = (table.answer_to(first) == "ack") + (table.answer_to(second) == "ack");
      BOOST_TEST(won <= 1);
      BOOST_TEST(table.turn() == before + static_cast<std::uint64_t>(won));
    }
    BOOST_TEST(table.turn() >= before);
    const auto board = text_of(table.state()["board"]);
    const auto x = std::count(board.begin(), board.end(), 'X'), o = std::count(board.begin(), board.end(), 'O');
    BOOST_TEST(std::abs(x - o) <= 1);
  }
}

BOOST_AUTO_TEST_CASE(the_same_inputs_in_the_same_order_say_the_same) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      turns_table once{seed}, twice{seed};
      play(once, seed, true);
      play(twice, seed, true);
      BOOST_TEST((once.said() == twice.said()));
      BOOST_TEST(once.said().size() > 50u);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_restart_from_its_snapshot_changes_nothing_but_the_timers) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      turns_table straight{seed}, restarted{seed};
      std::mt19937_64 random{seed};
      for (troupe::member_key who : {1, 2, 3})
        straight.join(who), restarted.join(who);
      for (int step = 0; step < 40; ++step) {
        const auto who = 1 + random() % 3;
        const auto cell = static_cast<std::int64_t>(random() % 9);
        const bool again = random() % 4 == 0;
        restarted.restart();
        for (auto* table : {&straight, &restarted}) {
          table->move(who, cell, table->turn());
          if (again)
            table->send(who, "game:again");
        }
      }
      BOOST_TEST((straight.said() == restarted.said()));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_move_timer_runs_again_after_a_restart) {
  turns_table table{7};
  table.join(1);
  table.join(2);
  table.restart();
  table.pass(30'000ms);
  BOOST_TEST(text_of(table.state()["by"]) == "time");
}

BOOST_AUTO_TEST_CASE(who_came_or_left_since_the_last_snapshot_is_not_forgotten) {
  turns_table table{9};
  table.join(1);
  table.join(2);
  table.restart(false); // there is no snapshot yet
  BOOST_TEST(text_of(table.state()["phase"]) == "playing");
  BOOST_TEST(table.answer_to(table.move(key_of(*table.next_player()), 0, table.turn())) == "ack");
  table.join(3);
  table.restart();
  table.leave(3);
  table.join(4);
  BOOST_TEST((table.state()["watchers"].as_int() == 1));
  table.restart(false);
  table.leave(1);
  BOOST_TEST(text_of(table.state()["players"][0]) == "c4");
}

BOOST_AUTO_TEST_CASE(what_is_no_move_is_passed_on) {
  turns_table table{8};
  table.join(1);
  table.join(2);
  table.send(1, "chat:message", "good luck");
  BOOST_TEST(std::any_of(table.said().begin(), table.said().end(), [](const std::string& line) {
    return line.find("good luck") != line.npos && line.starts_with(R"({"type":"chat:message")");
  }));
}

BOOST_AUTO_TEST_SUITE_END()
