#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "runtime/wire/encoder.hpp"

#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

struct nothing final : troupe::wire::encoder {
  void append(std::string&, const troupe::message&, const troupe::stamp&) const override {}
};

} // namespace

BOOST_AUTO_TEST_SUITE(encoders)

BOOST_AUTO_TEST_CASE(registered_from_any_thread_up_to_the_limit) {
  using troupe::wire::encoders_max;
  std::vector<std::unique_ptr<nothing>> made(encoders_max);
  std::vector<std::thread> threads;
  for (auto& one : made)
    threads.emplace_back([&one] { one = std::make_unique<nothing>(); });
  for (auto& thread : threads)
    thread.join();
  std::vector<bool> seen(encoders_max);
  for (const auto& one : made) {
    BOOST_REQUIRE(one->index() < encoders_max);
    BOOST_TEST(!seen[one->index()]);
    seen[one->index()] = true;
    BOOST_TEST(&troupe::wire::encoder_at(one->index()) == one.get());
  }
  for (int i = 0; i < 3; ++i)
    BOOST_CHECK_THROW(nothing{}, std::length_error);
}

BOOST_AUTO_TEST_SUITE_END()
