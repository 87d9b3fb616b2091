#include "transports/mesh/credentials.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::mesh {
namespace {

constexpr std::size_t psk_bytes = 32; // SHA-256 of the cipher suite
constexpr std::size_t secret_bytes_max = 4096;

/// What TLS needs of the secret; wiped when its context goes.
struct shared_key {
  std::array<unsigned char, psk_bytes> key{};
  std::string identity; ///< Says which secret it is, and nothing of it.
  ~shared_key() { OPENSSL_cleanse(key.data(), key.size()); }
};

[[noreturn]] void fail(const std::string& file, std::string why) {
  if (const char* reason = ERR_reason_error_string(ERR_peek_last_error()); reason != nullptr)
    why += std::string{" ("} + reason + ")";
  ERR_clear_error();
  throw std::runtime_error("mesh: " + file + ": " + why);
}

// -- the secret

std::string read_secret(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    fail(path, std::strerror(errno));
  const std::unique_ptr<const int, void (*)(const int*)> closes{&fd, [](const int* p) { ::close(*p); }};
  struct stat s {};
  if (::fstat(fd, &s) != 0 || !S_ISREG(s.st_mode))
    fail(path, "is no regular file");
  if ((s.st_mode & 077) != 0)
    fail(path, "may be read or written by others: chmod 600");
  if (s.st_uid != ::geteuid() && s.st_uid != 0)
    fail(path, "belongs to another user");
  std::string secret(secret_bytes_max + 1, '\0');
  const auto got = ::read(fd, secret.data(), secret.size());
  if (got < 0)
    fail(path, std::strerror(errno));
  secret.resize(static_cast<std::size_t>(got));
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r'))
    secret.pop_back();
  if (secret.size() < credentials::secret_bytes_min || secret.size() > secret_bytes_max)
    fail(path, "must hold a random secret of " + std::to_string(credentials::secret_bytes_min) + " to " +
                   std::to_string(secret_bytes_max) + " bytes, for example from: openssl rand -base64 48");
  return secret;
}

void derive(std::string& secret, std::string_view purpose, unsigned char* out, std::size_t bytes) {
  std::string salt = "troupe mesh";
  std::string info{purpose};
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret.data(), secret.size()),
                               OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt.data(), salt.size()),
                               OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
                               OSSL_PARAM_construct_end()};
  const std::unique_ptr<EVP_KDF, void (*)(EVP_KDF*)> kdf{EVP_KDF_fetch(nullptr, "HKDF", nullptr), EVP_KDF_free};
  const std::unique_ptr<EVP_KDF_CTX, void (*)(EVP_KDF_CTX*)> context{kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr,
                                                                     EVP_KDF_CTX_free};
  if (!context || EVP_KDF_derive(context.get(), out, bytes, params) != 1)
    fail("secret", "HKDF-SHA256 failed");
}

std::unique_ptr<shared_key> make_key(const std::string& path) {
  auto secret = read_secret(path);
  auto key = std::make_unique<shared_key>();
  std::array<unsigned char, 8> id{};
  derive(secret, "tls 1.3 pre-shared key", key->key.data(), key->key.size());
  derive(secret, "tls 1.3 pre-shared key identity", id.data(), id.size());
  OPENSSL_cleanse(secret.data(), secret.size());
  key->identity = "troupe-mesh-1:";
  for (const auto byte : id)
    key->identity += {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
  return key;
}

void free_key(void*, void* key, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<shared_key*>(key); }

int key_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_key);
  return index;
}

const shared_key& key_of(SSL* session) {
  return *static_cast<const shared_key*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(session), key_index()));
}

SSL_SESSION* session_of(SSL* ssl, const shared_key& key) {
  static constexpr unsigned char aes_128_gcm_sha256[] = {0x13, 0x01};
  const auto* cipher = SSL_CIPHER_find(ssl, aes_128_gcm_sha256);
  auto* session = SSL_SESSION_new();
  if (cipher == nullptr || session == nullptr ||
      SSL_SESSION_set1_master_key(session, key.key.data(), key.key.size()) != 1 ||
      SSL_SESSION_set_cipher(session, cipher) != 1 || SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) != 1) {
    SSL_SESSION_free(session);
    return nullptr;
  }
  return session;
}

int use_key(SSL* ssl, const EVP_MD*, const unsigned char** id, std::size_t* id_bytes, SSL_SESSION** session) {
  const auto& key = key_of(ssl);
  *session = session_of(ssl, key);
  *id = reinterpret_cast<const unsigned char*>(key.identity.data());
  *id_bytes = key.identity.size();
  return *session != nullptr ? 1 : 0;
}

int find_key(SSL* ssl, const unsigned char* id, std::size_t id_bytes, SSL_SESSION** session) {
  const auto& key = key_of(ssl);
  const std::string_view asked{reinterpret_cast<const char*>(id), id_bytes};
  *session = asked == key.identity ? session_of(ssl, key) : nullptr;
  return 1; // without a session the handshake fails, since there is no certificate to go on with
}

// -- contexts

std::shared_ptr<SSL_CTX> make_context(bool server) {
  std::shared_ptr<SSL_CTX> context{SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()), SSL_CTX_free};
  if (!context)
    throw std::runtime_error("mesh: OpenSSL has no memory");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(context.get(), TLS1_3_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  return context;
}

std::shared_ptr<SSL_CTX> with_secret(bool server, const std::string& path) {
  auto context = make_context(server);
  SSL_CTX_set_ciphersuites(context.get(), "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set_ex_data(context.get(), key_index(), make_key(path).release());
  if (server) {
    SSL_CTX_set_psk_find_session_callback(context.get(), find_key);
  } else {
    SSL_CTX_set_psk_use_session_callback(context.get(), use_key);
    // A server that shows a certificate instead is none of ours, and has none to show that we trust.
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }
  return context;
}

std::shared_ptr<SSL_CTX> with_certificates(bool server, const security& how) {
  ERR_clear_error();
  auto context = make_context(server);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | (server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  if (SSL_CTX_use_certificate_chain_file(context.get(), how.certificate.c_str()) != 1)
    fail(how.certificate, "no certificate in PEM");
  if (SSL_CTX_use_PrivateKey_file(context.get(), how.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1)
    fail(how.key, "no private key in PEM that fits the certificate");
  if (SSL_CTX_load_verify_file(context.get(), how.ca.c_str()) != 1)
    fail(how.ca, "no certificate in PEM");
  return context;
}

// -- names

/// DNS names of a certificate; its common name counts only where it has none (RFC 6125 section 6.4.4).
std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> found{
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free};
  const auto add = [&](const ASN1_STRING* text) {
    std::string name{reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<std::size_t>(ASN1_STRING_length(text))};
    if (!name.empty() && name.find('\0') == std::string::npos)
      names.push_back(std::move(name));
  };
  for (int i = 0; found && i < sk_GENERAL_NAME_num(found.get()); ++i)
    if (const auto* each = sk_GENERAL_NAME_value(found.get(), i); each->type == GEN_DNS)
      add(each->d.dNSName);
  if (!found) {
    const auto* subject = X509_get_subject_name(certificate);
    if (const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1); at >= 0)
      add(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  }
  return names;
}

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

} // namespace

bool name_matches(std::string_view pattern, std::string_view name) noexcept {
  if (pattern == "*")
    return !name.empty();
  if (!pattern.starts_with("*."))
    return same(pattern, name);
  const auto dot = name.find('.');
  return dot != std::string_view::npos && dot > 0 && same(pattern.substr(1), name.substr(dot));
}

credentials::credentials(const security& how)
    : allowed_names_{how.allowed_names}
    , by_secret_{!how.secret_file.empty()} {
  const bool any_of_certificates = !how.certificate.empty() || !how.key.empty() || !how.ca.empty();
  if (by_secret_ && any_of_certificates)
    throw std::runtime_error("mesh: configure certificates or a secret file, not both");
  if (by_secret_) {
    server_ = with_secret(true, how.secret_file);
    client_ = with_secret(false, how.secret_file);
    return;
  }
  if (!any_of_certificates)
    throw std::runtime_error("mesh: will not open without protection: configure certificates (certificate, key, ca, "
                             "allowed names) or a secret file");
  if (how.certificate.empty() || how.key.empty() || how.ca.empty() || how.allowed_names.empty())
    throw std::runtime_error("mesh: certificates need all of certificate, key, ca and allowed names");
  server_ = with_certificates(true, how);
  client_ = with_certificates(false, how);
}

std::optional<std::string> credentials::refuse(ssl_st* session, std::string_view name) const {
  if (session == nullptr || SSL_version(session) != TLS1_3_VERSION)
    return "no TLS 1.3";
  if (by_secret_)
    return SSL_session_reused(session) == 1 ? std::optional<std::string>{} : "the secret was not used";
  auto* certificate = SSL_get0_peer_certificate(session);
  if (certificate == nullptr || SSL_get_verify_result(session) != X509_V_OK)
    return "no certificate of the mesh's CA";
  const auto names = names_of(certificate);
  const auto allowed = [&](const std::string& each) {
    return std::any_of(allowed_names_.begin(), allowed_names_.end(),
                       [&](const std::string& pattern) { return name_matches(pattern, each); });
  };
  // A name that is not allowed proves nothing, so only those that are may be the node's.
  bool any = false;
  for (const auto& each : names) {
    if (!allowed(each))
      continue;
    any = true;
    if (same(each, name) || same(each.substr(0, each.find('.')), name))
      return {};
  }
  return any ? "its certificate is for another node" : "no name of its certificate is allowed";
}

} // namespace troupe::mesh
