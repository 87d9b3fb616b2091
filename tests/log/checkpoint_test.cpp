#include "runtime/log/checkpoint.hpp"

#include "runtime/log/base64.hpp"
#include "tests/log/log_world.hpp"

#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>

using namespace troupe::log;

namespace {

checkpoint some_checkpoint(std::uint64_t size) { return {"node-1/main", size, leaf_hash(std::to_string(size))}; }

} // namespace

BOOST_AUTO_TEST_SUITE(checkpoint_suite)

BOOST_AUTO_TEST_CASE(base64_is_read_as_it_is_written_and_not_otherwise) {
  for_seeds(200, [](dice& random) {
    std::string bytes(random.below(40), '\0');
    for (auto& c : bytes)
      c = static_cast<char>(random.below(256));
    BOOST_TEST((from_base64(base64(bytes)) == bytes));
  });
  BOOST_TEST(base64("Troupe") == "VHJvdXBl");
  for (const auto* bad : {"A", "AB", "ABC", "AB=", "AB==C", "A===", "AA\n=", "//9=", "Ab=="})
    BOOST_TEST(!from_base64(bad), bad);
}

BOOST_AUTO_TEST_CASE(a_vkey_that_others_publish_is_read) {
  // From the documentation of Go's package golang.org/x/mod/sumdb/note.
  const std::string vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
  const auto key = must(parse_public_key(vkey));
  BOOST_TEST(key.vkey("PeterNeumann") == vkey);
  BOOST_TEST(key.verify("If you think cryptography is the answer to your problem,\n"
                        "then you don't know what your problem is.\n",
                        from_base64("x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
                                    "KE6RyyBwJnAM=")
                            ->substr(4)));
  auto wrong = vkey;
  wrong[wrong.size() - 2] = 'X';
  BOOST_TEST(!parse_public_key(wrong));
  for (const auto* bad : {"", "a", "a+b", "a+b+c", "+++", "-----BEGIN nothing"})
    BOOST_TEST(!parse_public_key(bad), bad);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_is_a_signed_note) {
  const auto key = must(signing_key::make());
  const auto other = must(signing_key::make());
  const auto note = must(sign(some_checkpoint(17), key));
  BOOST_TEST(note.note.starts_with("node-1/main\n17\n"));
  const auto read = must(parse_checkpoint(note.note));
  BOOST_TEST((read.said == some_checkpoint(17)));
  BOOST_TEST(is_signed_by(read, key.open_half()));
  BOOST_TEST(!is_signed_by(read, other.open_half()));
  BOOST_TEST((must(parse_public_key(key.open_half().vkey("any"))) == key.open_half()));
  // Every byte of the note that is changed makes it another one, or none.
  for (std::size_t i = 0; i < note.note.size(); ++i) {
    auto bad = note.note;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    const auto parsed = parse_checkpoint(bad);
    BOOST_TEST((!parsed || !is_signed_by(*parsed, key.open_half())), "byte " << i);
  }
}

BOOST_AUTO_TEST_CASE(signatures_of_witnesses_and_further_lines_are_passed_over) {
  const auto key = must(signing_key::make());
  auto note = must(sign(some_checkpoint(3), key));
  note.note += "\xE2\x80\x94 witness.example AAAAAQAA\n";
  BOOST_TEST(is_signed_by(must(parse_checkpoint(note.note)), key.open_half()));
  BOOST_TEST(!parse_checkpoint(note.note + "\n" + note.note));
  BOOST_TEST(!parse_checkpoint("node-1/main\n03\n" + base64(std::string(32, 'x')) + "\n\n\xE2\x80\x94 a b\n"));
}

BOOST_AUTO_TEST_CASE(a_key_is_made_once_and_only_its_owner_reads_it) {
  const scratch where;
  const auto path = where.path() / "key.pem";
  const auto made = must(signing_key::load_or_make(system_files(), path));
  const auto loaded = must(signing_key::load_or_make(system_files(), path));
  BOOST_TEST((made.open_half() == loaded.open_half()));
  struct stat about {};
  BOOST_TEST(::stat(path.c_str(), &about) == 0);
  BOOST_TEST((about.st_mode & 0777) == 0600u);
  write_over(path, "no key");
  BOOST_TEST(!signing_key::load_or_make(system_files(), path));
  BOOST_TEST(read_all(path) == "no key");
}

BOOST_AUTO_TEST_CASE(the_file_of_checkpoints_loses_only_what_was_torn) {
  const scratch where;
  const auto key = must(signing_key::make());
  std::size_t two = 0;
  {
    auto file = must(checkpoint_file::open(system_files(), where.path()));
    BOOST_TEST(!file.last());
    for (std::uint64_t size : {5, 5, 9, 12}) {
      must(file.append(must(sign(some_checkpoint(size), key))));
      if (size == 9)
        two = std::filesystem::file_size(where.path() / "checkpoints");
    }
  }
  const auto whole = read_all(where.path() / "checkpoints");
  BOOST_TEST(must(read_checkpoints(where.path())).notes.size() == 3u);
  for (auto cut = two; cut < whole.size() - 1; ++cut) {
    write_over(where.path() / "checkpoints", whole.substr(0, cut));
    const auto read = must(read_checkpoints(where.path()));
    // Once the signature is there no torn end can be told from a changed one: it counts as damage.
    if (read.damage)
      continue;
    BOOST_TEST_REQUIRE(read.notes.size() == 2u);
    auto file = must(checkpoint_file::open(system_files(), where.path()));
    BOOST_TEST(file.last()->said.size == 9u);
    must(file.append(must(sign(some_checkpoint(12), key))));
    BOOST_TEST(read_all(where.path() / "checkpoints") == whole);
  }
  // A changed gap in the middle is no torn end.
  auto bad = whole;
  bad[bad.find("\n\n")] = ' ';
  write_over(where.path() / "checkpoints", bad);
  BOOST_TEST(must(read_checkpoints(where.path())).damage.has_value());
  BOOST_TEST(!checkpoint_file::open(system_files(), where.path()));
}

BOOST_AUTO_TEST_CASE(the_file_of_checkpoints_is_bounded_and_the_newest_stay) {
  const scratch place;
  must(make_folder(system_files(), place.log()));
  const auto key = must(signing_key::make());
  constexpr std::size_t bytes_max = 4096;
  for (const std::uint64_t run : {0, 1}) {
    auto file = must(checkpoint_file::open(system_files(), place.log(), bytes_max));
    for (std::uint64_t i = 1; i <= 100; ++i) {
      must(file.append(must(sign(some_checkpoint(run * 100 + i), key))));
      const auto all = must(read_checkpoints(place.log()));
      BOOST_TEST(all.good_bytes <= bytes_max);
      BOOST_TEST(!all.damage.has_value());
      BOOST_TEST(all.notes.back().said.size == run * 100 + i);
      BOOST_TEST((all.notes.size() > 5u || run * 100 + i < 10));
    }
  }
  { auto smaller = must(checkpoint_file::open(system_files(), place.log(), bytes_max / 4)); }
  BOOST_TEST(must(read_checkpoints(place.log())).notes.back().said.size == 200u);
}

BOOST_AUTO_TEST_CASE(a_failed_sync_of_checkpoints_is_final) {
  const scratch where;
  failing_files ops;
  const auto key = must(signing_key::make());
  auto file = must(checkpoint_file::open(ops, where.path()));
  ops.room = 10;
  const auto full = file.append(must(sign(some_checkpoint(1), key)));
  BOOST_TEST_REQUIRE(full.has_value());
  BOOST_TEST((full->kind == fault_kind::no_space));
  ops.room = -1;
  must(file.append(must(sign(some_checkpoint(1), key))));
  BOOST_TEST(must(read_checkpoints(where.path())).notes.size() == 1u);
  ops.sync_number = EIO;
  BOOST_TEST((file.append(must(sign(some_checkpoint(2), key)))->kind == fault_kind::sync_failed));
  ops.sync_number = 0;
  BOOST_TEST((file.append(must(sign(some_checkpoint(3), key)))->kind == fault_kind::sync_failed));
}

BOOST_AUTO_TEST_SUITE_END()
