#include "actors/checkpoint_signer.hpp"

#include "actors/node.hpp"

#include <filesystem>
#include <stdexcept>
#include <utility>

namespace troupe {
namespace {

std::filesystem::path key_path(const local_node& node, const std::string& data) {
  const auto& named = node.settings.journal.key;
  return named.empty() ? std::filesystem::path{data} / "log.key" : std::filesystem::path{named};
}

log::signing_key key_of(const local_node& node, const std::string& data) {
  const auto path = key_path(node, data);
  auto key = log::signing_key::load_or_make(log::system_files(), path);
  if (!key)
    throw std::runtime_error{"the key of the log, " + path.string() + ": " + key.error().text()};
  return std::move(*key);
}

log::checkpoint_file file_of(const log::writer& log) {
  auto file = log::checkpoint_file::open(log::system_files(), log.folder());
  if (!file)
    throw std::runtime_error{"the checkpoints in " + log.folder().string() + ": " + file.error().text()};
  return std::move(*file);
}

} // namespace

checkpoint_signer::checkpoint_signer(local_node& of, const log::writer& log, const std::string& data)
    : node_(of)
    , log_(log)
    , key_(key_of(of, data))
    , file_(file_of(log))
    , signed_at_(of.mono_clock()) {
  if (const auto& last = file_.last(); last && !log::is_signed_by(*last, key_.open_half()))
    node_.log.warn("log_key_changed", "log={} key={} meaning={}", log_.folder().filename().string(),
                   key_path(of, data).string(),
                   "the last checkpoint is not signed with this key, which is made anew where its file is missing: "
                   "checkpoints and proofs from before need the old public key; put the old file back and restart, "
                   "or keep the old public key (troupe log verify --public-key)");
}

bool checkpoint_signer::is_due_with(std::uint64_t records) const noexcept {
  const auto& last = file_.last();
  return records >= (last ? last->said.size : 0) + node_.settings.journal.checkpoint_records;
}

bool checkpoint_signer::is_late() const {
  return node_.mono_clock() - signed_at_ >= node_.settings.journal.checkpoint_interval.count();
}

void checkpoint_signer::sign() {
  signed_at_ = node_.mono_clock();
  const auto said = log_.synced_checkpoint();
  if (file_.last() && file_.last()->said == said)
    return;
  const auto note = log::sign(said, key_);
  if (const auto why = note ? file_.append(*note) : log::status{note.error()})
    node_.log.error("checkpoint_failed", "log={} reason={}", log_.folder().filename().string(), why->text());
}

} // namespace troupe
