#include "runtime/model/outbox.hpp"

#include "tests/model/allocations.hpp"
#include "tests/model/seeded.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

using namespace troupe;
using verdict = outbox::verdict;

namespace {

slice text_slice(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  return {owner, *owner};
}

outbox_item item(std::uint32_t source, std::uint64_t seq, std::string text, overflow policy = overflow::disconnect,
                 std::uint64_t key = 0) {
  return {text_slice(std::move(text)), source, 1, seq, seq, 0, key, policy};
}

slice write_gap(const outbox_gap& gap) {
  std::ostringstream out;
  out << "gap " << gap.source << ' ' << gap.from << ' ' << gap.to << ' ' << gap.count;
  return text_slice(out.str());
}

std::vector<std::string> texts(const std::vector<slice>& slices) {
  std::vector<std::string> result;
  for (const auto& s : slices)
    result.emplace_back(s.bytes);
  return result;
}

std::vector<std::string> fill(outbox& box, std::size_t bytes_max = 1 << 20, mono_ms now = 0) {
  std::vector<slice> out;
  box.fill(out, bytes_max, now, write_gap);
  return texts(out);
}

using list = std::vector<std::string>;

constexpr outbox_limits small{4, 1000, 2, 100};

} // namespace

BOOST_AUTO_TEST_SUITE(outbox_suite)

BOOST_AUTO_TEST_CASE(what_arrived_first_leaves_first) {
  outbox box{small};
  BOOST_TEST(box.empty());
  box.offer(item(1, 1, "a"));
  box.offer(item(2, 1, "b"));
  box.offer(item(0, 0, "c"));
  box.offer(item(1, 2, "d"));
  BOOST_TEST(box.messages() == 4u);
  BOOST_TEST(fill(box) == (list{"a", "b", "c", "d"}), boost::test_tools::per_element());
  BOOST_TEST(box.empty());
  BOOST_TEST(fill(box).empty());
}

BOOST_AUTO_TEST_CASE(an_idle_outbox_is_small_and_one_item_allocates_nothing) {
  static_assert(sizeof(outbox) <= 200);
  outbox box{small};
  std::vector<slice> out;
  out.reserve(4);
  auto frame = text_slice("frame");
  auto before = allocations();
  for (int i = 0; i < 100; ++i) {
    box.offer({frame, 1, 1, 1, 1, 0, 0, overflow::disconnect});
    box.fill(out, 1 << 20, 0, write_gap);
    out.clear();
  }
  BOOST_TEST(allocations() == before);
  BOOST_TEST(frame.owner.use_count() == 1); // nothing keeps what has left
}

BOOST_AUTO_TEST_CASE(a_full_outbox_closes_where_the_policy_is_disconnect) {
  outbox box{small};
  for (std::uint64_t i = 1; i <= 4; ++i)
    BOOST_TEST((box.offer(item(1, i, "x")).what == verdict::queued));
  BOOST_TEST((box.offer(item(1, 5, "x")).what == verdict::overflow_close));
  BOOST_TEST(box.messages() == 4u);
}

BOOST_AUTO_TEST_CASE(bytes_are_bounded_and_one_large_item_passes_alone) {
  outbox box{small};
  BOOST_TEST((box.offer(item(1, 1, std::string(5000, 'x'))).what == verdict::queued));
  BOOST_TEST((box.offer(item(1, 2, "y")).what == verdict::overflow_close));
}

BOOST_AUTO_TEST_CASE(control_has_a_bound_of_its_own) {
  outbox box{small};
  for (std::uint64_t i = 1; i <= 4; ++i)
    box.offer(item(1, i, "x"));
  BOOST_TEST((box.offer(item(0, 0, "a")).what == verdict::queued));
  BOOST_TEST((box.offer(item(0, 0, "b")).what == verdict::queued));
  BOOST_TEST((box.offer(item(0, 0, "c")).what == verdict::overflow_close));
}

BOOST_AUTO_TEST_CASE(drop_oldest_leaves_a_gap_in_front) {
  outbox box{small};
  for (std::uint64_t i = 1; i <= 4; ++i)
    box.offer(item(1, i, std::to_string(i), overflow::drop_oldest));
  for (std::uint64_t i = 5; i <= 6; ++i) {
    auto result = box.offer(item(1, i, std::to_string(i), overflow::drop_oldest));
    BOOST_TEST((result.what == verdict::queued));
    BOOST_TEST(result.dropped == 1u);
  }
  BOOST_TEST(fill(box) == (list{"gap 1 1 2 2", "3", "4", "5", "6"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(drop_newest_leaves_a_gap_behind) {
  outbox box{small};
  for (std::uint64_t i = 1; i <= 6; ++i)
    box.offer(item(1, i, std::to_string(i), overflow::drop_newest));
  BOOST_TEST(fill(box, 2) == (list{"1", "2"}), boost::test_tools::per_element());
  box.offer(item(1, 7, "7", overflow::drop_newest));
  BOOST_TEST(fill(box) == (list{"3", "4", "gap 1 5 6 2", "7"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_gap_without_followers_is_told_nevertheless) {
  outbox box{small};
  for (std::uint64_t i = 1; i <= 5; ++i)
    box.offer(item(1, i, "x", overflow::drop_newest));
  auto out = fill(box);
  BOOST_TEST(out.back() == "gap 1 5 5 1");
  BOOST_TEST(box.empty());
}

BOOST_AUTO_TEST_CASE(a_room_that_may_lose_makes_way_for_one_that_may_not) {
  outbox box{small};
  for (std::uint64_t i = 1; i <= 4; ++i)
    box.offer(item(2, i, std::to_string(i), overflow::drop_newest));
  auto result = box.offer(item(1, 1, "kept"));
  BOOST_TEST((result.what == verdict::queued));
  BOOST_TEST(result.dropped == 1u);
  // But not the other way round: it only drops its own.
  outbox other{small};
  for (std::uint64_t i = 1; i <= 4; ++i)
    other.offer(item(1, i, "x"));
  BOOST_TEST((other.offer(item(2, 1, "y", overflow::drop_oldest)).what == verdict::dropped));
  BOOST_TEST(fill(other) == (list{"x", "x", "x", "x", "gap 2 1 1 1"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(conflate_keeps_the_newest_of_each_key_once_the_socket_lags) {
  constexpr outbox_limits limits{10, 1000, 2, 100};
  outbox box{limits};
  box.offer(item(1, 1, "a1", overflow::conflate, 'a'));
  box.offer(item(1, 2, "a2", overflow::conflate, 'a')); // the socket keeps up: nothing is lost
  box.offer(item(1, 3, "b3", overflow::conflate, 'b'));
  BOOST_TEST(fill(box, 2) == (list{"a1"}), boost::test_tools::per_element());
  BOOST_TEST(box.congested());
  auto result = box.offer(item(1, 4, "a4", overflow::conflate, 'a'));
  BOOST_TEST(result.conflated == 1u);
  box.offer(item(1, 5, "b5", overflow::conflate, 'b'));
  box.offer(item(2, 1, "other", overflow::conflate, 'a')); // of another room
  BOOST_TEST(fill(box) == (list{"a4", "b5", "other"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(conflate_with_too_many_keys_drops_the_oldest) {
  outbox box{small};
  for (std::uint64_t i = 1; i <= 5; ++i)
    box.offer(item(1, i, std::to_string(i), overflow::conflate, i));
  BOOST_TEST(fill(box) == (list{"gap 1 1 1 1", "2", "3", "4", "5"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(gaps_that_become_neighbours_are_told_as_one) {
  constexpr outbox_limits limits{3, 1000, 2, 100};
  outbox box{limits};
  for (std::uint64_t i = 1; i <= 4; ++i)
    box.offer(item(1, i, std::to_string(i), overflow::drop_newest)); // 4 has no place
  fill(box, 1);
  box.offer(item(1, 5, "5", overflow::conflate, 'a'));
  box.offer(item(1, 6, "6", overflow::drop_newest)); // nor has 6
  fill(box, 1);
  BOOST_TEST(box.offer(item(1, 7, "7", overflow::conflate, 'a')).conflated == 1u);
  BOOST_TEST(fill(box) == (list{"3", "gap 1 4 6 2", "7"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(spill_takes_nothing_and_marks_nothing) {
  outbox box{small};
  for (std::uint64_t i = 1; i <= 4; ++i)
    box.offer(item(1, i, "x", overflow::spill));
  BOOST_TEST((box.offer(item(1, 5, "x", overflow::spill)).what == verdict::spilled));
  BOOST_TEST(fill(box).size() == 4u);
}

BOOST_AUTO_TEST_CASE(what_is_too_old_is_skipped_without_a_gap) {
  outbox box{small};
  auto old = item(1, 1, "old");
  old.expires = 10;
  box.offer(old);
  std::vector<slice> out;
  BOOST_TEST(box.fill(out, 100, 11, write_gap).expired == 1u);
  BOOST_TEST(out.empty());
  BOOST_TEST(box.empty());
  box.offer(old);
  box.offer(item(1, 2, "new"));
  auto result = box.fill(out, 100, 11, write_gap);
  BOOST_TEST(result.expired == 1u);
  BOOST_TEST(texts(out) == (list{"new"}), boost::test_tools::per_element());
  box.offer(old);
  BOOST_TEST(fill(box, 100, 10) == (list{"old"}), boost::test_tools::per_element()); // not yet
}

BOOST_AUTO_TEST_CASE(what_the_socket_did_not_take_goes_first) {
  outbox box{small};
  for (auto text : {"a", "b", "c"})
    box.offer(item(1, 0, text));
  std::vector<slice> out;
  box.fill(out, 100, 0, write_gap);
  box.give_back(std::span{out}.subspan(1));
  BOOST_TEST(box.bytes() == 2u);
  BOOST_TEST(box.congested());
  box.offer(item(0, 0, "control"));
  BOOST_TEST(fill(box, 1) == (list{"b"}), boost::test_tools::per_element());
  BOOST_TEST(fill(box) == (list{"c", "control"}), boost::test_tools::per_element());
  BOOST_TEST(!box.congested());
}

BOOST_AUTO_TEST_CASE(congested_rooms_share_by_bytes_and_control_has_its_part) {
  constexpr outbox_limits limits{10'000, 100'000'000, 1000, 1'000'000};
  outbox box{limits};
  for (std::uint64_t i = 1; i <= 100; ++i)
    box.offer(item(1, i, std::string(8192, '1'))); // a loud room
  for (std::uint64_t i = 1; i <= 1000; ++i)
    box.offer(item(2, i, std::string(1024, '2'))); // a room of small messages
  fill(box, 1);
  for (int i = 0; i < 10; ++i)
    box.offer(item(0, 0, std::string(100, '0')));
  std::map<char, std::size_t> bytes;
  for (const auto& text : fill(box, 256 * 1024))
    bytes[text[0]] += text.size();
  BOOST_TEST(bytes['0'] == 1000u);
  BOOST_TEST(std::max(bytes['1'], bytes['2']) - std::min(bytes['1'], bytes['2']) <= 2 * outbox::quantum_bytes);
  BOOST_TEST(bytes['1'] + bytes['2'] > 240u * 1024);
}

BOOST_AUTO_TEST_CASE(a_room_that_was_left_is_forgotten) {
  outbox box{small};
  box.offer(item(1, 1, "a"));
  box.offer(item(2, 1, "b"));
  BOOST_TEST(box.forget(1) == 1u);
  BOOST_TEST(box.forget(1) == 0u);
  BOOST_TEST(fill(box) == (list{"b"}), boost::test_tools::per_element());
  box.offer(item(1, 1, "a"));
  BOOST_TEST(box.forget(1) == 1u);
  BOOST_TEST(box.empty());
}

namespace {

/// Offers at random, lets a simulated socket take what it likes, and checks that the stream of every source is in order
/// and complete: each message was sent, or is counted exactly once as lost, in its place.
class simulation {
public:
  explicit simulation(dice& random)
      : random_{random}
      , limits_{1 + random.below(30), 50 + random.below(5000), 4, 200}
      , box_{limits_} {
    for (std::uint32_t s = 1; s <= 4; ++s)
      policies_[s] = static_cast<overflow>(random.below(5));
  }

  void run() {
    for (int step = 0; step < 400; ++step) {
      if (random_.once_in(3))
        write();
      else
        offer();
    }
    for (int i = 0; !box_.empty() && i < 10'000; ++i)
      write();
    BOOST_TEST_REQUIRE(box_.empty());
    BOOST_TEST(box_.messages() == 0u);
    BOOST_TEST(box_.bytes() == 0u);
    check();
  }

private:
  void offer() {
    auto source = static_cast<std::uint32_t>(random_.below(5));
    outbox_item it;
    it.source = source;
    it.frames = source == 0 ? 1 : static_cast<std::uint32_t>(1 + random_.below(3));
    it.seq_first = next_[source] + 1 + random_.below(3); // numbers may skip
    it.seq_last = it.seq_first + it.frames - 1;
    next_[source] = it.seq_last;
    it.policy = source == 0 ? overflow::disconnect : policies_[source];
    if (source != 0 && random_.once_in(8)) // one may differ from its source
      it.policy = static_cast<overflow>(random_.below(5));
    it.conflate_key = random_.below(4);
    it.expires = random_.once_in(8) ? now_ + static_cast<mono_ms>(random_.below(20)) : 0;
    std::ostringstream text;
    text << "item " << source << ' ' << it.seq_first << ' ' << it.seq_last << ' ' << it.frames << ' '
         << std::string(random_.below(random_.once_in(10) ? 2000 : 60), '.');
    it.data = text_slice(text.str());
    auto frames = it.frames;
    auto was_empty = box_.empty();
    auto result = box_.offer(std::move(it));
    BOOST_TEST_REQUIRE((!was_empty || result.what == verdict::queued));
    dropped_ += result.dropped;
    gone_ += result.conflated;
    offered_ += frames;
    if (result.what == verdict::spilled || result.what == verdict::overflow_close)
      gone_ += frames;
    BOOST_TEST_REQUIRE(box_.messages() <= limits_.messages_max + limits_.control_messages_max + 3);
  }

  void write() {
    now_ += static_cast<mono_ms>(random_.below(5));
    std::vector<slice> out;
    auto room = 1 + random_.below(2000);
    auto result = box_.fill(out, room, now_, write_gap);
    gone_ += result.expired;
    if (!given_back_ && result.expired == 0)
      no_two_gaps_in_a_row(out);
    BOOST_TEST_REQUIRE(result.more == !box_.empty());
    auto taken = random_.once_in(3) ? random_.below(out.size() + 1) : out.size();
    for (std::size_t i = 0; i < taken; ++i)
      sent_.emplace_back(out[i].bytes);
    box_.give_back(std::span{out}.subspan(taken));
    given_back_ = taken < out.size() || (given_back_ && result.more);
  }

  /// What was lost in a row is told once.
  static void no_two_gaps_in_a_row(const std::vector<slice>& out) {
    std::map<std::uint32_t, bool> last_was_gap;
    for (const auto& s : out) {
      std::istringstream in{std::string{s.bytes}};
      std::string what;
      std::uint32_t source = 0;
      in >> what >> source;
      BOOST_TEST_REQUIRE((what != "gap" || !last_was_gap[source]));
      last_was_gap[source] = what == "gap";
    }
  }

  void check() const {
    std::map<std::uint32_t, std::uint64_t> last;
    std::uint64_t frames = 0, lost = 0;
    for (const auto& line : sent_) {
      std::istringstream in{line};
      std::string what;
      std::uint32_t source = 0;
      std::uint64_t from = 0, to = 0, count = 0;
      in >> what >> source >> from >> to >> count;
      BOOST_TEST_REQUIRE(from > last[source]);
      BOOST_TEST_REQUIRE(to >= from);
      last[source] = to;
      (what == "gap" ? lost : frames) += count;
    }
    BOOST_TEST(lost == dropped_);
    BOOST_TEST(frames + lost + gone_ == offered_);
  }

  dice& random_;
  outbox_limits limits_;
  outbox box_;
  std::map<std::uint32_t, overflow> policies_;
  std::map<std::uint32_t, std::uint64_t> next_;
  std::vector<std::string> sent_;
  std::uint64_t offered_ = 0, dropped_ = 0, gone_ = 0;
  mono_ms now_ = 0;
  bool given_back_ = false; ///< What was not taken may be in the box still.
};

} // namespace

BOOST_AUTO_TEST_CASE(generated_streams_are_in_order_and_every_loss_is_marked) {
  for_seeds(400, [](dice& random) { simulation{random}.run(); });
}

BOOST_AUTO_TEST_SUITE_END()
