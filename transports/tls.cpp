#include "transports/tls.hpp"

#include <cerrno>
#include <cstring>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdexcept>
#include <unistd.h>

namespace troupe {

namespace {

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_bytes, const unsigned char* offered,
                    unsigned int offered_bytes, void*) {
  static constexpr unsigned char http_1_1[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_bytes, http_1_1, sizeof http_1_1 - 1, offered, offered_bytes) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

[[noreturn]] void refuse(const std::string& file, const char* what) {
  std::string why = what;
  if (access(file.c_str(), R_OK) != 0)
    why = std::strerror(errno);
  else if (const char* reason = ERR_reason_error_string(ERR_peek_last_error()); reason != nullptr)
    why += std::string{" ("} + reason + ")";
  ERR_clear_error();
  throw std::runtime_error("tls: " + file + ": " + why);
}

std::shared_ptr<SSL_CTX> load(const std::string& certificate, const std::string& key) {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context{SSL_CTX_new(TLS_server_method()), SSL_CTX_free};
  if (!context)
    throw std::runtime_error("tls: OpenSSL has no memory");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1)
    refuse(certificate, "no certificate in PEM");
  if (SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1)
    refuse(key, "no private key in PEM that fits the certificate");
  if (SSL_CTX_check_private_key(context.get()) != 1)
    refuse(key, "does not belong to the certificate");
  return context;
}

} // namespace

tls_credentials::tls_credentials(std::string certificate, std::string key)
    : certificate_{std::move(certificate)}
    , key_{std::move(key)}
    , context_{load(certificate_, key_)} {}

void tls_credentials::reload() {
  auto fresh = load(certificate_, key_);
  std::lock_guard guard{lock_};
  context_ = std::move(fresh);
}

std::shared_ptr<SSL_CTX> tls_credentials::current() const {
  std::lock_guard guard{lock_};
  return context_;
}

} // namespace troupe
