// Channels whose log is damaged: whoever reads is told exactly what nobody can read, and gets everything else.

#include "tests/actors/channel_log_bench.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

using namespace troupe;
using namespace troupe::testing;

namespace {

/// A log with a channel "c" in it, the files of which are damaged while nobody looks.
struct damaged_log : log_bench {
  using log_bench::log_bench;

  struct frame {
    std::uint64_t segment = 0;
    std::uint64_t at = 0;
    std::uint64_t bytes = 0;
  };

  /// Stores 400 messages in several segments.
  void fill_segments() {
    begin("c");
    for (std::uint64_t n = 1; n <= 400; n += 4)
      store("c", n, n + 3, qos::at_most_once, 100);
    look_up();
  }

  /// Where the messages of the channel lie. Nothing is damaged yet.
  void look_up() {
    log->catch_up_index();
    auto at = must(log::cursor::open(log->folder(), 0));
    while (at.next() == log::cursor::step::ready)
      if (at.at().what.channel == "c" && at.at().what.offset)
        frames[*at.at().what.offset] = {at.at().segment, at.at().offset, 12 + at.at().body.size()};
  }

  std::filesystem::path file(std::uint64_t segment) const { return log->folder() / log::segment_name(segment); }
  template <class Change>
  void change(std::uint64_t segment, Change change_in) {
    auto bytes = read_all(file(segment));
    change_in(bytes);
    write_over(file(segment), bytes);
  }
  void flip(std::uint64_t offset) {
    const auto& f = frames.at(offset);
    change(f.segment, [&](std::string& bytes) { bytes[f.at + f.bytes - 1] ^= 1; });
    bad.insert(offset);
  }
  void spoil_length(std::uint64_t offset) {
    const auto& f = frames.at(offset);
    change(f.segment, [&](std::string& bytes) { bytes.replace(f.at, 4, "\xff\xff\xff\x7f"); });
    bad.insert(offset);
  }
  void spoil(std::uint64_t segment, std::uint64_t from, std::uint64_t to, char with) {
    change(segment, [&](std::string& bytes) {
      const auto before = bytes;
      to = std::min(to, bytes.size());
      if (from < to)
        bytes.replace(from, to - from, to - from, with);
      for (const auto& [offset, f] : frames)
        if (f.segment == segment && !bad.contains(offset) && bytes.compare(f.at, f.bytes, before, f.at, f.bytes) != 0)
          bad.insert(offset);
    });
  }
  void cut(std::uint64_t segment, std::uint64_t size) {
    std::filesystem::resize_file(file(segment), size);
    for (const auto& [offset, f] : frames)
      if (f.segment == segment && f.at + f.bytes > size)
        bad.insert(offset);
  }
  void spoil_header(std::uint64_t segment) {
    change(segment, [](std::string& bytes) { bytes[20] ^= 1; });
    for (const auto& [offset, f] : frames)
      if (f.segment == segment)
        bad.insert(offset);
  }

  /// Reads as a channel does, piece by piece. @returns what is told, one after the other: a message, or a stretch
  std::vector<std::string> told(bool reverse, std::uint64_t from, std::uint64_t to, std::size_t many = 1'000'000) {
    channel_reading what{"c", epoch["c"], {1, from, to, reverse, many, std::size_t{1} << 30}};
    std::vector<std::string> out;
    offset_range stretch; // that was told last, unless a message was
    while (what.what.from <= what.what.to) {
      const auto found = reader->read(what);
      BOOST_TEST_REQUIRE(!found.why.has_value());
      BOOST_TEST_REQUIRE(found.messages.size() <= many);
      BOOST_TEST_REQUIRE(found.damaged.size() == found.damaged_why.size());
      if (found.messages.empty() && found.damaged.empty())
        break;
      pieces.push_back(found);
      auto m = found.messages.begin();
      auto b = found.damaged.begin();
      while (m != found.messages.end() || b != found.damaged.end()) {
        const bool gap = b != found.damaged.end() && (m == found.messages.end() || (b->first < m->offset) != reverse);
        const auto first = gap ? b->first : m->offset;
        const auto last = gap ? b->last : m->offset;
        BOOST_TEST_REQUIRE(first <= last);
        BOOST_TEST_REQUIRE((what.what.from <= first && last <= what.what.to), first << " was not asked for, or before");
        (reverse ? what.what.to : what.what.from) = reverse ? first - 1 : last + 1;
        if (!gap)
          stretch = {};
        if (gap && stretch.first != 0) { // a read may end in the middle of one
          stretch = {std::min(stretch.first, first), std::max(stretch.last, last)};
          out.pop_back();
        } else if (gap) {
          stretch = {first, last};
        }
        out.push_back(gap ? std::to_string(stretch.first) + "-" + std::to_string(stretch.last) : std::to_string(first));
        gap ? void(++b) : void(++m);
      }
    }
    return out;
  }

  /// What has to be told.
  std::vector<std::string> expected(bool reverse, std::uint64_t from, std::uint64_t to) const {
    std::vector<std::string> out;
    for (auto offset = from; offset <= to; ++offset) {
      auto last = offset;
      while (bad.contains(offset) && last < to && bad.contains(last + 1))
        ++last;
      out.push_back(std::to_string(offset) + (bad.contains(offset) ? "-" + std::to_string(last) : ""));
      offset = last;
    }
    if (reverse)
      std::reverse(out.begin(), out.end());
    return out;
  }

  void check(std::uint64_t from, std::uint64_t to) {
    for (const bool reverse : {false, true})
      BOOST_TEST(told(reverse, from, to) == expected(reverse, from, to), boost::test_tools::per_element());
  }

  std::map<std::uint64_t, frame> frames; ///< By offset.
  std::set<std::uint64_t> bad;           ///< What nobody can read.
  std::vector<channel_found> pieces;     ///< That were read.
};

/// Of 20 messages that were stored at once, these are damaged.
void check_damage_of(const std::vector<std::uint64_t>& which, void (damaged_log::*damage)(std::uint64_t)) {
  damaged_log s;
  s.begin("c");
  s.begin("d");
  s.store("d", 1, 3);
  s.store("c", 1, 20);
  s.store("d", 4, 6);
  s.look_up();
  for (const auto offset : which)
    (s.*damage)(offset);
  s.check(1, 20);
  for (const std::uint64_t from : {1, 2, 9, 10, 11, 20})
    for (const std::uint64_t to : {1, 9, 10, 11, 19, 20})
      if (from <= to)
        s.check(from, to);
  BOOST_TEST_REQUIRE(!s.pieces.front().damaged_why.empty());
  BOOST_TEST(s.pieces.front().damaged_why.front().find("a record is damaged (00000000000000000000.seg, record ") == 0u);
}

} // namespace

BOOST_AUTO_TEST_SUITE(channel_damage)

BOOST_AUTO_TEST_CASE(the_first_record_of_a_run) { check_damage_of({1}, &damaged_log::flip); }
BOOST_AUTO_TEST_CASE(one_in_the_middle_of_a_run) { check_damage_of({10}, &damaged_log::flip); }
BOOST_AUTO_TEST_CASE(the_last_of_a_run) { check_damage_of({20}, &damaged_log::flip); }
BOOST_AUTO_TEST_CASE(two_side_by_side) { check_damage_of({10, 11}, &damaged_log::flip); }
BOOST_AUTO_TEST_CASE(all_of_a_run_but_one) {
  auto all = range(1, 20);
  all.erase(all.begin() + 9);
  check_damage_of(all, &damaged_log::flip);
}
BOOST_AUTO_TEST_CASE(a_length_that_leads_nowhere) {
  check_damage_of({1}, &damaged_log::spoil_length);
  check_damage_of({10, 12}, &damaged_log::spoil_length);
  check_damage_of({20}, &damaged_log::spoil_length);
}

BOOST_AUTO_TEST_CASE(large_records) {
  damaged_log s;
  s.begin("c");
  s.store("c", 1, 9, qos::at_most_once, 100'000);
  s.look_up();
  for (const std::uint64_t offset : {2, 4, 5, 9})
    s.flip(offset);
  s.spoil_length(7);
  s.check(1, 9);
}

BOOST_AUTO_TEST_CASE(messages_that_were_stored_one_by_one) {
  damaged_log s;
  s.begin("c");
  for (std::uint64_t n = 1; n <= 20; ++n)
    s.store("c", n, n);
  s.look_up();
  for (const std::uint64_t offset : {1, 7, 8, 9, 20})
    s.flip(offset);
  s.check(1, 20);
  s.check(8, 8);
  s.store("c", 21, 25); // it goes on, and is read on
  s.look_up();
  s.check(1, 25);
}

BOOST_AUTO_TEST_CASE(the_end_of_a_sealed_segment_is_missing) {
  damaged_log s{4096};
  s.fill_segments();
  const auto& f = s.frames.at(10);
  BOOST_TEST_REQUIRE(s.frames.at(400).segment != f.segment);
  s.cut(f.segment, f.at + 5);
  BOOST_TEST(s.bad.contains(11u));
  BOOST_TEST(!s.bad.contains(100u));
  s.check(1, 400);
}

BOOST_AUTO_TEST_CASE(a_segment_without_a_header_and_one_that_is_gone) {
  damaged_log s{4096};
  s.fill_segments();
  s.spoil_header(s.frames.at(200).segment);
  s.check(1, 400);
  const auto segment = s.frames.at(300).segment;
  BOOST_TEST_REQUIRE(segment != s.frames.at(200).segment);
  std::filesystem::remove(s.file(segment));
  for (const auto& [offset, f] : s.frames)
    if (f.segment == segment)
      s.bad.insert(offset);
  s.check(1, 400);
}

BOOST_AUTO_TEST_CASE(what_retention_drops_is_no_damage) {
  damaged_log s{4096};
  s.fill_segments();
  s.flip(7);
  s.log->retain(0, 1, now_ms * 1000); // the index still has what was dropped
  s.bad.clear();
  const auto kept = s.read("c");
  BOOST_TEST_REQUIRE(!kept.empty());
  BOOST_TEST(s.told(false, 1, 400) == s.expected(false, kept.front(), 400), boost::test_tools::per_element());
  BOOST_TEST(kept.front() > 300u);
  BOOST_TEST(s.told(true, 1, 400) == s.expected(true, kept.front(), 400), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_was_written_and_not_synced) {
  damaged_log s;
  s.begin("c");
  s.store("c", 1, 3);
  s.append("c", 4, 9);
  s.append("c", 10, 12);
  s.log->commit(false);
  s.look_up();
  s.flip(4);
  s.flip(7);
  s.flip(12);
  s.check(1, 12);
}

// A large stretch of nothing in many runs: it is searched a few times, and not once for each of them.
BOOST_AUTO_TEST_CASE(much_that_is_damaged_ends) {
  damaged_log s{std::uint64_t{64} << 20};
  s.begin("c");
  for (std::uint64_t n = 1; n <= 6000; n += 3)
    s.store("c", n, n + 2, qos::at_most_once, 300);
  s.look_up();
  const auto from = s.frames.at(100).at + 7;
  s.spoil(0, from, s.frames.at(5900).at + 7, '\0');
  for (const bool reverse : {false, true}) {
    s.pieces.clear();
    std::uint64_t gone = 0;
    for (const auto& text : s.told(reverse, 1, 6000)) {
      const auto dash = text.find('-');
      if (dash != text.npos)
        gone += std::stoull(text.substr(dash + 1)) - std::stoull(text) + 1;
    }
    BOOST_TEST(gone == 5801u);
    BOOST_TEST(s.pieces.size() < 40u);
  }
}

BOOST_AUTO_TEST_CASE(generated_damage_is_told_exactly) {
  for_seeds(150, [](dice& random) {
    damaged_log s{random.once_in(3) ? std::uint64_t{1} << 20 : 2048 + random.below(8192)};
    s.begin("c");
    s.begin("d");
    std::uint64_t last = 0;
    std::uint64_t other = 0;
    for (auto turns = 1 + random.below(40); turns > 0; --turns) {
      if (random.once_in(3)) {
        s.store("d", other + 1, other + 1);
        ++other;
      }
      const auto first = std::exchange(last, last + 1 + random.below(random.once_in(2) ? 1 : 9)) + 1;
      s.store("c", first, last, qos::at_most_once, random.below(400));
    }
    if (random.once_in(3))
      s.open_again(true, true); // runs are longer then
    s.look_up();
    const auto any = [&] { return 1 + random.below(last); };
    for (auto many = random.below(6); many > 0; --many) {
      const auto offset = any();
      if (s.bad.contains(offset))
        continue;
      const auto& f = s.frames.at(offset);
      switch (random.below(5)) {
      case 0:
        s.spoil_length(offset);
        break;
      case 1:
        s.spoil(f.segment, f.at, f.at + random.below(3000) + 1, random.once_in(2) ? '\0' : '\xff');
        break;
      case 2:
        if (random.once_in(4))
          s.cut(f.segment, f.at + random.below(f.bytes));
        break;
      case 3:
        if (random.once_in(8))
          s.spoil_header(f.segment);
        break;
      default:
        s.flip(offset);
      }
    }
    s.reader.emplace(*s.log);
    s.check(1, last);
    for (int i = 0; i < 5; ++i) {
      const auto from = any();
      const auto to = from + random.below(last - from + 1);
      const bool reverse = random.once_in(2);
      std::uint64_t next = reverse ? to : from; // a stretch may come in several pieces
      for (const auto& one : s.told(reverse, from, to, 1 + random.below(7))) {
        const auto dash = one.find('-');
        const auto first = std::stoull(one);
        const auto end = dash == one.npos ? first : std::stoull(one.substr(dash + 1));
        BOOST_TEST_REQUIRE((reverse ? end : first) == next);
        for (auto offset = first; offset <= end; ++offset)
          BOOST_TEST_REQUIRE(s.bad.contains(offset) == (dash != one.npos), offset << " in " << one);
        next = reverse ? first - 1 : end + 1;
      }
      BOOST_TEST_REQUIRE(next == (reverse ? from - 1 : to + 1));
    }
  });
}

BOOST_AUTO_TEST_SUITE_END()
