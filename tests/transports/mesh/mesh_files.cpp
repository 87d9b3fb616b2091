#include "tests/transports/mesh/mesh_files.hpp"

#include "tests/transports/own_folder.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

namespace mesh_testing {
namespace {

std::string path_of(const std::string& name) {
  static const troupe::testing::own_folder f{"mesh"};
  return (f.path / name).string();
}

using key_ptr = std::shared_ptr<EVP_PKEY>;
using certificate_ptr = std::shared_ptr<X509>;

struct authority {
  key_ptr key;
  certificate_ptr certificate;
  std::string file;
};

void extend(X509* certificate, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, void (*)(X509_EXTENSION*)> made{
      X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str()), X509_EXTENSION_free};
  X509_add_ext(certificate, made.get(), -1);
}

certificate_ptr make(const std::string& common_name, const key_ptr& key) {
  static long serial = 0;
  certificate_ptr certificate{X509_new(), X509_free};
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 24 * 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  return certificate;
}

template <class F>
std::string pem(const std::string& name, F&& write) {
  const auto path = path_of(name);
  auto* out = std::fopen(path.c_str(), "w");
  write(out);
  std::fclose(out);
  return path;
}

const authority& authority_of(const std::string& name) {
  static std::map<std::string, authority> all;
  auto& ca = all[name];
  if (ca.key)
    return ca;
  ca.key = {EVP_EC_gen("P-256"), EVP_PKEY_free};
  ca.certificate = make(name, ca.key);
  X509_set_issuer_name(ca.certificate.get(), X509_get_subject_name(ca.certificate.get()));
  extend(ca.certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(ca.certificate.get(), ca.key.get(), EVP_sha256());
  ca.file = pem(name + "-ca.pem", [&](FILE* out) { PEM_write_X509(out, ca.certificate.get()); });
  return ca;
}

} // namespace

std::string write_file(const std::string& name, const std::string& content, unsigned mode) {
  const auto path = path_of(name);
  ::unlink(path.c_str());
  std::ofstream{path} << content;
  ::chmod(path.c_str(), mode);
  return path;
}

troupe::mesh::security by_secret(const std::string& name) {
  troupe::mesh::security how;
  how.secret_file = write_file(name, name + " is a secret of at least thirty-two bytes\n", 0600);
  return how;
}

troupe::mesh::security by_certificate(const std::string& ca, const std::string& common_name,
                                      const std::vector<std::string>& names, const std::vector<std::string>& allowed) {
  static int count = 0;
  const auto& by = authority_of(ca);
  const key_ptr key{EVP_EC_gen("P-256"), EVP_PKEY_free};
  const auto certificate = make(common_name, key);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(by.certificate.get()));
  std::string list;
  for (const auto& name : names)
    list += (list.empty() ? "DNS:" : ",DNS:") + name;
  if (!list.empty())
    extend(certificate.get(), NID_subject_alt_name, list);
  X509_sign(certificate.get(), by.key.get(), EVP_sha256());
  const auto file = std::to_string(++count);
  troupe::mesh::security how;
  how.certificate = pem(file + ".pem", [&](FILE* out) { PEM_write_X509(out, certificate.get()); });
  how.key = pem(file + ".key",
                [&](FILE* out) { PEM_write_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  how.ca = by.file;
  how.allowed_names = allowed;
  return how;
}

} // namespace mesh_testing
