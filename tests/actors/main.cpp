#include <boost/test/unit_test.hpp>

#include "runtime/system/logger.hpp"

namespace {

/// The failures that these tests cause on purpose are no news.
struct quiet {
  quiet() { troupe::process_log().level(troupe::log_level::off); }
};

} // namespace

BOOST_TEST_GLOBAL_FIXTURE(quiet);
