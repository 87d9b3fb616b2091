#pragma once

#include "runtime/log/fault.hpp"
#include "runtime/log/files.hpp"

#include <array>
#include <cstddef>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace troupe::log {

/// The keys of confidential payloads: one for each subject (a user whom messages are about). A log cannot be changed,
/// but without the key what it holds cannot be read: destroying it is how a subject is forgotten. The tree of the log
/// stands over the ciphertext, so it verifies as before.
///
/// Each key is a small file of its own, outside of logs and stores, which keep bytes that were deleted. Safe from any
/// thread; one object a process and folder.
class subject_keys {
public:
  /// AES-256-GCM (NIST SP 800-38D) with a random nonce of 12 bytes; the tag of 16 bytes follows the ciphertext.
  struct sealed {
    std::string key_id; ///< 16 characters; another one for each key that a subject ever had.
    std::string nonce;
    std::string text;
  };

  /// @param folder made with the first key
  explicit subject_keys(std::filesystem::path folder, file_ops& ops = system_files())
      : folder_(std::move(folder))
      , ops_(ops) {}

  /// Encrypts a payload, with a new key where the subject has none: it lasts when this returns.
  result<sealed> seal(std::string_view subject, std::string_view payload);
  /// Decrypts. `lost`: the key was destroyed, or is not here; `damaged`: these bytes were not encrypted with it.
  result<std::string> open(std::string_view subject, std::string_view key_id, std::string_view nonce,
                           std::string_view text);
  /// Destroys the key of a subject: overwrites and removes its file. @returns false where it had none
  result<bool> forget(std::string_view subject);

private:
  struct key {
    std::string id;
    std::array<unsigned char, 32> bytes{};
    ~key();
  };

  std::filesystem::path file_of(std::string_view subject) const;
  result<const key*> find(std::string_view subject);
  result<const key*> make(std::string_view subject);
  const key* keep(std::string_view subject, const key& k);

  std::filesystem::path folder_;
  file_ops& ops_;
  std::mutex lock_;
  std::unordered_map<std::string, key> cached_; ///< Bounded: emptied when it is full.
};

} // namespace troupe::log
