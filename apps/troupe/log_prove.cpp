#include "apps/troupe/log_commands.hpp"
#include "apps/troupe/log_folder.hpp"
#include "apps/troupe/record_json.hpp"
#include "runtime/log/proof.hpp"
#include "runtime/log/record.hpp"

#include <cstdio>

// troupe log prove, troupe log check-proof

namespace troupe::cli {
namespace {

int prove(const arguments& given) {
  const auto index = number_from(given.words().front(), "INDEX");
  const auto where = log_folder_of(given);
  auto in = [&] {
    if (!given.has("--checkpoint")) {
      if (auto latest = latest_checkpoint(where))
        return *std::move(latest);
      throw command_failed{exit_false, "this log has no checkpoint yet"};
    }
    const auto file = given.get("--checkpoint");
    for (auto& note : checkpoints_in(file))
      if (speaks_of(note, where))
        return std::move(note);
    throw command_failed{exit_cannot, file + " holds no checkpoint of the log " + where.name()};
  }();
  const auto proof = log::prove_inclusion(where.log, index, in);
  if (!proof && proof.error().kind == log::fault_kind::refused)
    throw command_failed{exit_false, proof.error().message};
  if (!proof)
    fail_with(proof.error());
  const auto text = log::text_of(*proof);
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? exit_good : exit_cannot;
}

int not_proven(const arguments& given, const std::string& why) {
  if (given.has("--json"))
    std::printf("%s\n", to_json({{"proven", false}, {"why", why}}).c_str());
  else
    std::printf("not proven: %s\n", why.c_str());
  return exit_false;
}

int check_proof(const arguments& given) {
  const auto& file = given.words().front();
  if (!given.has("--public-key"))
    throw command_failed{exit_usage, "log check-proof needs --public-key FILE|KEY: the key that you trust (troupe log "
                                     "key prints it on the node)"};
  const auto key = public_key_from(given.get("--public-key"));
  const auto proof = log::parse_proof(read_input(file));
  if (!proof)
    return not_proven(given, proof.error().message);
  if (const auto wrong = log::check(*proof, key))
    return not_proven(given, wrong->message);
  log::entry record;
  record.index = proof->index;
  record.body = proof->body;
  if (log::decode(proof->body, record.what) != log::decode_fault::none)
    return not_proven(given, "what is proven to be in the log is no record");
  const auto& said = proof->checkpoint.said;
  if (given.has("--json")) {
    const value out = {{"proven", true},
                       {"origin", said.origin},
                       {"index", proof->index},
                       {"size", said.size},
                       {"record", json_record(record)}};
    std::printf("%s\n", to_json(out).c_str());
  } else {
    std::printf("proven: record %llu is in %s, by a signed checkpoint of %llu records\n%s\n",
                static_cast<unsigned long long>(proof->index), said.origin.c_str(),
                static_cast<unsigned long long>(said.size), to_json(json_record(record)).c_str());
  }
  return exit_good;
}

} // namespace

command log_prove() {
  const std::vector<flag> own{
      {"--checkpoint", "FILE", "prove it in the tree of this checkpoint; the latest where it is not given"}};
  return {.name = "log prove",
          .takes = "INDEX",
          .summary = "Writes a proof that a record is in the log, for someone who does not have the log",
          .words_min = 1,
          .words_max = 1,
          .flags = flags_of(one_folder_flags(), own),
          .run = &prove,
          .notes = "Exit status: 0 written, 1 no checkpoint covers this record, 3 the log cannot be read.\n",
          .examples = "  troupe log prove 4711 --data /var/lib/troupe > record.proof\n"
                      "  troupe log prove 17 --class audit --checkpoint today.note > record.proof\n"};
}

command log_check_proof() {
  return {
      .name = "log check-proof",
      .takes = "FILE",
      .summary = "Checks a proof without the log, and shows the record that it is about",
      .words_min = 1,
      .words_max = 1,
      .flags = {{"--public-key", "FILE|KEY", "the key of the node that signed: a PEM, or what troupe log key prints"},
                {"--json", "", "says it in JSON"}},
      .run = &check_proof,
      .notes = "FILE may be - for standard input.\n"
               "Exit status: 0 proven, 1 not proven, 3 a file cannot be read.\n",
      .examples = "  troupe log check-proof record.proof --public-key node.key\n"};
}

} // namespace troupe::cli
