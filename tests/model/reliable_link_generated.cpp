#include "tests/model/link_world.hpp"
#include "tests/model/seeded.hpp"

using namespace troupe::mesh;
using link_testing::link_world;

namespace {

link_limits drawn(dice& random) {
  link_limits limits;
  limits.batch_bytes_max = 1 + random.below(200);
  limits.batch_bytes_max = std::max<std::size_t>(limits.batch_bytes_max, 24); // the count of a test's batch fits
  limits.window_batches_max = 1 + random.below(20);
  limits.window_bytes_max = 1 + random.below(1000);
  limits.flight_bytes_max = 1 + random.below(500);
  limits.ack_bytes_max = 1 + random.below(300);
  limits.receive_batches_max = 1 + random.below(20);
  limits.receive_bytes_max = 1 + random.below(1000);
  limits.ack_batches_max = 1 + random.below(8);
  limits.slow_ms_max = 200;
  limits.resume_ms_max = 500;
  return limits;
}

void step(link_world& world, dice& random, const link_limits& limits, bool restarts) {
  const int side = static_cast<int>(random.below(2));
  switch (random.below(13)) {
  case 0:
  case 1:
  case 2:
    world.offer(side, 1 + random.below(limits.batch_bytes_max));
    return;
  case 3:
  case 4:
    world.write(side, 1 + random.below(4));
    return;
  case 5:
  case 6:
    world.deliver(side, 1 + random.below(4), random.once_in(2));
    return;
  case 7:
    world.consume(side);
    return;
  case 8:
    world.now += static_cast<troupe::mono_ms>(random.below(30));
    world.check(side);
    return;
  case 9:
    if (!world.connected && random.once_in(2))
      world.connect();
    return;
  case 10:
    if (random.once_in(6))
      random.once_in(2) ? world.cut() : world.connect(random.once_in(2)); // the latter: cut and restored at once
    return;
  case 11:
    if (world.connected && random.once_in(8))
      world.connect_alone(side);
    return;
  default:
    if (restarts && random.once_in(20))
      world.restart(side);
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(reliable_link_generated)

BOOST_AUTO_TEST_CASE(whatever_is_cut_nothing_is_lost_in_silence_or_repeated) {
  for_seeds(1500, [](dice& random) {
    auto limits = drawn(random);
    const bool patient = random.once_in(2); // nothing is given up: then nothing may be lost at all
    if (patient)
      limits.slow_ms_max = limits.resume_ms_max = 1'000'000'000;
    link_world world{limits};
    for (int i = 0; i < 400; ++i)
      step(world, random, limits, !patient);
    world.connect();
    world.settle();
    for (int side = 0; side < 2; ++side) {
      BOOST_TEST(world.all_arrived(side));
      BOOST_TEST(world.sides[side].link->window_batches() == 0u);
      BOOST_TEST((world.sides[side].link->now() == reliable_link::phase::open));
      if (patient)
        BOOST_TEST(world.sides[side].losses == 0u);
    }
    // And it goes on from here.
    for (int side = 0; side < 2; ++side)
      BOOST_TEST(world.offer(side));
    world.settle();
    BOOST_TEST((world.all_arrived(0) && world.all_arrived(1)));
  });
}

BOOST_AUTO_TEST_CASE(no_bytes_at_all_do_harm) {
  for_seeds(2000, [](dice& random) {
    link_world world{link_limits{}};
    world.connect();
    world.settle();
    std::string frame;
    for (auto bytes = random.below(60); bytes > 0; --bytes)
      frame.push_back(static_cast<char>(random.once_in(3) ? random.below(256) : random.below(4)));
    world.sides[0].link->receive(frame, world.now);
    while (world.write(0) > 0) {
    }
  });
}

BOOST_AUTO_TEST_SUITE_END()
