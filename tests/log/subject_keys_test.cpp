#include "runtime/log/subject_keys.hpp"

#include "tests/log/log_world.hpp"

#include <sys/stat.h>

using namespace troupe::log;

namespace {

std::string unsealed(subject_keys& keys, std::string_view subject, const subject_keys::sealed& s) {
  return must(keys.open(subject, s.key_id, s.nonce, s.text));
}

fault_kind refusal(subject_keys& keys, std::string_view subject, const subject_keys::sealed& s) {
  const auto got = keys.open(subject, s.key_id, s.nonce, s.text);
  BOOST_TEST_REQUIRE(!got);
  return got.error().kind;
}

} // namespace

BOOST_AUTO_TEST_SUITE(subject_keys_suite)

BOOST_AUTO_TEST_CASE(what_was_sealed_is_opened_also_by_another_process) {
  const scratch place;
  const std::string secret = R"({"diagnosis":"none"})";
  subject_keys::sealed s;
  {
    subject_keys keys{place.path() / "keys"};
    s = must(keys.seal("ann", secret));
    BOOST_TEST(s.text.find("none") == std::string::npos);
    BOOST_TEST(s.text.size() == secret.size() + 16);
    BOOST_TEST(unsealed(keys, "ann", s) == secret);
  }
  subject_keys again{place.path() / "keys"};
  BOOST_TEST(unsealed(again, "ann", s) == secret);
  const auto empty = must(again.seal("ann", ""));
  BOOST_TEST(unsealed(again, "ann", empty).empty());
}

BOOST_AUTO_TEST_CASE(the_same_text_never_looks_the_same) {
  const scratch place;
  subject_keys keys{place.path() / "keys"};
  const auto one = must(keys.seal("ann", "yes"));
  const auto two = must(keys.seal("ann", "yes"));
  BOOST_TEST(one.key_id == two.key_id);
  BOOST_TEST(one.nonce != two.nonce);
  BOOST_TEST(one.text != two.text);
  BOOST_TEST(must(keys.seal("bob", "yes")).key_id != one.key_id);
}

BOOST_AUTO_TEST_CASE(a_subject_that_is_forgotten_stays_so_though_it_comes_back) {
  const scratch place;
  subject_keys keys{place.path() / "keys"};
  const auto before = must(keys.seal("ann", "secret"));
  const auto others = must(keys.seal("bob", "his"));
  BOOST_TEST(must(keys.forget("ann")));
  BOOST_TEST(!must(keys.forget("ann")));
  BOOST_CHECK(refusal(keys, "ann", before) == fault_kind::lost);
  const auto after = must(keys.seal("ann", "new"));
  BOOST_TEST(after.key_id != before.key_id);
  BOOST_CHECK(refusal(keys, "ann", before) == fault_kind::lost);
  BOOST_TEST(unsealed(keys, "ann", after) == "new");
  BOOST_TEST(unsealed(keys, "bob", others) == "his");
}

BOOST_AUTO_TEST_CASE(every_bit_counts) {
  const scratch place;
  subject_keys keys{place.path() / "keys"};
  const auto s = must(keys.seal("ann", "secret"));
  for (std::size_t bit = 0; bit < s.text.size() * 8; ++bit) {
    auto bad = s;
    bad.text[bit / 8] = static_cast<char>(bad.text[bit / 8] ^ (1 << bit % 8));
    BOOST_CHECK(refusal(keys, "ann", bad) == fault_kind::damaged);
  }
  auto bad = s;
  bad.nonce[0] = static_cast<char>(bad.nonce[0] ^ 1);
  BOOST_CHECK(refusal(keys, "ann", bad) == fault_kind::damaged);
  bad = s;
  bad.text.resize(8);
  BOOST_CHECK(refusal(keys, "ann", bad) == fault_kind::damaged);
  BOOST_CHECK(refusal(keys, "nobody", s) == fault_kind::lost);
}

BOOST_AUTO_TEST_CASE(a_key_is_its_owners_only_and_no_name_leads_out_of_the_folder) {
  const scratch place;
  const auto folder = place.path() / "keys";
  subject_keys keys{folder};
  const auto s = must(keys.seal("../../etc/passwd", "x"));
  BOOST_TEST(unsealed(keys, "../../etc/passwd", s) == "x");
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator{folder}) {
    ++files;
    struct stat about {};
    BOOST_TEST_REQUIRE(::stat(entry.path().c_str(), &about) == 0);
    BOOST_TEST((about.st_mode & 0777) == 0600u);
  }
  BOOST_TEST(files == 1u);
}

BOOST_AUTO_TEST_CASE(without_room_nothing_is_sealed) {
  const scratch place;
  failing_files files;
  files.room = 0;
  subject_keys keys{place.path() / "keys", files};
  const auto got = keys.seal("ann", "secret");
  BOOST_TEST_REQUIRE(!got);
  BOOST_CHECK(got.error().kind == fault_kind::no_space);
  files.room = -1;
  const auto s = must(keys.seal("ann", "secret"));
  BOOST_TEST(unsealed(keys, "ann", s) == "secret");
}

BOOST_AUTO_TEST_CASE(a_record_is_sealed_and_opened_in_place) {
  const scratch place;
  subject_keys keys{place.path() / "keys"};
  record_view r;
  r.kind = record_kind::channel_published;
  r.payload = "secret";
  BOOST_TEST(!is_confidential(r)); // about nobody
  r.subject = "ann";
  BOOST_TEST(is_confidential(r));
  subject_keys::sealed sealed;
  must(seal_payload(keys, r, sealed));
  BOOST_TEST(!is_confidential(r));
  std::string body;
  encode(r, body);
  BOOST_TEST(body.find("secret") == std::string::npos);
  record_view again;
  BOOST_TEST((decode(body, again) == decode_fault::none));
  std::string payload;
  BOOST_TEST(must(open_payload(keys, again, payload)));
  BOOST_TEST(again.payload == "secret");
  BOOST_TEST(again.key_id.empty());
  BOOST_TEST(must(open_payload(keys, again, payload))); // nothing more to be done
  BOOST_TEST(must(keys.forget("ann")));
  BOOST_TEST(!must(open_payload(keys, r, payload)));
  r.payload = {};
  r.key_id = no_key_id;
  BOOST_TEST(!must(open_payload(keys, r, payload)));
  must(keys.seal("ann", "new"));
  BOOST_TEST(!must(open_payload(keys, r, payload)));
}

BOOST_AUTO_TEST_CASE(requests_wait_until_they_are_finished) {
  const scratch place;
  forget_requests requests{place.path() / "keys"};
  BOOST_TEST(requests.waiting().empty());
  must(requests.put("ann"));
  must(requests.put("../bob"));
  must(requests.put("ann"));
  BOOST_TEST(requests.waiting().size() == 2u);
  must(requests.begin("ann"));
  BOOST_TEST(requests.has("ann"));
  BOOST_TEST(requests.waiting().size() == 2u);
  must(requests.put("ann")); // once more, while the first is done
  must(requests.finish("ann"));
  BOOST_TEST(requests.has("ann"));
  must(requests.begin("ann"));
  must(requests.finish("ann"));
  must(requests.finish("ann"));
  BOOST_TEST(!requests.has("ann"));
  // What is under a name that is not its own is nobody's request.
  write_over(place.path() / "keys" / "requests" / "note", "eve");
  BOOST_TEST(requests.waiting() == (std::vector<std::string>{"../bob"}), boost::test_tools::per_element());
  struct stat about {};
  for (const auto& entry : std::filesystem::directory_iterator{place.path() / "keys" / "requests"})
    if (entry.path().filename() != "note") {
      BOOST_TEST_REQUIRE(::stat(entry.path().c_str(), &about) == 0);
      BOOST_TEST((about.st_mode & 0777) == 0600u);
    }
}

BOOST_AUTO_TEST_SUITE_END()
