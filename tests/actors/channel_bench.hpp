#pragma once

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "tests/actors/channel_audience.hpp"

#include <algorithm>

namespace troupe::testing {

/// A channel, the fan-out before it and the log behind it.
struct channel_bench {
  explicit channel_bench(channel_settings settings = {}, std::uint64_t first = 1, std::uint64_t last = 0)
      : home({.id = 7, .name = "c", .epoch = "e", .first = first, .last = last, .settings = settings}) {
    home.now_is(1);
    for (auto offset = first; offset <= last; ++offset)
      disk[offset] = say_op(9, {}, std::to_string(offset)).message;
  }

  room_op join_op(const std::shared_ptr<const member_info>& who, std::string id = "j") {
    listener.expect(who);
    return request_op(room_verb::join, who, std::move(id));
  }
  void join(member_key who, std::string id = "j") { home.join(join_op(subscriber_of(who), std::move(id)), now); }
  void join_since(member_key who, std::uint64_t offset, std::string epoch = "e") {
    auto op = join_op(subscriber_of(who));
    op.more->since = position{std::move(epoch), offset};
    home.join(op, now);
  }
  void join_earliest(member_key who) {
    auto op = join_op(subscriber_of(who));
    op.more->earliest = true;
    home.join(op, now);
  }
  void join_durable(member_key who, std::string user, std::string name = "d") {
    auto op = join_op(subscriber_of(who, 0, std::move(user)));
    op.more->durable = std::move(name);
    home.join(op, now);
  }
  void say(std::string payload, channel_say how = {}, std::string id = {}) {
    home.publish(say_op(9, std::move(id), std::move(payload), how), now);
  }
  /// So many messages, stored; their payloads are their offsets.
  void say_many(std::size_t count, qos kind = qos::at_most_once) {
    for (; count > 0; --count)
      say(std::to_string(home.given_out() + 1), {.qos = kind}, "n" + std::to_string(home.given_out() + 1));
    store();
    hear();
    listener.send_all(9);
  }
  void store() {
    for (const auto& m : home.take_appends())
      disk[m.offset] = m.what;
    home.stored(home.given_out(), now);
  }
  void acknowledge(member_key who, std::uint64_t offset) {
    auto op = request_op(room_verb::acknowledge, subscriber_of(who));
    op.more->offset = offset;
    home.acknowledge(op, now);
  }
  void ask_history(std::uint32_t limit, std::optional<std::uint64_t> since = {}, bool reverse = false,
                   std::string epoch = "e") {
    auto op = request_op(room_verb::history, subscriber_of(1), "h");
    op.more->limit = limit;
    op.more->reverse = reverse;
    if (since)
      op.more->since = position{std::move(epoch), *since};
    home.history(op, now);
  }
  std::vector<stored_message> look_up(const channel_home::read& wanted) {
    std::vector<stored_message> found;
    for (const auto& [offset, what] : disk)
      if (offset >= wanted.from && offset <= wanted.to)
        found.push_back({offset, what});
    if (wanted.reverse)
      std::reverse(found.begin(), found.end());
    if (found.size() > wanted.messages_max)
      found.resize(wanted.messages_max);
    return found;
  }
  /// What is damaged as far as `found` goes, or to the end where that is less than it might be.
  offset_ranges damage_among(const std::vector<stored_message>& found, const channel_home::read& wanted) const {
    auto asked = wanted;
    if (found.size() == wanted.messages_max)
      (wanted.reverse ? asked.from : asked.to) = found.back().offset;
    offset_ranges out;
    for (const auto& bad : damaged)
      if (bad.last >= asked.from && bad.first <= asked.to)
        out.push_back({std::max(bad.first, asked.from), std::min(bad.last, asked.to)});
    if (wanted.reverse)
      std::reverse(out.begin(), out.end());
    return out;
  }
  /// The log answers what it was asked. @returns how many readings that were
  std::size_t read() {
    std::size_t count = 0;
    for (auto reads = home.take_reads(); !reads.empty(); reads = home.take_reads())
      for (const auto& wanted : reads) {
        ++count;
        const auto found = look_up(wanted);
        home.read_done(wanted.ticket, found, nullptr, now, damage_among(found, wanted));
      }
    return count;
  }
  void hear() {
    if (const auto news = home.seal(false))
      listener.apply(*news);
  }
  lines heard(member_key who) {
    hear();
    return listener.send_all(who);
  }
  /// What fan-outs have to say reaches the home.
  void obey() {
    for (; !listener.ops.empty(); listener.ops.pop_front()) {
      const auto& op = listener.ops.front();
      op.verb == room_verb::spilled ? home.spilled(op, now) : home.drained(op, now);
    }
  }
  /// All that it is given, over as many pieces as that takes.
  lines heard_over_time(member_key who) {
    lines all;
    for (int quiet = 0; quiet < 2;) {
      const auto some = heard(who);
      all.insert(all.end(), some.begin(), some.end());
      quiet = some.empty() && listener.ops.empty() ? quiet + 1 : 0;
      obey();
      read();
    }
    return all;
  }

  channel_home home;
  channel_audience listener;
  std::map<std::uint64_t, message_ptr> disk; ///< What can be read.
  offset_ranges damaged;                     ///< Ascending; none of it is on the disk.
  mono_ms now = 1000;
};

inline lines says(std::uint64_t from, std::uint64_t to) {
  lines result;
  for (; from <= to; ++from)
    result.push_back("say " + std::to_string(from) + " " + std::to_string(from));
  return result;
}

inline lines operator+(lines a, const lines& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline void check(const lines& heard, const lines& expected) {
  BOOST_TEST(heard == expected, boost::test_tools::per_element());
}

inline channel_settings with(std::size_t window, std::size_t ring = 1024) {
  channel_settings settings;
  settings.window = window;
  settings.ring_messages = ring;
  settings.redeliver_after = milliseconds{100};
  return settings;
}

} // namespace troupe::testing
