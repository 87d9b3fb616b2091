#pragma once

#include "runtime/log/checkpoint.hpp"
#include "runtime/log/key.hpp"
#include "runtime/log/writer.hpp"
#include "runtime/model/ids.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

struct local_node;

/// Signs now and then how long one of the node's logs is and what is in it, into the file beside its segments.
class checkpoint_signer {
public:
  /// Reads the node's key, or makes it, and opens the file. Warns where the last checkpoint there is of another key.
  /// Throws std::runtime_error with one clear line.
  /// @param of  must outlive this, as must `log`
  /// @param data the folder that holds the key, unless `journal.key` names another
  checkpoint_signer(local_node& of, const log::writer& log, const std::string& data);

  /// With so many records in the log it is time for a checkpoint, whatever the clock says.
  bool is_due_with(std::uint64_t records) const noexcept;
  /// The last one is `journal.checkpoint_interval` ago.
  bool is_late() const;
  /// Signs what is synced, unless the last checkpoint says just that. A failure is told in the log lines.
  void sign();

private:
  local_node& node_;
  const log::writer& log_;
  log::signing_key key_;
  log::checkpoint_file file_;
  mono_ms signed_at_;
};

} // namespace troupe
