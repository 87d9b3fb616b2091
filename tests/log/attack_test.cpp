// Someone who owns the disk changes the log, and makes every checksum, footer and header right again. Only a checkpoint
// that was kept elsewhere can tell.

#include "tests/log/log_world.hpp"

#include <algorithm>

using namespace troupe::log;

namespace {

std::vector<std::string> bodies_of(const std::filesystem::path& folder) {
  auto records = must(cursor::open(folder, 0));
  std::vector<std::string> result;
  while (records.next() == cursor::step::ready)
    result.emplace_back(records.at().body);
  return result;
}

/// Writes all of the log anew with these bodies, with the tools of the log itself.
void forge(const scratch& where, const std::vector<std::string>& bodies) {
  std::filesystem::remove_all(where.log());
  auto log = opened_log(options_for(where, 3000));
  for (const auto& body : bodies)
    must(log->append_body(body));
  must(log->roll());
}

struct evidence {
  signing_key key = must(signing_key::make());
  signed_checkpoint kept;
  std::vector<std::string> bodies;

  explicit evidence(const scratch& where) {
    auto log = opened_log(options_for(where, 3000));
    append_messages(*log, 60);
    must(log->sync());
    kept = must(sign(log->synced_checkpoint(), key));
    append_messages(*log, 10);
    must(log->roll());
    bodies = bodies_of(where.log());
  }

  verify_report against(const scratch& where) const {
    verify_options options;
    options.key = key.open_half();
    options.expect = kept;
    return must(verify(where.log(), options));
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(attack_suite)

BOOST_AUTO_TEST_CASE(the_untouched_log_fits) {
  const scratch where;
  const evidence kept{where};
  const auto report = kept.against(where);
  BOOST_TEST(report.intact());
  BOOST_TEST(report.expected_fits);
  BOOST_TEST(report.records == 70u);
  forge(where, kept.bodies);
  BOOST_TEST(kept.against(where).expected_fits);
}

BOOST_AUTO_TEST_CASE(an_edit_a_deletion_a_swap_and_an_insertion_are_found) {
  const scratch where;
  const evidence kept{where};
  for (std::size_t at = 0; at < 60; ++at) {
    auto edited = kept.bodies;
    auto& letter = edited[at][edited[at].size() / 2]; // Of the payload.
    letter = static_cast<char>(letter ^ 1);
    auto deleted = kept.bodies;
    deleted.erase(deleted.begin() + static_cast<std::ptrdiff_t>(at));
    auto swapped = kept.bodies;
    std::swap(swapped[at], swapped[at + 1]);
    auto inserted = kept.bodies;
    inserted.insert(inserted.begin() + static_cast<std::ptrdiff_t>(at), inserted[at]);
    for (const auto& forged : {edited, deleted, swapped, inserted}) {
      if (at == 59 && forged == inserted)
        continue; // The first 60 are the same.
      forge(where, forged);
      BOOST_TEST_REQUIRE(must(verify(where.log())).intact()); // By itself it looks well.
      const auto report = kept.against(where);
      BOOST_TEST_REQUIRE(!report.intact());
      BOOST_TEST_REQUIRE(!report.expected_fits);
      BOOST_TEST_REQUIRE(report.problems.front().where.has_value());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_cut_tail_is_found) {
  const scratch where;
  const evidence kept{where};
  for (std::size_t left = 0; left < 60; left += 3) {
    forge(where, {kept.bodies.begin(), kept.bodies.begin() + static_cast<std::ptrdiff_t>(left)});
    BOOST_TEST_REQUIRE(must(verify(where.log())).intact());
    const auto report = kept.against(where);
    BOOST_TEST_REQUIRE(!report.intact());
    BOOST_TEST((report.problems.front().kind == fault_kind::lost));
  }
  // What was written after the checkpoint is not covered by it.
  forge(where, {kept.bodies.begin(), kept.bodies.begin() + 60});
  BOOST_TEST(kept.against(where).intact());
}

BOOST_AUTO_TEST_CASE(a_new_incarnation_or_node_is_no_excuse) {
  const scratch where;
  const evidence kept{where};
  std::filesystem::remove_all(where.log());
  auto options = options_for(where);
  options.node = "node-2";
  auto log = opened_log(options);
  for (const auto& body : kept.bodies)
    must(log->append_body(body));
  must(log->sync());
  BOOST_TEST(!kept.against(where).intact());
}

BOOST_AUTO_TEST_CASE(a_forged_checkpoint_is_found) {
  const scratch where;
  const evidence kept{where};
  const auto other = must(signing_key::make());
  auto changed = kept.bodies;
  changed[3][50] = '!';
  forge(where, changed);
  verify_options options;
  options.key = kept.key.open_half();
  const auto root = must(verify(where.log())).root;
  options.expect = must(sign({"node-1/main", 70, root}, other));
  BOOST_TEST(!must(verify(where.log(), options)).intact());
  auto notes = must(checkpoint_file::open(system_files(), where.log()));
  must(notes.append(must(sign({"node-1/main", 70, root}, other))));
  options.expect.reset();
  BOOST_TEST(!must(verify(where.log(), options)).intact());
  options.key = other.open_half();
  BOOST_TEST(must(verify(where.log(), options)).checkpoints == 1u);
}

BOOST_AUTO_TEST_CASE(a_change_in_one_segment_only_is_named) {
  const scratch where;
  const evidence kept{where};
  const auto firsts = must(list_segments(where.log()));
  // The second segment is replaced by one with other records and a right footer; the third still tells.
  const scratch forged;
  auto changed = kept.bodies;
  changed[firsts[1]][50] = '!';
  forge(forged, changed);
  const auto name = segment_name(firsts[1]);
  write_over(where.log() / name, read_all(forged.log() / name));
  const auto report = must(verify(where.log()));
  BOOST_TEST_REQUIRE(!report.intact());
  BOOST_TEST(report.problems.front().where->file == name);
}

BOOST_AUTO_TEST_SUITE_END()
