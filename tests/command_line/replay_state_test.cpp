#undef BOOST_TEST_MODULE
#include "apps/troupe/replay_state.hpp"
#include "runtime/log/record.hpp"
#include "runtime/wire/parse.hpp"

#include <boost/test/unit_test.hpp>

using namespace troupe;
using log::record_kind;

namespace {

constexpr auto presence_updated = static_cast<record_kind>(35);
constexpr std::int64_t start_us = 1'767'225'600'000'000; // 2026-01-01T00:00:00Z

/// Takes made-up records, a second apart, as an audit log has them.
class recording {
public:
  recording& add(record_kind kind, log::record what = {}) {
    what.kind = kind;
    what.time_us = start_us + static_cast<std::int64_t>(next_) * 1'000'000;
    log::entry one;
    one.index = next_++;
    one.what = log::view_of(what);
    state.take("audit", one);
    return *this;
  }
  recording& joined(const char* room, const char* connection, const char* user, const char* presence = "") {
    return add(record_kind::room_joined,
               {.room = room, .user = user, .connection = connection, .payload = presence, .epoch = "e1", .seq = 0});
  }
  recording& skip_to(std::uint64_t index) {
    next_ = index;
    return *this;
  }

  cli::replay_state state;

private:
  std::uint64_t next_ = 0;
};

std::string json(const value& what) {
  std::string out;
  wire::write_json(out, what);
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(replay_state)

BOOST_AUTO_TEST_CASE(members_come_and_go) {
  recording log;
  log.joined("lobby", "c1", "ann", R"({"mood":"fine"})").joined("lobby", "c2", "bob").joined("game", "c1", "ann");
  const auto& lobby = log.state.rooms().at("lobby");
  BOOST_REQUIRE_EQUAL(lobby.members.size(), 2U);
  BOOST_TEST(lobby.members.at("c1").user == "ann");
  BOOST_TEST(json(*lobby.members.at("c1").state) == R"({"mood":"fine"})");
  BOOST_TEST(!lobby.members.at("c2").state); // the level of the room does not record it
  log.add(record_kind::room_left, {.room = "lobby", .connection = "c1", .epoch = "e1"});
  BOOST_TEST(!lobby.members.contains("c1"));
  BOOST_TEST(log.state.rooms().at("game").members.contains("c1"));
}

BOOST_AUTO_TEST_CASE(presence_is_that_of_the_last_update) {
  recording log;
  log.joined("lobby", "c1", "ann", "1");
  log.add(presence_updated, {.room = "lobby", .connection = "c1", .payload = "2", .epoch = "e1"});
  BOOST_TEST(json(*log.state.rooms().at("lobby").members.at("c1").state) == "2");
  log.add(presence_updated, {.room = "lobby", .connection = "gone", .payload = "3", .epoch = "e1"});
  BOOST_TEST(log.state.rooms().at("lobby").members.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_closed_connection_may_come_back_to_its_rooms) {
  recording log;
  log.add(record_kind::connection_opened, {.user = "ann", .connection = "c1"});
  log.joined("lobby", "c1", "ann");
  BOOST_TEST(log.state.connections().at("c1").user == "ann");
  log.add(record_kind::connection_closed, {.connection = "c1"});
  BOOST_TEST(log.state.connections().empty());
  BOOST_TEST(log.state.rooms().at("lobby").members.contains("c1"));
}

BOOST_AUTO_TEST_CASE(nobody_outlives_the_node) {
  for (const bool said_goodbye : {true, false}) {
    recording log;
    log.add(record_kind::node_started, {.detail = "1.0", .node = "n1"});
    BOOST_TEST(log.state.is_running());
    log.add(record_kind::connection_opened, {.connection = "c1"}).joined("lobby", "c1", "ann");
    if (said_goodbye) {
      log.add(record_kind::node_stopped);
      BOOST_TEST(!log.state.is_running());
    } else {
      log.add(record_kind::node_started, {.detail = "1.1", .node = "n1"}); // it was killed
    }
    BOOST_TEST(log.state.rooms().at("lobby").members.empty());
    BOOST_TEST(log.state.connections().empty());
  }
}

BOOST_AUTO_TEST_CASE(a_room_counts_anew_in_another_epoch) {
  recording log;
  for (std::uint64_t seq = 1; seq <= 3; ++seq)
    log.add(record_kind::message_published, {.room = "lobby", .epoch = "e1", .seq = seq});
  BOOST_TEST(log.state.rooms().at("lobby").seq == 3U);
  BOOST_TEST(log.state.rooms().at("lobby").messages == 3U);
  log.add(record_kind::message_published, {.room = "lobby", .epoch = "e2", .seq = 1});
  const auto& lobby = log.state.rooms().at("lobby");
  BOOST_TEST(lobby.epoch == "e2");
  BOOST_TEST(lobby.seq == 1U);
  BOOST_TEST(lobby.messages == 1U);
}

BOOST_AUTO_TEST_CASE(steps_are_counted_from_the_last_snapshot) {
  recording log;
  log.add(
      record_kind::room_activated,
      {.room = "game", .payload = R"({"snapshot":{"n":0},"seed":"7"})", .epoch = "e1", .code_version = "v1", .seq = 0});
  const auto& game = log.state.rooms().at("game");
  BOOST_TEST(json(game.base->state) == R"({"n":0})");
  BOOST_TEST(game.code_version == "v1");
  for (std::uint64_t seq = 1; seq <= 4; ++seq) {
    log.add(record_kind::room_step, {.room = "game", .epoch = "e1", .detail = "message"});
    log.add(record_kind::room_output,
            {.room = "game", .epoch = "e1", .state_hash = "h" + std::to_string(seq), .seq = seq});
  }
  BOOST_TEST(game.steps_since == 4U);
  BOOST_TEST(game.state_hash == "h4");
  BOOST_TEST(json(game.base->state) == R"({"n":0})"); // not what the steps made of it: the log does not say that
  log.add(record_kind::state_snapshot, {.room = "game", .payload = R"({"n":4})", .epoch = "e1", .seq = 4});
  BOOST_TEST(game.steps_since == 0U);
  BOOST_TEST(json(game.base->state) == R"({"n":4})");
  BOOST_TEST(game.base->seq == 4U);
  BOOST_TEST(game.base->index == 9U);
}

BOOST_AUTO_TEST_CASE(an_activation_that_recorded_no_snapshot_shows_none) {
  recording log;
  log.add(record_kind::room_activated, {.room = "game", .payload = R"({"snapshot":1})", .epoch = "e1"});
  log.add(record_kind::room_activated, {.room = "game", .epoch = "e2", .code_version = "v2"});
  BOOST_TEST(!log.state.rooms().at("game").base);
  const auto out = log.state.to_json_value({});
  BOOST_TEST(!out["rooms"]["game"]["logic"].contains("snapshot"));
  BOOST_TEST(log.state.text({}).find("no snapshot recorded") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_hash_of_any_bytes_can_be_shown) {
  recording log;
  log.add(record_kind::room_output, {.room = "game", .epoch = "e1", .state_hash = std::string("\x00\xFF", 2)});
  BOOST_TEST(log.state.rooms().at("game").state_hash == "AP8=");
}

BOOST_AUTO_TEST_CASE(channels_have_offsets_and_positions) {
  recording log;
  const auto publish = [&](const char* epoch, std::uint64_t offset) {
    log.add(record_kind::channel_published, {.channel = "news", .epoch = epoch, .offset = offset});
  };
  log.add(record_kind::channel_epoch, {.channel = "news", .epoch = "e1"});
  BOOST_TEST(!log.state.channels().at("news").first);
  for (std::uint64_t offset = 5; offset <= 9; ++offset)
    publish("e1", offset);
  log.add(record_kind::position_acked,
          {.channel = "news", .user = "ann", .epoch = "e1", .durable = "worker", .offset = 7});
  const auto& news = log.state.channels().at("news");
  BOOST_TEST(*news.first == 5U);
  BOOST_TEST(news.last == 9U);
  BOOST_TEST(news.messages == 5U);
  BOOST_TEST(news.durable.at("ann/worker") == 7U);
  publish("e2", 1);
  BOOST_TEST(*news.first == 1U);
  BOOST_TEST(news.messages == 1U);
}

BOOST_AUTO_TEST_CASE(a_scope_leaves_out_the_rest) {
  recording log;
  log.joined("lobby", "c1", "ann").joined("game:1", "c1", "ann");
  log.add(record_kind::channel_published, {.channel = "news", .epoch = "e1", .offset = 1});
  cli::replay_scope scope;
  scope.rooms.set("game:*", true);
  const auto out = log.state.to_json_value(scope);
  BOOST_TEST(out["rooms"].size() == 1U);
  BOOST_TEST(out["rooms"].contains("game:1"));
  BOOST_TEST(out["channels"].empty());
  BOOST_TEST(!out.contains("connections"));
  BOOST_TEST(log.state.text(scope).find("lobby") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_retention_dropped_is_admitted) {
  recording log;
  BOOST_TEST(log.state.text({}) == "nothing was recorded before this moment\n");
  log.skip_to(100).joined("lobby", "c1", "ann");
  BOOST_TEST(json(log.state.to_json_value({})["not_known_before"]) == R"({"audit":100})");
  BOOST_TEST(log.state.text({}).find("before record 100 of audit is not kept") != std::string::npos);
  BOOST_TEST(json(log.state.position()) == R"({"class":"audit","index":100,"time":"2026-01-01T00:01:40.000000Z"})");
}

BOOST_AUTO_TEST_CASE(what_clients_sent_cannot_move_a_terminal) {
  recording log;
  log.joined("lob\x1b[2Jby", "c1", "a\nnn", "\"\\u001b[31m\"");
  const auto text = log.state.text({});
  BOOST_TEST(text.find('\x1b') == std::string::npos);
  BOOST_TEST(text.find("a\nnn") == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
