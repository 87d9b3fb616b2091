#include "runtime/store/rebuild.hpp"

#include "runtime/store/memory_store.hpp"
#include "tests/contract/store_contract.hpp"

using namespace troupe;
using store::catch_up;
using store::log_range;

BOOST_AUTO_TEST_SUITE(rebuild_suite)

namespace {

void expect(std::uint64_t applied, log_range log, catch_up what, log_range records) {
  const auto plan = store::plan_catch_up(applied, log);
  BOOST_TEST_CONTEXT("applied " << applied << " of [" << log.begin << ", " << log.end << ")") {
    BOOST_TEST((plan.what == what));
    BOOST_TEST(plan.records.begin == records.begin);
    BOOST_TEST(plan.records.end == records.end);
    BOOST_TEST(plan.applied == applied);
  }
}

} // namespace

BOOST_AUTO_TEST_CASE(a_store_is_level_behind_or_ahead) {
  expect(0, {0, 0}, catch_up::nothing, {0, 0});
  expect(9, {0, 9}, catch_up::nothing, {9, 9});
  expect(9, {9, 9}, catch_up::nothing, {9, 9});
  expect(8, {0, 9}, catch_up::apply, {8, 9});
  expect(0, {0, 9}, catch_up::apply, {0, 9});
  expect(10, {0, 9}, catch_up::rebuild, {0, 9});
  expect(1, {0, 0}, catch_up::rebuild, {0, 0});
}

BOOST_AUTO_TEST_CASE(records_that_were_dropped_cannot_be_caught_up) {
  expect(5, {5, 9}, catch_up::apply, {5, 9});
  expect(4, {5, 9}, catch_up::rebuild, {5, 9});
  expect(0, {5, 9}, catch_up::apply, {5, 9});
  expect(4, {9, 9}, catch_up::rebuild, {9, 9});
}

BOOST_AUTO_TEST_CASE(the_plan_asks_the_store_for_its_class) {
  const auto s = store::make_memory_store();
  store::batch b;
  b.applied("channels", 4);
  BOOST_TEST(!s->apply(b).has_value());
  const auto channels = store::needs_catch_up(*s, "channels", {0, 6});
  BOOST_TEST_REQUIRE(channels.ok());
  BOOST_TEST(channels.value().records.begin == 4u);
  const auto state = store::needs_catch_up(*s, "state", {0, 6});
  BOOST_TEST_REQUIRE(state.ok());
  BOOST_TEST(state.value().records.begin == 0u);
  BOOST_TEST(!s->close().has_value());
  const auto closed = store::needs_catch_up(*s, "state", {0, 6});
  BOOST_TEST_REQUIRE(!closed.ok());
  BOOST_TEST((closed.why().kind == store::fault::closed));
}

BOOST_AUTO_TEST_SUITE_END()
