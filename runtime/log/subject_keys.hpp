#pragma once

#include "runtime/log/fault.hpp"
#include "runtime/log/files.hpp"
#include "runtime/log/record.hpp"

#include <array>
#include <cstddef>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

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
  const std::filesystem::path& folder() const noexcept { return folder_; }

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

/// Where the keys lie, outside of logs and stores.
inline std::filesystem::path subject_keys_folder(const std::filesystem::path& data) { return data / "subject-keys"; }

inline constexpr std::size_t subject_bytes_max = 4096; ///< Names on the wire are much shorter.

/// The key_id of a record whose payload was never stored, because its subject was forgotten before: no key has it.
inline constexpr std::string_view no_key_id = "0000000000000000";

/// Whether this is the content of a key's file.
bool is_subject_key(std::string_view content) noexcept;
/// Whether a payload is to be sealed before the record may reach a disk.
bool is_confidential(const record_view& r) noexcept;
/// Puts ciphertext in the place of a confidential payload; `into` is to live as long as the record.
status seal_payload(subject_keys& keys, record_view& r, subject_keys::sealed& into);
/// Puts the payload in the place of its ciphertext, and takes out key_id and nonce, where it has any; `into` is to live
/// as long as the record. @returns false where its key is gone: then the record is as it was
result<bool> open_payload(subject_keys& keys, record_view& r, std::string& into);

/// Subjects whom somebody wants to be forgotten by the node that has the log open: one file each, in a folder beside
/// the keys, named by SHA-256 of the subject. Each lasts until the node has done it.
class forget_requests {
public:
  /// @param keys the folder of the keys
  explicit forget_requests(const std::filesystem::path& keys, file_ops& ops = system_files())
      : folder_(keys / "requests")
      , ops_(ops) {}

  /// Asks; it lasts when this returns.
  status put(std::string_view subject);
  /// Some that wait or were begun, at most 64; other files are passed over.
  std::vector<std::string> waiting() const;
  bool has(std::string_view subject) const;
  /// What is asked for from here on is another request.
  status begin(std::string_view subject);
  /// What was begun is done.
  status finish(std::string_view subject);

private:
  std::filesystem::path file_of(std::string_view subject, bool begun = false) const;

  std::filesystem::path folder_;
  file_ops& ops_;
};

} // namespace troupe::log
