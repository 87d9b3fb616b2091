#pragma once

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "tests/actors/channel_audience.hpp"

#include <cstdio>
#include <set>

namespace troupe::testing {

/// The log: what was written may still be lost, what is synced is not.
struct naive_log {
  std::map<std::uint64_t, message_ptr> records;
  std::uint64_t written = 0;
  std::uint64_t synced = 0;
  std::set<std::uint64_t> damaged; ///< Nobody can read these; who had them live has them.
};

/// What a client knows of its subscription, and what it may expect by that.
struct subscription_check {
  std::shared_ptr<const member_info> info;
  bool wanted = false;     ///< Asked to be subscribed, last.
  bool subscribed = false; ///< And was told so.
  std::size_t joins = 0;   ///< Answers that it waits for.
  std::uint64_t seen = 0;  ///< Everything up to here came, or it was told that it will not.
  std::uint64_t last = 0;  ///< What came last: behind `seen` while something is redelivered.
  std::uint64_t acknowledged = 0;
  std::uint64_t lenient = 0; ///< Up to here it may miss what is of qos 0: a connection took it with it.
  std::size_t damage_told = 0;
  bool anywhere = false; ///< It has lost its place: the next message says where it is.

  static bool reliable(std::uint64_t offset, const naive_log& log, const channel_home& home) {
    return log.records.at(offset)->fields().qos != qos::at_most_once || home.settings().qos_floor > 0;
  }

  /// Whether nothing that had to come is missing between two offsets.
  bool explained(std::uint64_t before, std::uint64_t next, const naive_log& log, const channel_home& home) const {
    for (auto offset = before + 1; offset < next; ++offset) {
      const bool weak = !reliable(offset, log, home);
      const bool gone = offset < home.first() || log.damaged.contains(offset);
      if (!(offset <= seen && (weak || gone || offset <= acknowledged)) && !(offset <= lenient && (weak || gone)))
        return false;
    }
    return true;
  }

  /// A message, or a gap.
  void told(const told_message& e, const naive_log& log, const channel_home& home) {
    auto from = e.offset;
    auto to = e.offset;
    const bool gap = e.type == "gap";
    char reason[16] = {};
    if (gap)
      BOOST_REQUIRE_EQUAL(std::sscanf(e.line().c_str(), "gap %15s %lu-%lu", reason, &from, &to), 3);
    if (std::exchange(anywhere, false))
      seen = last = from - 1;
    if (from > last)
      BOOST_TEST_REQUIRE(explained(last, from, log, home),
                         "a hole between " << last << " and " << e.line() << ", seen " << seen);
    if (gap) {
      BOOST_TEST_REQUIRE(from > seen, e.line() << " is of what came, up to " << seen);
      if (reason == std::string_view{"damaged"}) {
        ++damage_told;
        for (auto offset = from; offset <= to; ++offset)
          BOOST_TEST_REQUIRE(log.damaged.contains(offset), e.line() << " is not damaged");
      } else {
        BOOST_TEST_REQUIRE((reason == std::string_view{"retention"} && to < home.first()), e.line() << " is not gone");
      }
    } else {
      BOOST_REQUIRE_EQUAL(e.type, "say");
      BOOST_TEST_REQUIRE(log.records.contains(e.offset), e.line() << " is not in the log");
      BOOST_REQUIRE_EQUAL(log.records.at(e.offset)->payload_text(), e.text);
      BOOST_TEST_REQUIRE((e.offset > seen || reliable(e.offset, log, home)), e.line() << " came twice");
    }
    last = to;
    seen = std::max(seen, to);
  }
};

} // namespace troupe::testing
