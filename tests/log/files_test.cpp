#include "runtime/log/files.hpp"

#include "tests/log/log_world.hpp"

#include <fstream>
#include <string>

using namespace troupe::log;

namespace {

std::filesystem::path written(const scratch& where, std::size_t bytes) {
  const auto path = where.path() / std::to_string(bytes);
  std::ofstream{path} << std::string(bytes, 'x');
  return path;
}

} // namespace

BOOST_AUTO_TEST_SUITE(files)

BOOST_AUTO_TEST_CASE(a_file_is_read_up_to_its_bound) {
  const scratch where;
  for (const std::size_t bytes : {0, 1, 65'535, 65'536, 65'537, 200'000}) {
    const auto path = written(where, bytes);
    for (const auto bound : {bytes, bytes + 1, std::size_t{1} << 30}) {
      const auto found = read_file(path, bound);
      BOOST_TEST_REQUIRE(!!found);
      BOOST_TEST((*found == std::string(bytes, 'x')));
    }
    if (bytes != 0) {
      const auto found = read_file(path, bytes - 1);
      BOOST_TEST_REQUIRE(!found);
      BOOST_TEST((found.error().kind == fault_kind::refused));
    }
  }
  const auto none = read_file(where.path() / "none", 1);
  BOOST_TEST_REQUIRE(!none);
  BOOST_TEST((none.error().kind == fault_kind::lost));
}

BOOST_AUTO_TEST_CASE(a_file_without_a_size_is_read_to_its_end) {
  const auto found = read_file("/proc/sys/kernel/random/boot_id", 100);
  BOOST_TEST_REQUIRE(!!found);
  BOOST_TEST(found->size() == 37u); // a UUID, and the end of its line
}

BOOST_AUTO_TEST_SUITE_END()
