#include "runtime/model/mesh/mesh_node.hpp"

#include "tests/mesh/recorder.hpp"
#include "tests/model/seeded.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::mesh;

namespace {

using notes = std::vector<std::string>;

cargo bytes(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

/// Node `b` of two, and node `a`, which issues the views, as the test plays it.
struct stage {
  explicit stage(const mesh_limits& limits = {})
      : node{me, timing, limits, out, 1'000} {
    node.link_up(peer, now);
    for (int i = 0; here.empty() || there.empty(); ++i) {
      const auto room = "room" + std::to_string(i);
      (both(1).home_of(room)->name == "b" ? here : there) = room;
    }
    wait(1'000);
    out.take();
    out.posted.clear();
  }
  view both(std::uint64_t number) const { return {{number, peer}, {peer, me}, {"a", "b"}}; }
  view hosted_by(std::uint64_t number, const std::string& host) const { return {{number, peer}, {peer, me}, {host}}; }
  void beat() { node.receive(peer, heartbeat{{{peer, ++beats, 0, false, {me}}}, latest}, now); }
  /// The peer tells of the view, and agrees to it where it should.
  void install(const view& v, bool agree = true) {
    latest = v;
    beat();
    if (agree)
      node.receive(peer, agreed{v.id, std::exchange(before, v.id)}, now);
  }
  void settle(const view& v) { node.receive(peer, settled{v.id}, now); }
  void wait(mono_ms ms) {
    for (const auto end = now + ms; now < end; now += 100) {
      beat();
      node.tick(now);
    }
  }
  void publish_from_peer(const std::string& room, const view_id& by, const std::string& what) {
    node.receive(peer, publish{room, by, ++ids, bytes(what)}, now);
  }
  /// The room here begins in view 1 and has taken a message.
  void open_room_with(const std::string& what) {
    install(both(1));
    settle(both(1));
    publish_from_peer(here, {1, peer}, what);
    out.take();
  }

  mesh_timing timing;
  node_life peer{"a", 1}, me{"b", 1};
  mono_ms now = 1'000;
  recorder out;
  mesh_node node;
  view latest;
  view_id before;
  std::uint64_t beats = 0, ids = 0;
  std::string here, there; ///< Rooms with their homes at the node, and at its peer.
};

} // namespace

BOOST_AUTO_TEST_SUITE(room_suite)

BOOST_AUTO_TEST_CASE(a_room_without_a_hand_over_waits_until_all_have_settled) {
  stage s;
  s.install(s.both(1));
  s.publish_from_peer(s.here, {1, s.peer}, "m1");
  BOOST_TEST((s.out.take() == notes{"ready"}));
  s.settle(s.both(1));
  BOOST_TEST((s.out.take() == notes{"open " + s.here, "number m1 in " + s.here}));
}

BOOST_AUTO_TEST_CASE(or_until_it_has_waited_for_long_enough_and_begins_from_a_snapshot) {
  stage s;
  s.install(s.both(1));
  s.node.receive(s.peer, snapshot{s.here, {{{1, s.peer}, 1}, 7, "older"}}, s.now);
  s.node.receive(s.peer, snapshot{s.here, {{{1, s.peer}, 1}, 9, "latest"}}, s.now);
  s.node.receive(s.peer, snapshot{s.here, {{{1, s.peer}, 1}, 8, "late"}}, s.now);
  s.publish_from_peer(s.here, {1, s.peer}, "m1");
  s.out.take();
  s.wait(s.timing.hand_over_ms);
  BOOST_TEST(s.out.take().empty());
  s.wait(200);
  BOOST_TEST((s.out.take() == notes{"open " + s.here + " from snapshot latest", "number m1 in " + s.here}));
}

BOOST_AUTO_TEST_CASE(a_hand_over_opens_at_once_and_a_second_one_does_not_count) {
  stage s;
  s.node.receive(s.peer, hand_over{s.here, {1, s.peer}, {{{0, s.peer}, 1}, 4, "a's"}}, s.now);
  BOOST_TEST(s.out.take().empty()); // its view is to come
  s.install(s.both(1));
  BOOST_TEST((s.out.take() == notes{"ready", "open " + s.here + " from a's", "want snapshot of " + s.here}));
  s.node.receive(s.peer, hand_over{s.here, {1, s.peer}, {{{0, s.peer}, 2}, 4, "another"}}, s.now);
  BOOST_TEST(s.out.take().empty());
  BOOST_TEST(s.node.homes().tokens_dropped() == 1u);
}

BOOST_AUTO_TEST_CASE(a_room_that_moves_takes_what_was_sent_before_and_is_sealed_then) {
  stage s;
  s.open_room_with("m1");
  s.install(s.hosted_by(2, "a"), false);
  s.publish_from_peer(s.here, {1, s.peer}, "m2");
  BOOST_TEST((s.out.take() == notes{"number m2 in " + s.here}));
  s.install(s.hosted_by(2, "a"));
  BOOST_TEST((s.out.take() == notes{"ready", "seal " + s.here}));
  s.publish_from_peer(s.here, {1, s.peer}, "m3");
  BOOST_TEST(s.out.take().empty());
  s.out.posted.clear();
  s.node.sealed(s.here, {{{1, s.peer}, 1}, 2, "all of it"}, s.now);
  BOOST_TEST_REQUIRE(s.out.posted.size() == 2u);
  BOOST_TEST(std::get<hand_over>(s.out.posted[0].second).state.bytes == "all of it");
  BOOST_TEST((std::get<settled>(s.out.posted[1].second).id == view_id{2, s.peer}));
}

BOOST_AUTO_TEST_CASE(a_room_is_sealed_in_time_even_if_not_all_agree_and_goes_on_if_it_does_not_move_after_all) {
  stage s;
  s.open_room_with("m1");
  s.install(s.hosted_by(2, "a"), false);
  s.wait(s.timing.flush_ms + 100);
  BOOST_TEST((s.out.take() == notes{"seal " + s.here}));
  s.node.sealed(s.here, {{{1, s.peer}, 1}, 1, "all of it"}, s.now);
  s.publish_from_peer(s.here, {1, s.peer}, "m2");
  BOOST_TEST(s.out.take().empty());
  s.install(s.hosted_by(3, "b"));
  BOOST_TEST((s.out.take() == notes{"ready", "open " + s.here + " from all of it"}));
}

BOOST_AUTO_TEST_CASE(a_home_begins_a_new_epoch_for_a_fan_out_that_comes_from_a_later_one) {
  stage s;
  s.install(s.both(5));
  s.settle(s.both(5));
  s.node.receive(s.peer, attach{s.here, {5, s.peer}, 1, place_in_room{{{5, s.me}, 1}, 3}}, s.now);
  s.out.take();
  s.node.receive(s.peer, attach{s.here, {5, s.peer}, 2, place_in_room{{{5, s.peer}, 99}, 3}}, s.now);
  BOOST_TEST((s.out.take() == notes{"renew " + s.here, "admit a to " + s.here}));
}

BOOST_AUTO_TEST_CASE(a_publishers_messages_wait_for_a_room_that_moves_and_keep_their_order) {
  stage s;
  s.install(s.both(1));
  s.out.posted.clear();
  s.node.publish(s.there, 1, bytes("m1"), s.now);
  s.install(s.hosted_by(2, "b"), false);
  s.node.publish(s.there, 2, bytes("m2"), s.now);
  s.node.publish(s.there, 3, bytes("m3"), s.now);
  std::vector<std::string> order;
  for (const auto& [to, what] : s.out.posted) {
    if (const auto* p = std::get_if<publish>(&what))
      order.push_back(*p->what);
    else if (std::holds_alternative<agreed>(what))
      order.emplace_back("agreed");
  }
  BOOST_TEST((order == notes{"m1", "agreed"}));
  s.out.take();
  s.install(s.hosted_by(2, "b"));
  s.settle(s.hosted_by(2, "b"));
  BOOST_TEST((s.out.take() == notes{"ready", "open " + s.there, "number m2 in " + s.there, "number m3 in " + s.there}));
}

BOOST_AUTO_TEST_CASE(what_waits_is_bounded_in_number_and_time) {
  mesh_limits limits;
  limits.held_messages_max = 2;
  stage s{limits};
  s.install(s.both(1));
  s.install(s.hosted_by(2, "b"), false);
  s.out.take();
  for (std::uint64_t id = 1; id <= 3; ++id)
    s.node.publish(s.there, id, bytes("m"), s.now);
  BOOST_TEST((s.out.take() == notes{"refuse 3 in " + s.there}));
  s.wait(s.timing.hold_ms);
  BOOST_TEST(s.out.take().empty());
  s.wait(200);
  BOOST_TEST((s.out.take() == notes{"refuse 1 in " + s.there, "refuse 2 in " + s.there}));
}

BOOST_AUTO_TEST_CASE(early_requests_are_bounded_and_a_full_queue_refuses) {
  mesh_limits limits;
  limits.early_requests_max = 2;
  stage s{limits};
  s.out.posted.clear();
  for (int i = 0; i < 3; ++i)
    s.publish_from_peer(s.here, {1, s.peer}, "m");
  const auto said = s.out.take_posted<refused>();
  BOOST_TEST_REQUIRE(said.size() == 1u);
  BOOST_TEST(said[0].second.id == 3u);
}

BOOST_AUTO_TEST_CASE(a_process_that_was_stopped_gives_up_its_view_before_it_takes_anything) {
  stage s;
  s.open_room_with("m1");
  s.now += s.timing.lost_ms + 1;
  s.publish_from_peer(s.here, {1, s.peer}, "m2");
  BOOST_TEST((s.out.take() == notes{"drop " + s.here, "not ready"}));
  BOOST_TEST(!s.node.ready());
  s.node.publish(s.here, 7, bytes("m3"), s.now);
  BOOST_TEST((s.out.take() == notes{"refuse 7 in " + s.here}));
}

BOOST_AUTO_TEST_CASE(a_fan_out_listens_to_its_home_only_and_only_upwards) {
  stage s;
  const epoch_id first{{1, s.peer}, 1}, next{{1, s.peer}, 2};
  s.node.follow(s.there, s.now);
  s.install(s.both(1));
  const auto asked = s.out.take_posted<attach>();
  BOOST_TEST_REQUIRE(asked.size() == 1u);
  const auto ticket = asked[0].second.ticket;
  s.out.take();
  s.node.receive(s.peer, frames{s.there, first, {1, bytes("too early")}}, s.now);
  s.node.receive(s.peer, attached{s.there, ticket + 1, first, 4, false, {}}, s.now);
  BOOST_TEST(s.out.take().empty());
  s.node.receive(s.peer, attached{s.there, ticket, first, 4, false, {}}, s.now);
  s.node.receive(s.peer, frames{s.there, first, {4, bytes("known")}}, s.now);
  s.node.receive(s.peer, frames{s.there, first, {6, bytes("m6")}}, s.now);
  BOOST_TEST((s.out.take() == notes{s.there + " goes on", s.there + " says m6"}));
  s.node.receive(s.peer, renewed{s.there, next}, s.now);
  s.node.receive(s.peer, renewed{s.there, first}, s.now);
  s.node.receive(s.peer, frames{s.there, first, {7, bytes("m7")}}, s.now);
  BOOST_TEST((s.out.take() == notes{s.there + " has lost some"}));
}

BOOST_AUTO_TEST_CASE(after_a_lost_link_a_fan_out_asks_for_what_it_missed) {
  stage s;
  const epoch_id first{{1, s.peer}, 1};
  s.node.follow(s.there, s.now);
  s.install(s.both(1));
  s.node.receive(s.peer, attached{s.there, s.out.take_posted<attach>()[0].second.ticket, first, 4, false, {}}, s.now);
  s.node.link_lost("a", s.now);
  s.out.posted.clear();
  s.node.link_up(s.peer, s.now);
  const auto asked = s.out.take_posted<attach>();
  BOOST_TEST_REQUIRE(asked.size() == 1u);
  BOOST_TEST(asked[0].second.seen->seq == 4u);
  s.out.take();
  s.node.receive(
      s.peer, attached{s.there, asked[0].second.ticket, first, 6, true, {{5, bytes("m5")}, {6, bytes("m6")}}}, s.now);
  BOOST_TEST((s.out.take() == notes{s.there + " says m5", s.there + " says m6"}));
}

BOOST_AUTO_TEST_CASE(a_message_from_another_life_than_the_links_is_not_taken) {
  stage s;
  s.node.receive({"a", 2}, agreed{{9, s.peer}, {}}, s.now);
  s.node.receive({"c", 1}, heartbeat{{{{"c", 1}, 1, 0, false, {}}}, {}}, s.now);
  s.node.receive(s.peer, heartbeat{{{{"c", 1}, 1, 0, false, {}}}, {}}, s.now); // and none in another's name
  s.install(s.both(1), false);
  BOOST_TEST(!s.node.ready());
  BOOST_TEST((s.out.take().empty()));
}

BOOST_AUTO_TEST_SUITE_END()
