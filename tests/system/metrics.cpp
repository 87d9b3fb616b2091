#undef BOOST_TEST_MODULE
#include "runtime/system/metrics.hpp"

#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <thread>

using namespace troupe;

namespace {

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++n;
  return n;
}

} // namespace

BOOST_AUTO_TEST_SUITE(metrics_suite)

BOOST_AUTO_TEST_CASE(families_have_one_head_and_escaped_labels) {
  metrics m;
  m.counter("b_total", "Things\nthat \\ happen.", {{"kind", "a\"b\\c\nd"}}).add(3);
  m.counter("b_total", "Things.", {{"kind", "plain"}}).add();
  m.gauge("a", "A level.").set(-7);
  BOOST_TEST(m.render() == "# HELP a A level.\n# TYPE a gauge\na -7\n"
                           "# HELP b_total Things\\nthat \\\\ happen.\n# TYPE b_total counter\n"
                           "b_total{kind=\"a\\\"b\\\\c\\nd\"} 3\nb_total{kind=\"plain\"} 1\n");
}

BOOST_AUTO_TEST_CASE(the_same_series_is_the_same_object) {
  metrics m;
  auto& one = m.counter("x_total", "", {{"l", "v"}});
  BOOST_TEST(&one == &m.counter("x_total", "", {{"l", "v"}}));
  BOOST_TEST(&one != &m.counter("x_total", "", {{"l", "w"}}));
}

BOOST_AUTO_TEST_CASE(histograms_are_cumulative) {
  metrics m;
  const double bounds[] = {0.5, 1, 2.5};
  auto& h = m.histogram("h_seconds", "Times.", bounds);
  for (const double v : {0.1, 0.5, 0.75, 2.0, 9.0})
    h.observe(v);
  BOOST_TEST(m.render() == "# HELP h_seconds Times.\n# TYPE h_seconds histogram\n"
                           "h_seconds_bucket{le=\"0.5\"} 2\nh_seconds_bucket{le=\"1\"} 3\n"
                           "h_seconds_bucket{le=\"2.5\"} 4\nh_seconds_bucket{le=\"+Inf\"} 5\n"
                           "h_seconds_sum 12.35\nh_seconds_count 5\n");
}

BOOST_AUTO_TEST_CASE(functions_are_asked_when_rendering_and_may_use_the_registry) {
  metrics m;
  double value = 1;
  m.gauge_from("g", "", [&] {
    m.counter("asked_total", "").add();
    return value;
  });
  value = 2.5;
  BOOST_TEST(m.render().find("\ng 2.5\n") != std::string::npos);
  m.gauge_from("g", "", [] { return 9.0; });
  BOOST_TEST(m.render().find("\ng 9\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(label_sets_are_bounded) {
  metrics m;
  for (int i = 0; i < 1000; ++i)
    m.counter("many_total", "", {{"room", std::to_string(i)}}).add();
  const auto text = m.render();
  BOOST_TEST(occurrences(text, "many_total{") == metrics::series_max);
  BOOST_TEST(text.find("many_total{room=\"other\"} 745\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(bad_names_and_two_types_are_refused) {
  metrics m;
  BOOST_CHECK_THROW(m.counter("1x", ""), std::invalid_argument);
  BOOST_CHECK_THROW(m.counter("x y", ""), std::invalid_argument);
  BOOST_CHECK_THROW(m.counter("x", "", {{"a:b", ""}}), std::invalid_argument);
  m.counter("x", "");
  BOOST_CHECK_THROW(m.gauge("x", ""), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(threads_lose_no_count) {
  metrics m;
  auto& c = m.counter("n_total", "");
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10'000; ++i)
        c.add();
      m.counter("t_total", "", {{"t", std::to_string(t)}}).add();
      m.render();
    });
  for (auto& t : threads)
    t.join();
  BOOST_TEST(c.value() == 120'000u);
}

BOOST_AUTO_TEST_SUITE_END()
