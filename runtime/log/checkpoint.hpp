#pragma once

#include "runtime/log/files.hpp"
#include "runtime/log/key.hpp"
#include "runtime/log/merkle.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::log {

/// What a log claims about itself: that its first `size` records have this root (C2SP tlog-checkpoint).
struct checkpoint {
  std::string origin;
  std::uint64_t size = 0;
  tree_hash root{};

  friend bool operator==(const checkpoint&, const checkpoint&) = default;
};

/// Three lines: origin, size, base64 of the root.
std::string text_of(const checkpoint& what);

/// A checkpoint in a signed note (C2SP signed-note): the text, an empty line, and a line for each signature.
struct signed_checkpoint {
  checkpoint said;
  std::string note; ///< All of it, byte by byte.
};

/// Signs under the origin as the key's name.
result<signed_checkpoint> sign(const checkpoint& what, const signing_key& key);

/// Reads one note, and passes over what lines the text may have after the third. Signatures are not looked at.
result<signed_checkpoint> parse_checkpoint(std::string_view note);

/// Whether this key signed it under the name of its origin. Lines of other keys, such as witnesses, do not count.
bool is_signed_by(const signed_checkpoint& what, const public_key& key);

/// Several notes in one text, each followed by an empty line.
struct notes_read {
  std::vector<signed_checkpoint> notes;
  std::size_t good_bytes = 0;  ///< Up to here the text is whole notes.
  std::optional<fault> damage; ///< What stands after that, if it is not the torn end of an append.
};
notes_read parse_checkpoints(std::string_view text);

/// The file `checkpoints` beside the segments; empty where there is none.
result<notes_read> read_checkpoints(const std::filesystem::path& folder);

/// Appends to that file, and syncs it each time. Past `bytes_max` the older half of the notes goes.
class checkpoint_file {
public:
  /// Cuts the torn end of an append that was never synced.
  static result<checkpoint_file> open(file_ops& ops, const std::filesystem::path& folder,
                                      std::size_t bytes_max = std::size_t{16} << 20);

  /// One that is equal to the last is not written again. After `sync_failed` the file takes no more.
  status append(const signed_checkpoint& what);
  const std::optional<signed_checkpoint>& last() const noexcept { return last_; }

private:
  status drop_older_half();

  file_ops* ops_ = nullptr;
  std::filesystem::path folder_;
  std::size_t bytes_max_ = 0;
  open_file file_;
  std::uint64_t end_ = 0;
  bool dead_ = false;
  std::optional<signed_checkpoint> last_;
};

} // namespace troupe::log
