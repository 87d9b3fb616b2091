#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "tests/actors/audit_bench.hpp"

#include "runtime/log/cursor.hpp"
#include "runtime/log/verify.hpp"

#include <cstdlib>

namespace troupe::testing {

data_scratch::data_scratch() {
  auto name = (std::filesystem::temp_directory_path() / "troupe-audit-XXXXXX").string();
  BOOST_REQUIRE(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

data_scratch::~data_scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

config audited(audit_level level) {
  auto c = world::defaults();
  c.rooms.audit = level;
  return c;
}

std::unique_ptr<world> start(const data_scratch& where, config settings, const std::function<void(kernel&)>& more) {
  return std::make_unique<world>(std::move(settings), [&](kernel& k) {
    k.keep_log(where.path());
    if (more)
      more(k);
  });
}

void check_intact(const data_scratch& where) {
  const auto report = log::verify(where.audit());
  BOOST_REQUIRE(report);
  BOOST_TEST(report->intact());
  BOOST_TEST(report->checkpoints > 0u);
}

std::vector<log::record> audit_of(const data_scratch& where) {
  std::vector<log::record> all;
  auto at = log::cursor::open(where.audit(), 0);
  BOOST_REQUIRE(at);
  auto step = at->next();
  for (; step == log::cursor::step::ready; step = at->next())
    all.push_back(log::copy_of(at->at().what));
  BOOST_REQUIRE(step == log::cursor::step::end);
  return all;
}

std::string line_of(const log::record& what) {
  std::string out = log::to_string(what.kind);
  const auto add = [&](const std::string& text) {
    if (!text.empty())
      out += ' ' + text;
  };
  if (what.seq)
    add(std::to_string(*what.seq));
  add(what.type);
  add(what.user);
  if (what.code)
    add(std::to_string(*what.code));
  add(what.payload);
  if (!what.detail.empty())
    out += " (" + what.detail + ')';
  return out;
}

std::vector<std::string> lines_of(const std::vector<log::record>& all, const std::string& room) {
  std::vector<std::string> out;
  for (const auto& r : all)
    if (r.room == room)
      out.push_back(line_of(r));
  return out;
}

} // namespace troupe::testing
