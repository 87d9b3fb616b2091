#include "runtime/system/digest.hpp"

#include <memory>
#include <openssl/evp.h>
#include <stdexcept>

namespace troupe {
namespace {

using context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

template <std::size_t Bytes>
std::array<unsigned char, Bytes> digest(const EVP_MD* algorithm, std::string_view text) {
  thread_local const context of_thread{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  std::array<unsigned char, Bytes> result{};
  if (algorithm == nullptr || EVP_DigestInit_ex2(of_thread.get(), algorithm, nullptr) != 1 ||
      EVP_DigestUpdate(of_thread.get(), text.data(), text.size()) != 1 ||
      EVP_DigestFinal_ex(of_thread.get(), result.data(), nullptr) != 1)
    throw std::runtime_error{"OpenSSL has no such digest"};
  return result;
}

} // namespace

std::array<unsigned char, 32> sha256(std::string_view text) {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return digest<32>(algorithm, text);
}

std::array<unsigned char, 20> sha1(std::string_view text) {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  return digest<20>(algorithm, text);
}

} // namespace troupe
