#include "tests/model/link_world.hpp"

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

using namespace troupe::mesh;
using link_testing::link_world;
using phase = reliable_link::phase;
using arrival = reliable_link::arrival;
using offered = reliable_link::offered;
using overdue = reliable_link::overdue;

namespace link_testing {

link_world::link_world(const link_limits& limits)
    : limits_{limits} {
  make(0);
  make(1);
}

void link_world::make(int side) {
  sides[side].link = std::make_unique<reliable_link>(limits_, [this] { return ++sessions_; });
  sides[side].unread_batches.clear();
}

void link_world::connect(bool late) {
  const std::array<std::deque<std::string>, 2> under_way{sides[0].coming, sides[1].coming};
  cut();
  connected = true;
  for (std::size_t i = 0; late && i < 2; ++i)
    sides[i].coming = under_way[i];
  for (auto& each : sides)
    each.link->connected(now);
}

void link_world::connect_alone(int side) {
  sides[side].coming.clear();
  sides[side].link->connected(now);
}

void link_world::cut() {
  connected = false;
  for (auto& each : sides) {
    each.link->cut(now);
    each.coming.clear();
  }
}

void link_world::restart(int side) {
  cut();
  make(side);
  lose(side);
}

void link_world::lose(int side) {
  sides[side].lost_upto = sides[side].offered;
  ++sides[side].losses;
}

bool link_world::offer(int side, std::size_t bytes) {
  auto& from = sides[side];
  auto batch = std::to_string(from.offered + 1) + ' ';
  batch.resize(std::max(batch.size(), bytes), 'x');
  if (from.link->offer(std::move(batch), now) != reliable_link::offered::queued)
    return false;
  ++from.offered;
  return true;
}

std::size_t link_world::write(int side, std::size_t frames_max) {
  std::size_t written = 0;
  for (std::string frame; written < frames_max && connected && sides[side].link->next_frame(frame, now); ++written)
    sides[1 - side].coming.push_back(frame);
  return written;
}

std::size_t link_world::deliver(int side, std::size_t frames_max, bool consume_it) {
  std::size_t delivered = 0;
  auto& to = sides[side];
  for (; delivered < frames_max && !to.coming.empty(); ++delivered) {
    const auto frame = std::move(to.coming.front());
    to.coming.pop_front();
    take(side, to.link->receive(frame, now));
    if (consume_it)
      consume(side);
  }
  return delivered;
}

void link_world::take(int side, const reliable_link::received& got) {
  auto& to = sides[side];
  auto& from = sides[1 - side];
  if (got.what == arrival::broken)
    to.broken = got.why;
  if (got.what == arrival::lost)
    lose(side);
  if (got.what != arrival::batch)
    return;
  const auto number = std::stoull(std::string{got.batch.substr(0, got.batch.find(' '))});
  BOOST_TEST(number > from.arrived);
  if (number > from.arrived + 1)
    BOOST_TEST(number - 1 <= from.lost_upto);
  from.arrived = number;
  to.unread_batches.push_back({got.stream, got.batch.size()});
  BOOST_TEST(to.link->unconsumed_bytes() <= limits_.receive_bytes_max + limits_.batch_bytes_max);
}

void link_world::consume(int side) {
  auto& unread = sides[side].unread_batches;
  if (unread.empty())
    return;
  sides[side].link->consumed(unread.front().stream, unread.front().bytes);
  unread.pop_front();
}

void link_world::check(int side) {
  const auto window = sides[side].link->window_bytes();
  BOOST_TEST(window <= std::max(limits_.window_bytes_max, limits_.batch_bytes_max));
  const auto what = sides[side].link->check(now);
  if (what == overdue::nothing)
    return;
  lose(side);
  if (what == overdue::slow)
    cut();
}

void link_world::settle() {
  for (int quiet = 0; quiet < 3;) {
    std::size_t moved = 0;
    for (int side = 0; side < 2; ++side) {
      while (!sides[side].unread_batches.empty())
        consume(side);
      moved += write(side) + deliver(1 - side);
    }
    now += limits_.ack_delay_ms;
    quiet = moved == 0 ? quiet + 1 : 0;
  }
  for (auto& each : sides) {
    BOOST_TEST(each.broken == "");
    if (connected && each.link->window_batches() == 0 && each.arrived < each.offered && each.lost_upto == each.offered)
      each.arrived = each.offered;
  }
}

} // namespace link_testing

BOOST_AUTO_TEST_SUITE(reliable_link_suite)

namespace {

/// Small enough that a few batches reach every bound.
link_limits tight() {
  link_limits limits;
  limits.batch_bytes_max = 100;
  limits.window_batches_max = 8;
  limits.window_bytes_max = 400;
  limits.receive_batches_max = 4;
  limits.receive_bytes_max = 200;
  limits.ack_batches_max = 3;
  return limits;
}

} // namespace

BOOST_AUTO_TEST_CASE(batches_arrive_in_order_both_ways) {
  link_world world{tight()};
  world.offer(0); // before there is a connection
  world.connect();
  world.settle();
  BOOST_TEST((world.sides[0].link->now() == phase::open && world.sides[1].link->now() == phase::open));
  for (int i = 0; i < 50; ++i) {
    BOOST_TEST(world.offer(i % 2));
    world.settle();
  }
  BOOST_TEST((world.all_arrived(0) && world.all_arrived(1)));
  BOOST_TEST(world.sides[0].link->window_bytes() == 0u);
  BOOST_TEST(world.sides[0].losses + world.sides[1].losses == 0u);
}

BOOST_AUTO_TEST_CASE(an_acknowledgement_waits_for_a_batch_to_travel_on_or_for_its_delay) {
  link_world world{tight()};
  world.connect();
  world.settle();
  world.offer(0);
  world.write(0);
  world.deliver(1);
  BOOST_TEST(world.write(1) == 0u);
  world.offer(1);
  BOOST_TEST(world.write(1) == 1u); // the batch, with the acknowledgement
  world.deliver(0);
  BOOST_TEST(world.sides[0].link->window_batches() == 0u);
  BOOST_TEST(world.sides[0].link->next_deadline().value() == world.now + tight().ack_delay_ms);
  world.now += tight().ack_delay_ms;
  BOOST_TEST(world.write(0) == 1u);
  BOOST_TEST(world.write(0) == 0u);
}

BOOST_AUTO_TEST_CASE(a_cut_after_every_frame_loses_and_repeats_nothing) {
  // One run writes so many frames; then each of these frames in turn, in each direction, is the last before a cut.
  for (std::size_t last = 0; last < 40; ++last) {
    BOOST_TEST_CONTEXT("cut after frame " << last) {
      link_world world{tight()};
      world.connect();
      std::size_t frames = 0;
      for (int i = 0; i < 12 && frames <= last; ++i) {
        for (int side = 0; side < 2; ++side) {
          world.offer(side, 20);
          world.write(side);
          while (frames <= last && world.deliver(1 - side, 1) == 1)
            ++frames;
        }
        world.now += 10;
      }
      world.connect();
      world.settle();
      BOOST_TEST((world.all_arrived(0) && world.all_arrived(1)));
      BOOST_TEST(world.sides[0].losses + world.sides[1].losses == 0u);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_peer_that_began_anew_is_not_taken_for_the_old_one) {
  link_world world{tight()};
  world.connect();
  world.settle();
  world.offer(0);
  world.offer(1);
  world.settle();
  world.offer(0);
  world.write(0); // on its way when the other side ends
  world.restart(1);
  world.connect();
  world.settle();
  BOOST_TEST(world.sides[0].losses == 1u);
  for (int side = 0; side < 2; ++side)
    world.offer(side);
  world.settle();
  BOOST_TEST((world.all_arrived(0) && world.all_arrived(1)));
}

BOOST_AUTO_TEST_CASE(a_link_that_stays_cut_is_given_up_and_says_so_on_both_sides) {
  link_world world{tight()};
  world.connect();
  world.settle();
  world.offer(0);
  world.cut();
  world.now += tight().resume_ms_max - 1;
  BOOST_TEST((world.sides[0].link->check(world.now) == overdue::nothing));
  BOOST_TEST(world.sides[0].link->next_deadline().value() == world.now + 1);
  world.now += 1;
  world.check(0);
  BOOST_TEST(world.sides[0].losses == 1u);
  BOOST_TEST(world.sides[0].link->window_bytes() == 0u);
  BOOST_TEST((world.sides[0].link->check(world.now) == overdue::nothing)); // once
  world.connect(); // the other side still knows the session that is over
  world.settle();
  BOOST_TEST(world.sides[1].losses == 1u);
  for (int side = 0; side < 2; ++side)
    world.offer(side);
  world.settle();
  BOOST_TEST((world.all_arrived(0) && world.all_arrived(1)));
}

BOOST_AUTO_TEST_CASE(a_slow_peer_presses_back_and_is_cut_off_in_the_end) {
  link_world world{tight()};
  world.connect();
  world.settle();
  std::size_t taken = 0;
  while (world.offer(0, 50)) {
    ++taken;
    world.write(0);
    world.deliver(1, 1000, false); // takes what it has granted, and consumes none of it
    world.now += 20;
    world.write(1);
    world.deliver(0);
  }
  // It has granted four batches, and the window holds eight.
  BOOST_TEST(taken == 12u);
  BOOST_TEST((world.sides[0].link->pressed() && !world.sides[0].link->roomy(50)));
  world.now += tight().slow_ms_max;
  // A place now and then does not help: it is slow all the same.
  world.consume(1);
  world.consume(1);
  world.write(1);
  world.deliver(0);
  BOOST_TEST((world.sides[0].link->check(world.now) == overdue::slow));
  BOOST_TEST(world.sides[0].link->window_bytes() == 0u);
  BOOST_TEST((world.sides[0].link->now() == phase::cut));
}

BOOST_AUTO_TEST_CASE(a_peer_that_drains_in_time_is_not_slow_and_one_that_was_away_has_its_time) {
  link_world world{tight()};
  world.connect();
  world.settle();
  while (world.offer(0, 50))
    ;
  BOOST_TEST(world.sides[0].link->pressed());
  world.cut();
  world.now += tight().resume_ms_max - 1;
  world.connect();
  for (int side = 0; side < 2; ++side)
    world.write(side);
  world.deliver(0);
  BOOST_TEST((world.sides[0].link->now() == phase::open));
  BOOST_TEST((world.sides[0].link->check(world.now) == overdue::nothing));
  world.settle();
  BOOST_TEST(!world.sides[0].link->pressed());
  BOOST_TEST(world.all_arrived(0));
}

BOOST_AUTO_TEST_CASE(a_batch_too_large_is_never_taken_and_the_largest_passes_any_credit) {
  auto limits = tight();
  limits.receive_bytes_max = 10;
  link_world world{limits};
  BOOST_TEST((world.sides[0].link->offer(std::string(101, 'x'), world.now) == offered::too_large));
  world.connect();
  for (int i = 0; i < 20; ++i) {
    BOOST_TEST(world.offer(0, 100));
    world.settle();
  }
  BOOST_TEST(world.all_arrived(0));
}

BOOST_AUTO_TEST_CASE(no_more_than_a_flight_is_under_way) {
  auto limits = tight();
  limits.flight_bytes_max = 100;
  limits.ack_bytes_max = 60;
  link_world world{limits};
  world.connect();
  world.settle();
  for (int i = 0; i < 4; ++i)
    BOOST_TEST(world.offer(0, 40));
  BOOST_TEST(world.write(0) == 2u); // eighty bytes, for which nobody waits
  BOOST_TEST(world.write(0) == 0u);
  world.deliver(1);
  BOOST_TEST(world.write(1) == 1u); // at once: so many bytes are worth an acknowledgement
  world.deliver(0);
  BOOST_TEST(world.write(0) == 2u);
  world.settle();
  BOOST_TEST(world.all_arrived(0));
}

BOOST_AUTO_TEST_CASE(frames_of_the_connection_before_do_no_harm) {
  link_world world{tight()};
  world.connect();
  world.settle();
  for (int i = 0; i < 3; ++i)
    world.offer(0);
  world.write(0);
  world.deliver(1, 1);
  world.connect(true);
  world.settle();
  BOOST_TEST(world.all_arrived(0));
  BOOST_TEST(world.sides[0].losses + world.sides[1].losses == 0u);
}

BOOST_AUTO_TEST_CASE(a_side_that_noticed_no_cut_greets_again) {
  link_world world{tight()};
  world.connect();
  world.settle();
  world.offer(0);
  world.offer(1);
  world.write(0);
  world.write(1);
  world.connect_alone(1);
  world.settle();
  BOOST_TEST((world.sides[0].link->now() == phase::open && world.sides[1].link->now() == phase::open));
  BOOST_TEST((world.all_arrived(0) && world.all_arrived(1)));
}

BOOST_AUTO_TEST_CASE(what_no_correct_peer_sends_is_refused) {
  const auto refused = [](std::string frame) {
    link_world world{tight()};
    world.connect();
    world.settle();
    const auto got = world.sides[0].link->receive(frame, world.now);
    return got.what == arrival::broken ? std::string{got.why} : "taken";
  };
  const auto numbers = [](char kind, std::initializer_list<unsigned char> lowest, const std::string& rest = "") {
    std::string frame{kind};
    for (const auto n : lowest)
      frame += std::string(7, '\0') + static_cast<char>(n);
    return frame + rest;
  };
  BOOST_TEST(refused("") == "an empty frame");
  BOOST_TEST(refused(numbers(9, {1})) == "a frame of an unknown kind");
  BOOST_TEST(refused(numbers(3, {0, 9})) == "a frame of the wrong length");
  BOOST_TEST(refused(numbers(3, {0, 9, 9}, "x")) == "a frame of the wrong length");
  BOOST_TEST(refused(numbers(2, {1, 0, 9, 9})) == "a frame of the wrong length"); // a batch of nothing
  BOOST_TEST(refused(numbers(3, {0, 9, 9})) == "taken");
  BOOST_TEST(refused(numbers(3, {1, 9, 9})) == "an acknowledgement of what was never sent");
  BOOST_TEST(refused(numbers(2, {2, 0, 9, 9}, "x")) == "a batch too far ahead");
  BOOST_TEST(refused(numbers(2, {1, 0, 9, 9}, std::string(101, 'x'))) == "a batch of too many bytes");
  BOOST_TEST(refused(numbers(1, {0, 1, 0, 9, 9})) == "a greeting without a session");
  BOOST_TEST(refused(numbers(1, {2, 7, 0, 9, 9})) == "a greeting to a session that was never ours");
  link_world world{tight()};
  world.connect();
  world.settle();
  for (unsigned char i = 1; i <= 4; ++i)
    BOOST_TEST((world.sides[0].link->receive(numbers(2, {i, 0, 9, 9}, "x"), world.now).what == arrival::batch));
  const auto got = world.sides[0].link->receive(numbers(2, {5, 0, 9, 9}, "x"), world.now);
  BOOST_TEST(std::string{got.why} == "a batch without credit");
}

BOOST_AUTO_TEST_SUITE_END()
