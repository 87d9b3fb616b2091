#include "tests/transports/certificates.hpp"

#include "tests/transports/own_folder.hpp"

#include <cstdio>
#include <filesystem>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdexcept>

namespace troupe::testing {

namespace {

std::filesystem::path file_in(const std::string& name) {
  static const own_folder f{"certificates"};
  return f.path / name;
}

void write(const std::string& name, const std::string& common_name) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 24 * 3600);
  X509_set_pubkey(certificate, key);
  auto* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(common_name.c_str()),
                             -1, -1, 0);
  X509_set_issuer_name(certificate, subject);
  X509_sign(certificate, key, EVP_sha256());
  auto* out = std::fopen(file_in(name + ".pem").c_str(), "w");
  PEM_write_X509(out, certificate);
  std::fclose(out);
  out = std::fopen(file_in(name + ".key").c_str(), "w");
  PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(out);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

void make_once(const std::string& name) {
  if (!std::filesystem::exists(file_in(name + ".pem")))
    write(name, name);
}

} // namespace

std::string certificate_file(const std::string& name) {
  make_once(name);
  return file_in(name + ".pem");
}

std::string key_file(const std::string& name) {
  make_once(name);
  return file_in(name + ".key");
}

void replace_certificate(const std::string& name, const std::string& common_name) { write(name, common_name); }

} // namespace troupe::testing
