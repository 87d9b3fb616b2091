#pragma once

#include "runtime/log/fault.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace troupe::log {

class file_ops;

/// An Ed25519 public key (RFC 8032). Signed notes name a key; one key of a node signs under the origin of each of its
/// logs, and its four-byte id depends on that name.
class public_key {
public:
  using bytes = std::array<unsigned char, 32>;

  public_key() = default;
  explicit public_key(const bytes& raw) noexcept
      : raw_{raw} {}

  /// SHA-256(name || 0x0A || 0x01 || key), the first four bytes, as a number in network order.
  std::uint32_t id(std::string_view name) const;
  /// `name+id+base64(0x01 || key)`: what other tools for signed notes take.
  std::string vkey(std::string_view name) const;
  bool verify(std::string_view text, std::string_view signature) const;
  const bytes& raw() const noexcept { return raw_; }

  friend bool operator==(const public_key&, const public_key&) = default;

private:
  bytes raw_{};
};

/// Takes a vkey, whose id must be right, or a key in PEM; white space around is passed over. `refused` otherwise.
result<public_key> parse_public_key(std::string_view text);

/// The key that a node signs its checkpoints with.
class signing_key {
public:
  /// Reads the PEM (PKCS #8) in this file. Where there is none it makes a key and the file, with mode 0600.
  static result<signing_key> load_or_make(file_ops& ops, const std::filesystem::path& path);
  static result<signing_key> from_pem(std::string_view pem);
  static result<signing_key> make();

  /// 64 bytes.
  result<std::string> sign(std::string_view text) const;
  result<std::string> pem() const;
  const public_key& open_half() const noexcept { return open_half_; }

private:
  using handle = std::shared_ptr<evp_pkey_st>;
  static result<signing_key> of(handle key);

  handle key_;
  public_key open_half_;
};

} // namespace troupe::log
