#include "tests/log/log_world.hpp"

#include <set>

using namespace troupe::log;

BOOST_AUTO_TEST_SUITE(record_suite)

BOOST_AUTO_TEST_CASE(what_is_encoded_is_decoded) {
  for_seeds(500, [](dice& random) {
    const auto written = any_record(random);
    std::string body;
    encode(view_of(written), body);
    record_view read;
    BOOST_TEST((decode(body, read) == decode_fault::none));
    BOOST_TEST((copy_of(read) == written));
    std::string again;
    encode(read, again);
    BOOST_TEST(again == body);
  });
}

BOOST_AUTO_TEST_CASE(damaged_bodies_are_refused_or_read_and_never_read_past) {
  for_seeds(500, [](dice& random) {
    std::string body;
    encode(view_of(any_record(random)), body);
    for (int i = 0; i < 20; ++i) {
      auto bad = body.substr(0, random.below(body.size() + 1));
      if (!bad.empty())
        bad[random.below(bad.size())] = static_cast<char>(random.below(256));
      // In a block of exactly its size, so that AddressSanitizer sees what is read behind it.
      const std::vector<char> exact{bad.begin(), bad.end()};
      record_view read;
      const std::string_view bytes{exact.data(), exact.size()};
      if (decode(bytes, read) == decode_fault::none)
        for (const auto& field : text_fields) {
          const auto text = read.*field.member;
          BOOST_TEST((text.empty() ||
                      (text.data() >= bytes.data() && text.data() + text.size() <= bytes.data() + bytes.size())));
        }
    }
  });
}

BOOST_AUTO_TEST_CASE(each_fault_of_a_body_has_its_name) {
  const auto fault_of = [](std::string body) {
    record_view read;
    return decode(body, read);
  };
  const std::string front(record_bytes_min, '\1');
  BOOST_TEST((fault_of(front) == decode_fault::none));
  BOOST_TEST((fault_of(front.substr(1)) == decode_fault::too_short));
  BOOST_TEST((fault_of(std::string(record_bytes_max + 1, '\1')) == decode_fault::too_long));
  BOOST_TEST((fault_of(front + "\x01\x05room") == decode_fault::field_cut_off));
  BOOST_TEST((fault_of(front + "\x02\x01z\x01\x01y") == decode_fault::fields_out_of_order));
  BOOST_TEST((fault_of(front + "\x02\x01z\x02\x01y") == decode_fault::fields_out_of_order));
  BOOST_TEST((fault_of(front + std::string{"\x40\x01\x00", 3}) == decode_fault::bad_number));
  BOOST_TEST((fault_of(front + "\x40\x09"
                               "123456789") == decode_fault::bad_number));
  BOOST_TEST(
      (fault_of(front + std::string{"\x01\x81\x00z", 4}) == decode_fault::field_cut_off)); // A long way to say 1.
}

BOOST_AUTO_TEST_CASE(fields_of_the_future_are_passed_over) {
  auto written = message_record(7);
  std::string body;
  encode(view_of(written), body);
  body += std::string{"\xC8\x03new", 5};
  record_view read;
  BOOST_TEST((decode(body, read) == decode_fault::none));
  BOOST_TEST((copy_of(read) == written));
}

BOOST_AUTO_TEST_CASE(kinds_have_names_and_unknown_ones_numbers) {
  std::set<std::string> names;
  for (unsigned number = 0; number <= 0xFFFF; ++number) {
    const auto kind = static_cast<record_kind>(number);
    const auto name = to_string(kind);
    BOOST_TEST_REQUIRE(names.insert(name).second);
    BOOST_TEST_REQUIRE((record_kind_from(name) == kind));
  }
  BOOST_TEST(to_string(record_kind::offline_queue_flushed) == "offline.queue.flushed");
  BOOST_TEST(!record_kind_from("kind.65536"));
  BOOST_TEST(!record_kind_from("kind."));
  BOOST_TEST(!record_kind_from("no.such"));
}

BOOST_AUTO_TEST_CASE(tags_ascend) {
  for (std::size_t i = 0; i < text_fields.size(); ++i)
    BOOST_TEST(text_fields[i].tag == i + 1);
  for (std::size_t i = 0; i < number_fields.size(); ++i)
    BOOST_TEST(number_fields[i].tag == i + 64);
}

BOOST_AUTO_TEST_SUITE_END()
