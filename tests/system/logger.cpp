#undef BOOST_TEST_MODULE
#include "runtime/system/logger.hpp"

#include <array>
#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace troupe;

namespace {

/// A logger that writes into a pipe.
struct captured {
  captured() {
    BOOST_REQUIRE(pipe(ends.data()) == 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fcntl(ends[1], F_SETPIPE_SZ, 64 * 1024);
  }
  ~captured() {
    close(ends[0]);
    close(ends[1]);
  }
  std::string text() const {
    std::string out(128 * 1024, '\0');
    const auto n = read(ends[0], out.data(), out.size());
    out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return out;
  }
  std::array<int, 2> ends{};
};

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

} // namespace

BOOST_AUTO_TEST_SUITE(logger_suite)

BOOST_AUTO_TEST_CASE(a_line_is_time_level_slug_fields) {
  const captured out;
  logger log{out.ends[1]};
  log.info("listening", "address={} tls={} share={:.2f}", "127.0.0.1:8080", false, 0.123);
  log.warn("bare");
  const auto text = out.text();
  BOOST_TEST(text.find("Z I listening address=127.0.0.1:8080 tls=false share=0.12\n") != std::string::npos);
  BOOST_TEST(text.find("Z W bare\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(values_cannot_forge_lines) {
  const captured out;
  logger log{out.ends[1]};
  log.info("user", "name={} empty={}", "a\nb slug x=\"1\" {} \\", "");
  const auto text = out.text();
  BOOST_TEST(lines(text) == 1u);
  BOOST_TEST(text.find(R"(name="a\u000ab slug x=\"1\" {} \\" empty="")") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(json_lines_hold_the_same) {
  const captured out;
  logger log{out.ends[1]};
  log.format(log_format::json);
  log.error("broken", "why={} n={}", "a\"b\n", 3);
  const auto text = out.text();
  BOOST_TEST(text.find(R"({"slug":"broken","level":"error","time":")") == 0u);
  BOOST_TEST(text.find(R"("why":"a\"b\u000a","n":"3"})") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(levels_filter) {
  const captured out;
  logger log{out.ends[1]};
  log.level(log_level::warn);
  log.info("no");
  log.error("yes");
  BOOST_TEST(lines(out.text()) == 1u);
  BOOST_TEST((log_level_from("debug") == log_level::debug));
  BOOST_TEST(!log_level_from("loud").has_value());
}

BOOST_AUTO_TEST_CASE(repeated_slugs_are_counted_instead) {
  const captured out;
  logger log{out.ends[1]};
  for (int i = 0; i < 1000; ++i)
    log.info("storm", "i={}", i);
  // The clock's second may turn once or twice on the way, but not twenty times.
  BOOST_TEST(lines(out.text()) <= 20 * logger::lines_per_second_max);
  log.info("calm");
  BOOST_TEST(lines(out.text()) == 1u);
}

BOOST_AUTO_TEST_CASE(long_lines_are_cut) {
  const captured out;
  logger log{out.ends[1]};
  log.info("long", "text={}", std::string(10'000, 'x'));
  const auto text = out.text();
  BOOST_TEST(text.size() == logger::line_bytes_max);
  BOOST_TEST(text.back() == '\n');
}

BOOST_AUTO_TEST_CASE(a_reader_that_is_stuck_stops_nobody) {
  const captured out;
  logger log{out.ends[1]};
  for (int i = 0; i < 100; ++i)
    log.info("slug-" + std::to_string(i), "text={}", std::string(3000, 'x'));
  BOOST_TEST(out.text().size() <= 64u * 1024);
  log.info("after");
  BOOST_TEST(out.text().find(" dropped=") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(threads_do_not_tear_lines) {
  const captured out;
  logger log{out.ends[1]};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] { log.info("t" + std::to_string(t), "text={}", std::string(2000, 'a')); });
  for (auto& t : threads)
    t.join();
  BOOST_TEST(lines(out.text()) == 4u);
}

BOOST_AUTO_TEST_SUITE_END()
