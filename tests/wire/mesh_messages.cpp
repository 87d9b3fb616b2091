#include "runtime/wire/mesh_messages.hpp"

#include "runtime/model/hex.hpp"
#include "runtime/model/mesh/reliable_link.hpp"
#include "tests/model/allocations.hpp"
#include "tests/wire/mesh_cases.hpp"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace mesh_testing;

namespace {

std::string hex(const std::string& bytes) {
  return to_hex({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()});
}

std::string bytes_of(const message& what) {
  std::string out;
  BOOST_TEST_REQUIRE(encode(what, out) == "");
  return out;
}

struct read_back {
  std::vector<message> messages;
  std::string fault;
  std::size_t skipped = 0;
};

/// From a copy of just that size, so that a sanitizer sees what is read beyond it.
read_back read(std::string_view batch) {
  const auto copy = std::make_unique<char[]>(batch.size());
  std::copy(batch.begin(), batch.end(), copy.get());
  batch_reader in{{copy.get(), batch.size()}};
  read_back result;
  while (auto next = in.next())
    result.messages.push_back(std::move(*next));
  result.fault = in.fault();
  result.skipped = in.skipped();
  BOOST_TEST(!in.next().has_value());
  return result;
}

/// What a message would be with these fields, whatever they are.
std::string framed(unsigned kind, const std::string& fields) {
  std::string out;
  for (const unsigned shift : {0u, 8u, 16u})
    out.push_back(static_cast<char>(fields.size() >> shift));
  out.push_back(static_cast<char>(kind));
  return out + fields;
}

std::string fields_of(const message& what) { return bytes_of(what).substr(4); }
unsigned kind_of(const message& what) { return static_cast<unsigned char>(bytes_of(what)[3]); }

/// A message of each kind with something in every field.
std::vector<message> one_of_each() {
  const view_id id{7, {"a", 1000}};
  const epoch_id epoch{id, 3};
  const auto text = [](std::string_view what) { return std::make_shared<const std::string>(what); };
  const member who{"c1", "anna", "{}", "b", 5, 2, 9, true, false};
  claims_digest digest;
  digest.hashes[0] = 0x0102030405060708;
  return {heartbeat{{{{"a", 1000}, 2, 300, true, {{"b", 4}}}}, {id, {{"a", 1000}}, {"a"}}},
          agreed{id, {6, {"b", 4}}},
          settled{id},
          goodbye{},
          attach{"room", id, 5, place_in_room{epoch, 8}},
          attached{"room", 5, epoch, 9, true, {{9, text("hi")}}},
          detach{"room"},
          frames{"room", epoch, {10, text("hello")}},
          renewed{"room", epoch},
          mesh::publish{"room", id, 11, text("hello")},
          refused{"room", 11},
          hand_over{"room", id, {epoch, 10, "ring"}},
          snapshot{"room", {epoch, 10, "state"}},
          digest,
          claims_page{{{"orders", "a", 2, "e"}}, 7, true},
          claims_request{7, "orders"},
          roster_page{1, 2, 3, false, true, "c0", {who}},
          roster_receipt{1, 3, "c1"}};
}

std::string batch_of(const std::vector<message>& all) {
  std::string batch;
  for (const auto& what : all)
    BOOST_TEST_REQUIRE(encode(what, batch) == "");
  return batch;
}

} // namespace

BOOST_AUTO_TEST_SUITE(mesh_messages)

// The layout is fixed: nodes of different versions speak it.
BOOST_AUTO_TEST_CASE(each_kind_has_these_bytes) {
  constexpr std::string_view expected[] = {
      "1a000001 01 0161e807 02 ac02 01 01 016204 07 0161e807 01 0161e807 01 0161",
      "09000002 07 0161e807 06 016204",
      "05000003 07 0161e807",
      "00000004",
      "13000005 04726f6f6d 07 0161e807 05 01 07 0161e807 03 08",
      "13000006 04726f6f6d 05 07 0161e807 03 09 01 01 09 026869",
      "05000007 04726f6f6d",
      "12000008 04726f6f6d 07 0161e807 03 0a 0568656c6c6f",
      "0b000009 04726f6f6d 07 0161e807 03",
      "1100000a 04726f6f6d 07 0161e807 0b 0568656c6c6f",
      "0600000b 04726f6f6d 0b",
      "1600000c 04726f6f6d 07 0161e807 07 0161e807 03 0a 0472696e67",
      "1200000d 04726f6f6d 07 0161e807 03 0a 057374617465",
      "0002000e 0807060504030201",
      "1000000f 01 066f7264657273 0161 02 0165 01 07 01",
      "08000010 07 066f7264657273",
      "1a000011 01 02 03 02 026330 01 026331 01 04616e6e61 027b7d 0162 05 02 09 01",
      "05000012 01 03 026331",
  };
  const auto all = one_of_each();
  BOOST_TEST_REQUIRE(all.size() == std::variant_size_v<message>);
  for (std::size_t i = 0; i < all.size(); ++i) {
    BOOST_TEST(all[i].index() == i);
    std::string text{expected[i]};
    std::erase(text, ' ');
    if (std::holds_alternative<claims_digest>(all[i]))
      text.append(63 * 16, '0');
    BOOST_TEST(hex(bytes_of(all[i])) == text);
  }
}

BOOST_AUTO_TEST_CASE(all_fields_of_every_kind_come_through_in_batches) {
  for_seeds(3000, [](dice& random) {
    std::vector<message> all;
    for (auto count = random.below(8); count > 0; --count)
      all.push_back(any_message(random));
    const auto got = read(batch_of(all));
    BOOST_TEST(got.fault == "");
    BOOST_TEST(got.skipped == 0u);
    BOOST_TEST(std::equal(all.begin(), all.end(), got.messages.begin(), got.messages.end(), same));
  });
}

BOOST_AUTO_TEST_CASE(a_batch_that_is_cut_anywhere_gives_what_is_whole_and_says_so) {
  const auto all = one_of_each();
  const auto batch = batch_of(all);
  std::vector<std::size_t> ends{0};
  for (const auto& what : all)
    ends.push_back(ends.back() + bytes_of(what).size());
  for (std::size_t bytes = 0; bytes <= batch.size(); ++bytes) {
    const auto got = read(std::string_view{batch}.substr(0, bytes));
    const auto whole = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), bytes) - ends.begin()) - 1;
    BOOST_TEST_REQUIRE(got.messages.size() == whole);
    BOOST_TEST(std::equal(got.messages.begin(), got.messages.end(), all.begin(), same));
    BOOST_TEST(got.fault.empty() == (bytes == ends[whole]));
  }
}

BOOST_AUTO_TEST_CASE(fields_that_end_too_early_are_no_message) {
  for (const auto& what : one_of_each()) {
    const auto fields = fields_of(what);
    for (std::size_t bytes = 0; bytes < fields.size(); ++bytes) {
      const auto got = read(framed(kind_of(what), fields.substr(0, bytes)));
      BOOST_TEST(got.messages.empty());
      BOOST_TEST(got.fault == "message 1, of kind " + std::to_string(kind_of(what)) +
                                  ", ends before its fields do, or has a number that is none");
    }
  }
}

/// Whatever is taken can be said again, and means the same then.
void must_be_sound(std::string_view batch) {
  const auto got = read(batch);
  std::string again;
  for (const auto& what : got.messages)
    BOOST_TEST_REQUIRE(encode(what, again) == "");
  const auto twice = read(again);
  BOOST_TEST(twice.fault == "");
  BOOST_TEST(std::equal(got.messages.begin(), got.messages.end(), twice.messages.begin(), twice.messages.end(), same));
}

BOOST_AUTO_TEST_CASE(each_flipped_bit_gives_messages_or_a_fault) {
  auto batch = batch_of(one_of_each());
  for (std::size_t bit = 0; bit < 8 * batch.size(); ++bit) {
    const auto flip = static_cast<char>(1u << bit % 8);
    batch[bit / 8] ^= flip;
    must_be_sound(batch);
    batch[bit / 8] ^= flip;
  }
}

void must_take_little(std::string_view batch) {
  batch_reader in{batch};
  const auto before = allocated_bytes();
  while (in.next()) {
  }
  BOOST_TEST(allocated_bytes() - before <= 64 * batch.size() + 200); // 200: the fault's words
}

BOOST_AUTO_TEST_CASE(whatever_comes_takes_no_more_memory_than_64_times_its_bytes) {
  for_seeds(3000, [](dice& random) {
    std::string batch;
    if (random.once_in(2)) {
      batch = batch_of({any_message(random), any_message(random)});
      for (auto changes = random.below(10); changes > 0; --changes)
        batch[random.below(batch.size())] = static_cast<char>(random.below(256));
    } else { // long lists of the shortest entries, or of nothing but zeros
      std::string fields(random.below(3000), '\0');
      for (auto changes = random.below(20); changes > 0 && !fields.empty(); --changes)
        fields[random.below(std::min<std::size_t>(fields.size(), 20))] = static_cast<char>(random.below(256));
      batch = framed(1 + static_cast<unsigned>(random.below(18)), fields);
    }
    must_be_sound(batch);
    must_take_little(batch);
  });
  must_take_little(framed(1, "\x40"));      // a heartbeat of 64 rows, it says
  must_take_little(framed(15, "\x80\x02")); // a page of 256 claims
  must_take_little(framed(17, std::string(5, '\0') + "\x80\x02"));
}

BOOST_AUTO_TEST_CASE(what_a_newer_version_says_besides_is_passed_over) {
  const auto all = one_of_each();
  std::string batch;
  for (const auto& what : all) {
    batch += framed(static_cast<unsigned>(all.size()) + 1, "something new");
    batch += framed(kind_of(what), fields_of(what) + "new fields");
    batch += framed(255, "");
  }
  const auto got = read(batch);
  BOOST_TEST(got.fault == "");
  BOOST_TEST(got.skipped == 2 * all.size());
  BOOST_TEST(std::equal(all.begin(), all.end(), got.messages.begin(), got.messages.end(), same));
  BOOST_TEST(read(framed(19, "x").substr(0, 4)).fault == "message 1, of kind 19, is cut off");
  BOOST_TEST(read(framed(0, "x")).fault == "message 1, of kind 0, has no kind");
}

BOOST_AUTO_TEST_CASE(nothing_behind_a_fault_is_read) {
  const auto got = read(framed(7, "\x01r") + framed(7, "\x05r") + framed(7, "\x01r"));
  BOOST_TEST(got.messages.size() == 1u);
  BOOST_TEST(got.fault == "message 2, of kind 7, ends before its fields do, or has a number that is none");
}

BOOST_AUTO_TEST_CASE(names_and_lists_have_their_bounds_at_both_ends) {
  const std::vector<std::pair<message, message>> most_and_more{
      {detach{std::string(320, 'r')}, detach{std::string(321, 'r')}},
      {settled{{1, {std::string(64, 'n'), 1}}}, settled{{1, {std::string(65, 'n'), 1}}}},
      {heartbeat{std::vector<hearing_row>(64), {}}, heartbeat{std::vector<hearing_row>(65), {}}},
      {heartbeat{{}, {{}, {}, std::vector<std::string>(64)}}, heartbeat{{}, {{}, {}, std::vector<std::string>(65)}}},
      {heartbeat{{}, {{}, std::vector<node_life>(64), {}}}, heartbeat{{}, {{}, std::vector<node_life>(65), {}}}},
      {heartbeat{{{{}, 0, 0, false, std::vector<node_life>(64)}}, {}},
       heartbeat{{{{}, 0, 0, false, std::vector<node_life>(65)}}, {}}},
      {claims_page{std::vector<claim>(256), {}, {}}, claims_page{std::vector<claim>(257), {}, {}}},
      {roster_page{0, 0, 0, {}, {}, {}, std::vector<member>(256)},
       roster_page{0, 0, 0, {}, {}, {}, std::vector<member>(257)}},
      {attached{"", 0, {}, 0, {}, std::vector<numbered>(256)}, attached{"", 0, {}, 0, {}, std::vector<numbered>(257)}},
  };
  for (const auto& [most, more] : most_and_more) {
    BOOST_TEST(read(bytes_of(most)).messages.size() == 1u);
    std::string out = "before";
    const auto why = encode(more, out);
    BOOST_TEST((why.starts_with("has a name that is too long") || why.starts_with("has a list that is too long")));
    BOOST_TEST(out == "before");
  }
  const auto name = std::string("\xC1\x02") + std::string(321, 'r');
  BOOST_TEST(read(framed(7, name)).fault ==
             "message 1, of kind 7, has a name that is too long: 64 bytes of a node, 320 of all else");
  const auto rows = std::string("\x41") + std::string(65 * 6, '\0');
  BOOST_TEST(read(framed(1, rows)).fault == "message 1, of kind 1, has a list that is too long");
}

BOOST_AUTO_TEST_CASE(a_message_is_as_long_as_a_batch_and_no_longer) {
  const std::size_t around = fields_of(snapshot{"r", {{}, 0, ""}}).size() + 2 + 4; // its length takes two bytes more
  const auto most = snapshot{"r", {{}, 0, std::string(message_bytes_max - around, 's')}};
  const auto bytes = bytes_of(most);
  BOOST_TEST(bytes.size() == message_bytes_max);
  const auto got = read(bytes);
  BOOST_TEST_REQUIRE(got.messages.size() == 1u);
  BOOST_TEST(same(got.messages[0], most));
  const auto more = snapshot{"r", {{}, 0, std::string(message_bytes_max - around + 1, 's')}};
  std::string out;
  BOOST_TEST(encode(more, out) ==
             "has more than 1 MiB: send what is in it in several messages, or a room without its ring");
  BOOST_TEST(out == "");
  BOOST_TEST(read(framed(99, std::string(message_bytes_max - 3, 'x'))).fault ==
             "message 1, of kind 99, has more than 1 MiB");
}

BOOST_AUTO_TEST_CASE(numbers_have_one_form) {
  const auto with_ticket = [](std::string_view ticket) {
    return read(framed(11, "\x01r" + std::string{ticket})).fault.empty();
  };
  BOOST_TEST(with_ticket({"\0", 1}));
  BOOST_TEST(with_ticket("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"));
  BOOST_TEST(!with_ticket("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"));
  BOOST_TEST(!with_ticket("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x81"));
  BOOST_TEST(!with_ticket({"\x80\0", 2}));
}

BOOST_AUTO_TEST_CASE(a_cargo_that_is_null_travels_as_an_empty_one) {
  const auto got = read(bytes_of(mesh::publish{"r", {}, 1, nullptr}));
  BOOST_TEST_REQUIRE(got.messages.size() == 1u);
  BOOST_TEST(*std::get<mesh::publish>(got.messages[0]).what == "");
}

BOOST_AUTO_TEST_CASE(a_turns_messages_leave_in_batches_within_the_bound) {
  for_seeds(300, [](dice& random) {
    const auto bytes_max = 1 + random.below(2'000);
    batch_writer writer{bytes_max};
    for (int turn = 0; turn < 3; ++turn) {
      std::vector<message> said;
      for (auto count = random.below(20); count > 0; --count) {
        said.push_back(any_message(random));
        BOOST_TEST_REQUIRE(writer.add(said.back()) == "");
      }
      BOOST_TEST(writer.add(detach{std::string(321, 'r')}) != "");
      std::vector<message> heard;
      for (const auto& batch : writer.take()) {
        auto got = read(batch);
        BOOST_TEST(got.fault == "");
        BOOST_TEST(!got.messages.empty());
        BOOST_TEST((got.messages.size() == 1 || batch.size() <= bytes_max));
        std::move(got.messages.begin(), got.messages.end(), std::back_inserter(heard));
      }
      BOOST_TEST(std::equal(said.begin(), said.end(), heard.begin(), heard.end(), same));
      BOOST_TEST(writer.take().empty());
    }
  });
}

BOOST_AUTO_TEST_SUITE_END()
