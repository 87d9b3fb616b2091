#include "runtime/log/proof.hpp"

#include "tests/log/log_world.hpp"

using namespace troupe::log;

BOOST_AUTO_TEST_SUITE(proof_suite)

BOOST_AUTO_TEST_CASE(every_record_is_proven_in_every_checkpoint) {
  const scratch where;
  const auto key = must(signing_key::make());
  auto log = opened_log(options_for(where, 3000));
  std::vector<signed_checkpoint> heads;
  for (int i = 0; i < 40; ++i) {
    append_messages(*log, 1);
    must(log->sync());
    heads.push_back(must(sign(log->synced_checkpoint(), key)));
  }
  for (std::uint64_t size = 1; size <= heads.size(); size += 3)
    for (std::uint64_t index = 0; index < size; ++index) {
      const auto made = must(prove_inclusion(where.log(), index, heads[size - 1]));
      const auto read = must(parse_proof(text_of(made)));
      BOOST_TEST_REQUIRE(!check(read, key.open_half()));
      BOOST_TEST_REQUIRE(read.body == made.body);
    }
  for (std::uint64_t old_size = 1; old_size <= heads.size(); ++old_size) {
    const auto proof = must(prove_consistency(where.log(), old_size, heads.size()));
    BOOST_TEST_REQUIRE(
        verify_consistency(old_size, heads.size(), heads[old_size - 1].said.root, heads.back().said.root, proof));
  }
  BOOST_TEST(!prove_inclusion(where.log(), 40, heads.back()));
  BOOST_TEST(!prove_consistency(where.log(), 0, 3));
  BOOST_TEST(!prove_consistency(where.log(), 4, 41));
}

BOOST_AUTO_TEST_CASE(a_changed_proof_does_not_hold) {
  const scratch where;
  const auto key = must(signing_key::make());
  auto log = opened_log(options_for(where));
  append_messages(*log, 11);
  must(log->sync());
  const auto text = text_of(must(prove_inclusion(where.log(), 6, must(sign(log->synced_checkpoint(), key)))));
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto bad = text;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    const auto read = parse_proof(bad);
    BOOST_TEST_REQUIRE((!read || check(*read, key.open_half()).has_value()), "byte " << i);
  }
  const auto other = must(signing_key::make());
  BOOST_TEST(check(must(parse_proof(text)), other.open_half()).has_value());
  BOOST_TEST((prove_inclusion(where.log(), 6, must(sign({"node-1/main", 11, empty_root()}, key))).error().kind ==
              fault_kind::damaged));
}

BOOST_AUTO_TEST_SUITE_END()
