#include "runtime/log/key.hpp"

#include "runtime/log/base64.hpp"
#include "runtime/log/files.hpp"
#include "runtime/log/merkle.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

namespace troupe::log {
namespace {

constexpr char ed25519 = 1; ///< The algorithm's number in notes.
constexpr std::size_t pem_bytes_max = 16U * 1024;
using bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using digest_context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using pkey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

fault refused(std::string why) { return {fault_kind::refused, 0, std::move(why)}; }

std::string algorithm_and_key(const public_key::bytes& raw) {
  std::string out{ed25519};
  out.append(reinterpret_cast<const char*>(raw.data()), raw.size());
  return out;
}

std::string hex_of(std::uint32_t number) {
  std::array<char, 9> out{};
  std::snprintf(out.data(), out.size(), "%08x", number);
  return out.data();
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const auto begin = std::min(text.find_first_not_of(space), text.size());
  return text.substr(begin, text.find_last_not_of(space) + 1 - begin);
}

bool raw_of(const EVP_PKEY* key, public_key::bytes& raw) {
  auto length = raw.size();
  return key != nullptr && EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 &&
         EVP_PKEY_get_raw_public_key(key, raw.data(), &length) == 1 && length == raw.size();
}

/// Without asking a terminal for the password of an encrypted key.
int no_password(char*, int, int, void*) { return -1; }

} // namespace

std::uint32_t public_key::id(std::string_view name) const {
  const auto hash = sha256_of(std::string{name} + '\n' + algorithm_and_key(raw_));
  return static_cast<std::uint32_t>(hash[0]) << 24 | static_cast<std::uint32_t>(hash[1]) << 16 |
         static_cast<std::uint32_t>(hash[2]) << 8 | hash[3];
}

std::string public_key::vkey(std::string_view name) const {
  return std::string{name} + "+" + hex_of(id(name)) + "+" + base64(algorithm_and_key(raw_));
}

bool public_key::verify(std::string_view text, std::string_view signature) const {
  const pkey key{EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw_.data(), raw_.size()), &EVP_PKEY_free};
  const digest_context context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  return key && context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text), text.size()) == 1;
}

result<public_key> parse_public_key(std::string_view text) {
  text = trimmed(text);
  public_key::bytes raw{};
  if (text.starts_with("-----BEGIN")) {
    const bio in{BIO_new_mem_buf(text.data(), static_cast<int>(std::min(text.size(), pem_bytes_max))), &BIO_free};
    const pkey key{PEM_read_bio_PUBKEY(in.get(), nullptr, &no_password, nullptr), &EVP_PKEY_free};
    if (!raw_of(key.get(), raw))
      return refused("this PEM holds no Ed25519 public key");
    return public_key{raw};
  }
  const auto name_end = text.find('+');
  const auto id_end = text.find('+', name_end == std::string_view::npos ? name_end : name_end + 1);
  if (id_end == std::string_view::npos)
    return refused("a public key is `name+id+key` or a PEM");
  const auto bytes = from_base64(text.substr(id_end + 1));
  if (!bytes || bytes->size() != 1 + raw.size() || bytes->front() != ed25519)
    return refused("this is no Ed25519 public key");
  std::copy(bytes->begin() + 1, bytes->end(), raw.begin());
  const public_key key{raw};
  if (hex_of(key.id(text.substr(0, name_end))) != text.substr(name_end + 1, id_end - name_end - 1))
    return refused("the id of this public key does not fit its name and bytes");
  return key;
}

result<signing_key> signing_key::of(handle key) {
  signing_key result;
  public_key::bytes raw{};
  if (!raw_of(key.get(), raw))
    return refused("this is no Ed25519 private key");
  result.key_ = std::move(key);
  result.open_half_ = public_key{raw};
  return result;
}

result<signing_key> signing_key::make() { return of({EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free}); }

result<signing_key> signing_key::from_pem(std::string_view pem) {
  const bio in{BIO_new_mem_buf(pem.data(), static_cast<int>(std::min(pem.size(), pem_bytes_max))), &BIO_free};
  return of({PEM_read_bio_PrivateKey(in.get(), nullptr, &no_password, nullptr), &EVP_PKEY_free});
}

result<std::string> signing_key::pem() const {
  const bio out{BIO_new(BIO_s_mem()), &BIO_free};
  char* text = nullptr;
  if (!out || PEM_write_bio_PKCS8PrivateKey(out.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return refused("OpenSSL cannot write the key");
  const auto length = BIO_get_mem_data(out.get(), &text);
  return std::string{text, static_cast<std::size_t>(length)};
}

result<signing_key> signing_key::load_or_make(file_ops& ops, const std::filesystem::path& path) {
  auto there = read_file(path, pem_bytes_max);
  if (there) {
    auto key = from_pem(*there);
    if (!key)
      return refused(path.string() + ": " + key.error().message);
    return key;
  }
  if (there.error().kind != fault_kind::lost)
    return there.error();
  auto key = make();
  if (!key)
    return key;
  auto pem = key->pem();
  if (!pem)
    return pem.error();
  if (auto failed = replace_file(ops, path, *pem, 0600))
    return *failed;
  return key;
}

result<std::string> signing_key::sign(std::string_view text) const {
  const digest_context context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  std::string signature(64, '\0');
  auto length = signature.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length, bytes_of(text),
                     text.size()) != 1 ||
      length != signature.size())
    return refused("OpenSSL cannot sign");
  return signature;
}

} // namespace troupe::log
