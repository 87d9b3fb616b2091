#include "runtime/model/resend_window.hpp"

#include "tests/model/seeded.hpp"

#include <string>

using namespace troupe;

namespace {

std::shared_ptr<const sender> by(std::string connection, std::optional<std::string> user) {
  return std::make_shared<const sender>(sender{std::move(connection), std::move(user), "n", "", ""});
}

message_ptr said(const std::shared_ptr<const sender>& who, std::string_view id, std::string_view payload = "1") {
  message_fields fields;
  fields.type = "t";
  fields.id = id;
  fields.payload = payload;
  fields.qos = qos::once;
  return message::make(fields, who, 0);
}

} // namespace

BOOST_AUTO_TEST_SUITE(resend_window_suite)

BOOST_AUTO_TEST_CASE(a_resend_finds_its_original) {
  resend_window window{2};
  const auto ann = by("c1", "ann");
  BOOST_TEST(!window.find(*said(ann, "a")));
  window.expect(*said(ann, "a"), 7);
  BOOST_TEST_REQUIRE(window.find(*said(ann, "a")).has_value());
  BOOST_TEST(window.find(*said(ann, "a"))->number == 7u);
  BOOST_TEST(window.find(*said(ann, "a"))->same_content);
  BOOST_TEST(!window.find(*said(ann, "a", "2"))->same_content);
  window.settle(*said(ann, "a"), 7);
  BOOST_TEST(window.find(*said(by("c2", "ann"), "a")).has_value()); // from another of her connections
}

BOOST_AUTO_TEST_CASE(what_will_not_be_is_forgotten) {
  resend_window window{2};
  const auto ann = by("c1", "ann");
  window.expect(*said(ann, "a"), 1);
  window.forget(*said(ann, "a"));
  BOOST_TEST(!window.find(*said(ann, "a")));
}

BOOST_AUTO_TEST_CASE(the_oldest_settled_goes_past_the_bound_and_nothing_under_way_does) {
  resend_window window{2};
  const auto ann = by("c1", "ann");
  window.expect(*said(ann, "under way"), 1);
  for (std::uint64_t i = 2; i <= 5; ++i)
    window.settle(*said(ann, std::to_string(i)), i);
  BOOST_TEST(window.find(*said(ann, "under way")).has_value());
  BOOST_TEST(!window.find(*said(ann, "2")));
  BOOST_TEST(!window.find(*said(ann, "3")));
  BOOST_TEST(window.find(*said(ann, "4")).has_value());
  BOOST_TEST(window.find(*said(ann, "5")).has_value());

  resend_window none{0};
  none.settle(*said(ann, "a"), 1);
  BOOST_TEST(!none.find(*said(ann, "a")));
}

BOOST_AUTO_TEST_CASE(nobody_can_write_anothers_key) {
  resend_window window{8};
  window.settle(*said(by("c1", "ann"), "b\nc"), 1);
  BOOST_TEST(!window.find(*said(by("c2", "ann\nb"), "c")));
  BOOST_TEST(!window.find(*said(by("c2", "annb"), "\nc")));
  BOOST_TEST(!window.find(*said(by("ann", std::nullopt), "b\nc"))); // a connection of that name
  window.settle(*said(by("1", std::nullopt), "x"), 2);
  BOOST_TEST(!window.find(*said(by("2", std::nullopt), "x")));
}

BOOST_AUTO_TEST_SUITE_END()
